import shutil
import struct
from pathlib import Path

import msgspec
import pytest

from agent.machine.device import core_list, cores_of, inspect_device, physical_cores, usable_cores
from contract.codec import encode
from contract.device import HARDWARE_CLASSES, Device

BOARDS = Path(__file__).parent.parent.parent / "hardware"


def board(name: str, architecture: str = "aarch64") -> Device:
    return inspect_device("test", root=BOARDS / name, architecture=architecture)


def test_raspberry_pi_5() -> None:
    device = board("raspberry-pi-5")
    assert device.hardware_class == "raspberry-pi-5"
    assert device.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert device.cpu_model == "Cortex-A76"
    assert device.cpu_flags == ("asimd", "asimddp", "asimdhp")
    assert (device.cores, device.memory_bytes) == (4, 8256020 * 1024)
    assert (device.os, device.kernel) == ("Debian GNU/Linux 12 (bookworm)", "6.6.51+rpt-rpi-2712")
    assert device.governor == "ondemand"


def test_raspberry_pi_4_has_no_dot_product() -> None:
    device = board("raspberry-pi-4")
    assert device.hardware_class == "raspberry-pi-4"
    assert device.cpu_model == "Cortex-A72"
    assert device.cpu_flags == ("asimd",)


def test_laptop() -> None:
    device = board("laptop", "x86_64")
    assert device.hardware_class == "laptop"
    assert device.model == "LENOVO 20XW0026GE"
    assert device.cpu_flags == ("avx", "avx2", "avx512_vnni", "avx512bw", "avx512f")
    assert (usable_cores(BOARDS / "laptop"), physical_cores(BOARDS / "laptop")) == (8, 4)


def test_server() -> None:
    device = board("server", "x86_64")
    assert (device.hardware_class, device.model) == ("server", "Dell Inc. PowerEdge R650")
    assert device.governor == "performance"


def test_virtual_machine() -> None:
    device = board("server-vm", "x86_64")
    assert device.hardware_class == "virtual-machine"
    assert device.governor is None
    assert device.cores == 2


def test_an_emulator_shows_the_processor_below_it() -> None:
    device = board("server-vm", "aarch64")
    assert device.hardware_class == "emulated"
    assert device.cpu_flags == ()


def test_an_emulator_tells_a_program_the_instruction_sets_of_what_it_shows(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "server-vm", tmp_path, dirs_exist_ok=True)
    # AT_PAGESZ, AT_HWCAP and AT_HWCAP2 as qemu-aarch64 gives them for Cortex-A76, then AT_NULL
    vector = struct.pack("<8Q", 6, 4096, 16, 0x119FFB, 26, 0, 0, 0)
    (tmp_path / "proc/self/auxv").write_bytes(vector)
    device = inspect_device("test", root=tmp_path, architecture="aarch64")
    assert device.cpu_flags == ("asimd", "asimddp", "asimdhp")


@pytest.mark.parametrize("path", sorted(BOARDS.iterdir()), ids=lambda path: path.name)
def test_no_serial_number_is_sent(path: Path) -> None:
    encoded = encode(inspect_device("test", root=path, architecture="aarch64"))
    assert b"10000000" not in encoded
    assert msgspec.json.decode(encoded, type=Device).hardware_class in HARDWARE_CLASSES


def test_the_user_may_name_the_class() -> None:
    assert inspect_device("test", "my-board", BOARDS / "laptop").hardware_class == "my-board"


def test_a_machine_that_says_nothing_is_unknown(tmp_path: Path) -> None:
    device = inspect_device("test", root=tmp_path, architecture="riscv64")
    assert (device.hardware_class, device.model, device.cpu_model) == ("unknown", "unknown", "unknown")
    assert device.memory_bytes > 0 and device.cores > 0


@pytest.mark.parametrize(
    ("name", "architecture", "expected", "cpu"),
    [
        ("jetson", "aarch64", "jetson", "Cortex-A78AE"),
        ("phone", "aarch64", "phone", "Cortex-A510"),
        ("desktop", "x86_64", "desktop", "AMD Ryzen 7 5800X 8-Core Processor"),
        ("qemu-user", "aarch64", "emulated", "ARM implementer 0x0 part 0x51"),
        ("raspberry-pi-4", "x86_64", "emulated", "Cortex-A72"),
    ],
)
def test_other_machines(name: str, architecture: str, expected: str, cpu: str) -> None:
    device = board(name, architecture)
    assert (device.hardware_class, device.cpu_model) == (expected, cpu)


@pytest.mark.parametrize(
    ("cores", "text"), [((0, 1), "0-1"), ((0,), "0"), ((5, 0, 2, 3, 4), "0,2-5"), ((0, 2, 4), "0,2,4")]
)
def test_cores_are_written_as_they_are_read(cores: tuple[int, ...], text: str) -> None:
    assert core_list(cores) == text
    assert cores_of(text) == set(cores)
