import shutil
from pathlib import Path

import pytest

from agent.machine.telemetry import Telemetry

BOARDS = Path(__file__).parent.parent.parent / "hardware"
PI_BITS = "sys/devices/platform/soc/soc:firmware/get_throttled"


@pytest.mark.parametrize(
    ("board", "celsius", "hertz"),
    [
        ("raspberry-pi-5", 71.85, 2_400_000_000),
        ("raspberry-pi-4", 82.3, 1_800_000_000),
        ("laptop", 64.0, 4_100_000_000),
        ("server", 51.0, 3_200_000_000),
        ("server-vm", None, None),
        ("rock-5b", 84.0, 2_256_000_000),
        ("raspberry-pi-4-container", 51.608, None),
    ],
)
def test_temperature_and_clock(board: str, celsius: float | None, hertz: int | None) -> None:
    reading = Telemetry(BOARDS / board).read()
    assert reading.temperature_celsius == celsius
    assert reading.clock_hz == hertz


def test_what_slows_a_pi_now_is_a_mark() -> None:
    assert Telemetry(BOARDS / "raspberry-pi-5").read().throttle == ()
    assert Telemetry(BOARDS / "raspberry-pi-4").read().throttle == ("throttled", "under_voltage")


def test_what_slowed_a_pi_between_two_looks_is_a_mark_once(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "raspberry-pi-5", tmp_path, dirs_exist_ok=True)
    telemetry = Telemetry(tmp_path)
    (tmp_path / PI_BITS).write_text("80000\n")  # the soft temperature limit, and gone again
    assert telemetry.read().throttle == ("soft_temperature_limit",)
    assert telemetry.read().throttle == ()


def test_an_intel_core_counts_its_throttling(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "laptop", tmp_path, dirs_exist_ok=True)
    telemetry = Telemetry(tmp_path)
    assert telemetry.read().throttle == ()
    counter = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"
    counter.write_text("13\n")
    assert telemetry.read().throttle == ("throttled",)
    assert telemetry.read().throttle == ()


def test_a_sensor_that_fails_is_no_reading(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "raspberry-pi-5", tmp_path, dirs_exist_ok=True)
    telemetry = Telemetry(tmp_path)
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("")
    (tmp_path / PI_BITS).unlink()
    reading = telemetry.read()
    assert reading.temperature_celsius is None
    assert reading.throttle == (), "vcgencmd still answers"
    (tmp_path / "usr/bin/vcgencmd").unlink()
    assert Telemetry(tmp_path).read().throttle is None


def test_vcgencmd_tells_where_the_kernel_does_not(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "raspberry-pi-4", tmp_path, dirs_exist_ok=True)
    (tmp_path / PI_BITS).unlink()
    telemetry = Telemetry(tmp_path)
    assert telemetry.read().throttle == ("throttled", "under_voltage")
    assert sorted(telemetry.pi.since_boot() or ()) == ["throttled", "under_voltage"]
    vcgencmd = tmp_path / "usr/bin/vcgencmd"
    vcgencmd.write_text("#!/bin/sh\necho throttled=0xd0000\n")
    assert telemetry.read().throttle == ("soft_temperature_limit",), "it came and went since the last look"
    for useless in (
        "#!/bin/sh\nexit 1\n",
        "#!/bin/sh\necho VCHI initialization failed\n",
        "#!/bin/sh\necho throttled=unknown\n",
        "no program",
    ):
        vcgencmd.write_text(useless)
        assert telemetry.read().throttle is None, "what cannot be read is unknown, and not 'not throttled'"
        assert telemetry.pi.since_boot() is None


def test_what_was_before_the_first_reading_is_no_mark(tmp_path: Path) -> None:
    file = tmp_path / PI_BITS
    file.parent.mkdir(parents=True)
    file.write_text("")
    telemetry = Telemetry(tmp_path)
    assert telemetry.read().throttle is None
    file.write_text("50000\n")
    assert telemetry.read().throttle == ()


def test_the_kernel_s_bits_where_the_folder_has_an_address(tmp_path: Path) -> None:
    file = tmp_path / "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled"
    file.parent.mkdir(parents=True)
    file.write_text("50005\n")
    assert Telemetry(tmp_path).read().throttle == ("throttled", "under_voltage")


@pytest.mark.parametrize(
    ("board", "known"),
    [
        ("laptop", True),
        ("raspberry-pi-5", True),
        ("rock-5b", False),
        ("server-vm", False),
        ("desktop", False),
    ],
)
def test_a_machine_that_does_not_report_throttling(board: str, known: bool) -> None:
    assert (Telemetry(BOARDS / board).read().throttle is not None) == known


def test_a_quota_that_stops_the_program_throttles_it(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "raspberry-pi-4-container", tmp_path, dirs_exist_ok=True)
    telemetry = Telemetry(tmp_path)
    assert telemetry.read().throttle is None
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("nr_periods 260\nnr_throttled 32\n")
    assert telemetry.read().throttle == ("throttled",)
    assert telemetry.read().throttle is None


def test_a_package_counts_its_throttling(tmp_path: Path) -> None:
    counter = tmp_path / "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
    counter.parent.mkdir(parents=True)
    counter.write_text("4\n")
    telemetry = Telemetry(tmp_path)
    assert telemetry.read().throttle == ()
    counter.write_text("5\n")
    assert telemetry.read().throttle == ("throttled",)
