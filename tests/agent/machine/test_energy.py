"""Joules from counters and power meters of captured machines."""

import shutil
from pathlib import Path

import pytest

from agent.machine.energy import POWER_SECONDS, PowerMeter, find_meter, rails_watts

BOARDS = Path(__file__).parent.parent.parent / "hardware"
ZONES = "sys/class/powercap"


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def copy(board: str, to: Path) -> Path:
    shutil.copytree(BOARDS / board, to, dirs_exist_ok=True)
    return to


def count(root: Path, zone: str, microjoules: int) -> None:
    (root / ZONES / zone / "energy_uj").write_text(f"{microjoules}\n")


@pytest.mark.parametrize(
    ("board", "source"),
    [
        ("server", "RAPL: package-0, dram, package-1, dram"),
        ("laptop", "RAPL: package-0"),
        ("raspberry-pi-5", "PMIC: all metered rails"),
        ("raspberry-pi-4", None),
        ("server-vm", None),
        ("jetson", "INA3221: VDD_IN"),
        ("rock-5b", None),
    ],
)
def test_the_source_is_named(board: str, source: str | None) -> None:
    meter = find_meter(BOARDS / board)
    assert (meter.source if meter else None) == source


def test_rapl_counts_packages_and_their_memory(tmp_path: Path) -> None:
    root = copy("server", tmp_path)
    meter = find_meter(root)
    assert meter is not None and meter.joules() == 0.0
    count(root, "intel-rapl:0", 48_211_730_112 + 3_000_000)
    count(root, "intel-rapl:1:0", 8_801_442_119 + 500_000)
    assert meter.joules() == pytest.approx(3.5)


def test_rapl_starts_over_at_its_end(tmp_path: Path) -> None:
    root = copy("laptop", tmp_path)
    count(root, "intel-rapl:0", 262_143_328_850 - 1_000_000)
    meter = find_meter(root)
    assert meter is not None
    count(root, "intel-rapl:0", 2_000_000)
    assert meter.joules() == pytest.approx(3.0)
    count(root, "intel-rapl:0", 2_500_000)
    assert meter.joules() == pytest.approx(3.5)


def test_a_counter_that_failed_once_is_not_trusted_again(tmp_path: Path) -> None:
    root = copy("laptop", tmp_path)
    meter = find_meter(root)
    assert meter is not None
    (root / ZONES / "intel-rapl:0" / "energy_uj").write_text("")
    assert meter.joules() is None
    count(root, "intel-rapl:0", 21_004_518_113)
    assert meter.joules() is None


def test_a_counter_that_only_root_may_read_is_no_meter(tmp_path: Path) -> None:
    root = copy("laptop", tmp_path)
    (root / ZONES / "intel-rapl:0" / "energy_uj").unlink()
    assert find_meter(root) is None


def test_the_rails_of_a_pi_5() -> None:
    output = (
        "A_A current(0)=0.5A\n A_V volt(8)=2.0V\n B_A current(1)=1A\n B_V volt(9)=3V\n EXT5V_V volt(24)=5V\n"
    )
    assert rails_watts(output) == pytest.approx(4.0)
    assert rails_watts("") is None
    meter = find_meter(BOARDS / "raspberry-pi-5", clock := Clock())
    assert meter is not None and meter.samples_power
    assert meter.joules() is None, "nothing was looked at yet"
    meter.look()
    clock.seconds += 10
    # Amperes times volts of every rail in the board's output, summed by hand.
    assert meter.joules() == pytest.approx(10 * 1.618, abs=0.01)


def test_power_is_integrated_by_the_trapezoid_rule() -> None:
    clock = Clock()
    watts = iter([2.0, 4.0])
    asked = []

    def power() -> float | None:
        asked.append(clock.seconds)
        return next(watts, None)

    meter = PowerMeter("test", power, clock)
    meter.look()
    clock.seconds += POWER_SECONDS / 2
    meter.look()
    assert len(asked) == 1, "it is not asked more often than it is due"
    clock.seconds += POWER_SECONDS / 2
    meter.look()
    assert meter.joules() == pytest.approx(3.0 * POWER_SECONDS)
    clock.seconds += 2
    assert meter.joules() == pytest.approx(3.0 * POWER_SECONDS + 8.0)
    meter.look()
    assert meter.joules() is None, "it has stopped to answer"


def test_a_sensor_in_the_supply_line_comes_first(tmp_path: Path) -> None:
    root = copy("raspberry-pi-5", tmp_path)
    sensor = root / "sys/class/hwmon/hwmon3"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina219\n")
    (sensor / "power1_input").write_text("6500000\n")
    meter = find_meter(root, clock := Clock())
    assert meter is not None and meter.source == "INA219: supply line"
    meter.look()
    clock.seconds += 4
    assert meter.joules() == pytest.approx(26.0)


def sensor(root: Path, files: dict[str, str]) -> None:
    root.mkdir(parents=True)
    for name, text in files.items():
        (root / name).write_text(text + "\n")


def watts(root: Path) -> float | None:
    meter = find_meter(root, clock := Clock())
    assert meter is not None
    meter.look()
    clock.seconds += 1
    return meter.joules()


def test_a_jetson_s_module_is_metered_by_volts_and_amperes() -> None:
    assert watts(BOARDS / "jetson") == pytest.approx(5.072 * 1.208)


def test_a_jetson_without_a_rail_of_the_module_adds_up_its_rails(tmp_path: Path) -> None:
    hwmon = tmp_path / "sys/class/hwmon"
    first = {"name": "ina3221", "in1_label": "VDD_GPU_SOC", "in1_input": "19000", "curr1_input": "200"}
    first |= {"in2_label": "VDD_CPU_CV", "in2_input": "19000", "curr2_input": "100"}
    first |= {"in3_label": "VIN_SYS_5V0", "in3_input": "5000", "curr3_input": "1000"}
    second = {"name": "ina3221", "in1_label": "NC", "in1_input": "0", "curr1_input": "0"}
    second |= {"in2_label": "VDDQ_VDD2_1V8AO", "in2_input": "5000", "curr2_input": "400"}
    sensor(hwmon / "hwmon1", first)
    sensor(hwmon / "hwmon2", second)
    meter = find_meter(tmp_path)
    assert meter is not None and meter.source == "INA3221: VDD_GPU_SOC + VDD_CPU_CV + VIN_SYS_5V0"
    assert watts(tmp_path) == pytest.approx(3.8 + 1.9 + 5.0)


def test_a_jetson_nano_with_jetpack_4(tmp_path: Path) -> None:
    files = {"rail_name_0": "POM_5V_IN", "in_voltage0_input": "5100", "in_current0_input": "500"}
    files |= {"rail_name_1": "POM_5V_GPU", "in_voltage1_input": "5100", "in_current1_input": "40"}
    sensor(tmp_path / "sys/bus/i2c/drivers/ina3221x/6-0040/iio:device0", files)
    assert watts(tmp_path) == pytest.approx(2.55)


def test_a_supply_line_without_a_file_of_its_power(tmp_path: Path) -> None:
    sensor(tmp_path / "sys/class/hwmon/hwmon0", {"name": "ina226", "in1_input": "5000", "curr1_input": "700"})
    assert watts(tmp_path) == pytest.approx(3.5)


def test_a_rail_that_falls_silent_is_no_energy(tmp_path: Path) -> None:
    root = copy("jetson", tmp_path)
    meter = find_meter(root, clock := Clock())
    assert meter is not None
    meter.look()
    (root / "sys/class/hwmon/hwmon1/curr1_input").unlink()
    clock.seconds += POWER_SECONDS
    meter.look()
    assert meter.joules() is None
