"""The temperature is that of the hottest processor, whatever its sensors are called and in which unit."""

from pathlib import Path

import pytest

from agent.machine.thermometers import Thermometers, celsius


def hottest(root: Path, zones: dict[str, str], *sensors: dict[str, str]) -> float | None:
    for n, (kind, temp) in enumerate(zones.items()):
        folder = root / f"sys/class/thermal/thermal_zone{n}"
        folder.mkdir(parents=True)
        (folder / "type").write_text(kind + "\n")
        (folder / "temp").write_text(temp + "\n")
    for n, files in enumerate(sensors):
        folder = root / f"sys/class/hwmon/hwmon{n}"
        folder.mkdir(parents=True)
        for name, text in files.items():
            (folder / name).write_text(text + "\n")
    return Thermometers(root).hottest_celsius()


@pytest.mark.parametrize(
    ("zones", "expected"),
    [
        ({"soc-thermal": "61000", "bigcore0-thermal": "84000", "gpu-thermal": "90000"}, 84.0),
        ({"cpu-thermal": "45"}, 45.0),  # an old kernel's degrees
        ({"cpu-thermal": "-274000"}, None),
        ({"cpu-thermal": "2147483647"}, None),
        ({"cpu-thermal": "-274000", "soc-thermal": "50500"}, 50.5),
        ({"CPU-therm": "41500", "GPU-therm": "60000", "PMIC-Die": "100000"}, 41.5),  # Jetson
        ({"cpu-0-0-usr": "52000", "cpu-1-7-usr": "66000", "battery": "30000", "skin-msm": "70000"}, 66.0),
        ({"BIG": "71000", "LITTLE": "60000", "G3D": "80000"}, 71.0),  # Exynos
        ({"cpu_thermal": "48000", "ddr_thermal": "63000"}, 48.0),  # Amlogic
        ({"mtktscpu": "55000", "mtktsbattery": "90000"}, 55.0),  # MediaTek
        ({"x86_pkg_temp": "70000", "iwlwifi_1": "91000", "acpitz": "27800", "TCPU": "72000"}, 72.0),
        ({"acpitz": "40000", "iwlwifi_1": "91000"}, 40.0),
        ({"iwlwifi_1": "91000"}, None),
        ({}, None),
    ],
)
def test_zones(tmp_path: Path, zones: dict[str, str], expected: float | None) -> None:
    assert hottest(tmp_path, zones) == expected


def test_two_sockets_by_zones_and_by_sensors(tmp_path: Path) -> None:
    socket_0 = {"name": "coretemp", "temp1_input": "51000", "temp2_input": "49000"}
    socket_1 = {"name": "coretemp", "temp1_input": "78000", "temp2_input": "79000"}
    disk = {"name": "nvme", "temp1_input": "95000"}
    assert hottest(tmp_path, {"x86_pkg_temp": "51000"}, socket_0, disk, socket_1) == 79.0


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"temp1_label": "Tctl", "temp1_input": "87000", "temp2_label": "Tdie", "temp2_input": "60000"},
            60.0,
        ),
        (
            {"temp1_label": "Tctl", "temp1_input": "65000", "temp3_label": "Tccd1", "temp3_input": "66000"},
            66.0,
        ),
        ({"temp1_input": "65000"}, 65.0),
    ],
)
def test_a_ryzen_s_offset_is_no_temperature(tmp_path: Path, files: dict[str, str], expected: float) -> None:
    assert hottest(tmp_path, {}, {"name": "k10temp", **files}) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (45, 45.0),
        (110, 110.0),
        (-20, -20.0),
        (45_000, 45.0),
        (-40_000, -40.0),
        (151_000, None),
        (-61_000, None),
    ],
)
def test_units(value: int, expected: float | None) -> None:
    assert celsius(value) == expected
