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
    assert device.hypervisor == "QEMU"
    assert device.governor is None
    assert device.cores == 2


def test_a_physical_machine_has_no_hypervisor_and_a_detected_class() -> None:
    device = board("server", "x86_64")
    assert (device.hypervisor, device.class_named) == (None, False)


def test_a_class_that_the_user_named_is_marked() -> None:
    device = inspect_device("test", "laptop", root=BOARDS / "server-vm", architecture="x86_64")
    assert (device.hardware_class, device.class_named) == ("laptop", True)
    assert device.hypervisor == "QEMU"


def test_a_hypervisor_without_a_name_is_unknown(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text("vendor_id : GenuineIntel\nflags : avx2 hypervisor\n")
    device = inspect_device("test", root=tmp_path, architecture="x86_64")
    assert (device.hardware_class, device.hypervisor) == ("virtual-machine", "unknown")


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
        ("phone", "aarch64", "phone", "4 Cortex-A510 + 4 Cortex-A78"),
        ("rock-5b", "aarch64", "unknown", "4 Cortex-A55 + 4 Cortex-A76"),
        ("raspberry-pi-4-container", "aarch64", "raspberry-pi-4", "Cortex-A72"),
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


def tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


HYPERTHREADS = {
    f"sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list": f"{core % 4},{core % 4 + 4}\n"
    for core in range(8)
}


@pytest.mark.parametrize(
    ("allowed", "files", "usable", "physical"),
    [
        ("0-7", {}, 8, 4),
        ("0,4", {}, 2, 1),  # two threads of one core
        ("0-1,5", {}, 3, 2),
        ("0-255", {"sys/devices/system/cpu/online": "0-3,6\n"}, 5, 4),
        ("0-7", {"proc/self/cgroup": "0::/box\n", "sys/fs/cgroup/box/cpuset.cpus.effective": "2-3\n"}, 2, 2),
        ("0-7", {"proc/self/cgroup": "4:cpuset:/\n", "sys/fs/cgroup/cpuset/cpuset.cpus": "1,5\n"}, 2, 1),
    ],
)
def test_cores_that_may_be_used(
    tmp_path: Path, allowed: str, files: dict[str, str], usable: int, physical: int
) -> None:
    root = tree(tmp_path, {**HYPERTHREADS, "proc/self/status": f"Cpus_allowed_list:\t{allowed}\n", **files})
    assert (usable_cores(root), physical_cores(root)) == (usable, physical)


@pytest.mark.parametrize(
    ("groups", "files", "cores"),
    [
        ("0::/\n", {"cpu.max": "100000 100000"}, 1),  # docker run --cpus=1
        ("0::/\n", {"cpu.max": "50000 100000"}, 1),
        ("0::/\n", {"cpu.max": "250000 100000"}, 2),
        ("0::/\n", {"cpu.max": "max 100000"}, 8),
        ("0::/\n", {"cpu.max": "1600000 100000"}, 8),
        ("0::/\n", {"cpu.max": "broken"}, 8),
        ("0::/a/b\n", {"a/cpu.max": "200000 100000", "a/b/cpu.max": "300000 100000"}, 2),
        ("0::/a/b\n", {"a/cpu.max": "max 100000", "a/b/cpu.max": "150000 50000"}, 3),
        ("0::/docker/1f\n", {"cpu.max": "200000 100000"}, 2),  # the host's path, the container's mount
        ("0::/docker/1f/init\n", {"cpu.max": "max 100000", "init/cpu.max": "300000 100000"}, 3),
        ("0::/../box\n", {"cpu.max": "200000 100000"}, 2),
        ("5:cpu,cpuacct:/b\n", {"cpu,cpuacct/b/cpu.cfs_quota_us": "200000"}, 2),
        ("5:cpuacct,cpu:/b\n1:name=systemd:/b\n", {"cpu/cpu.cfs_quota_us": "300000"}, 3),
        ("5:cpu:/b\n", {"cpu/b/cpu.cfs_quota_us": "-1"}, 8),
        ("5:cpu:/b\n0::/\n", {"cpu/b/cpu.cfs_quota_us": "400000", "cpu/cpu.cfs_quota_us": "100000"}, 1),
    ],
)
def test_a_quota_allows_whole_cores_and_at_least_one(
    tmp_path: Path, groups: str, files: dict[str, str], cores: int
) -> None:
    files |= {
        name.replace("quota", "period"): "100000" for name in list(files) if name.endswith("cfs_quota_us")
    }
    root = tree(tmp_path, {"proc/self/status": "Cpus_allowed_list:\t0-7\n", "proc/self/cgroup": groups})
    tree(root / "sys/fs/cgroup", files)
    assert (usable_cores(root), physical_cores(root)) == (cores, cores)
    assert inspect_device("test", root=root).cores == cores


@pytest.mark.parametrize(
    ("model", "compatible", "expected"),
    [
        ("Raspberry Pi Compute Module 4S Rev 1.0", "", "raspberry-pi-4"),
        ("Raspberry Pi Compute Module 4 Rev 1.1", "", "raspberry-pi-4"),
        ("Raspberry Pi 400 Rev 1.0", "", "raspberry-pi-4"),
        ("Raspberry Pi Compute Module 5 Lite Rev 1.0", "", "raspberry-pi-5"),
        ("Raspberry Pi 500+ Rev 1.0", "", "raspberry-pi-5"),
        ("Raspberry Pi 3 Model B Plus Rev 1.3", "", "raspberry-pi-3"),
        ("Raspberry Pi Compute Module 3 Plus Rev 1.0", "", "raspberry-pi-3"),
        ("Raspberry Pi Zero 2 W Rev 1.0", "", "raspberry-pi-zero-2"),
        ("Raspberry Pi 2 Model B Rev 1.2", "", "unknown"),
        ("Raspberry Pi 45", "", "unknown"),
        ("Revolution Pi Connect 4", "kunbus,revpi-connect4\0brcm,bcm2711\0", "raspberry-pi-4"),
        ("A board of tomorrow", "maker,board\0brcm,bcm2712\0", "raspberry-pi-5"),
        ("quill", "nvidia,quill\0nvidia,tegra186\0", "jetson"),
        ("NVIDIA Orin NX Developer Kit", "", "jetson"),
        ("Hardkernel ODROID-C4", "hardkernel,odroid-c4\0amlogic,sm1\0", "unknown"),
    ],
)
@pytest.mark.parametrize("place", ["proc/device-tree", "sys/firmware/devicetree/base"])
def test_boards_by_their_device_tree(
    tmp_path: Path, place: str, model: str, compatible: str, expected: str
) -> None:
    root = tree(tmp_path, {f"{place}/model": f"{model}\0", f"{place}/compatible": compatible})
    device = inspect_device("test", root=root, architecture="aarch64")
    assert (device.hardware_class, device.model) == (expected, model)


@pytest.mark.parametrize(
    ("lines", "model", "expected"),
    [
        ("Model\t: Raspberry Pi 5 Model B Rev 1.0\n", "Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("Hardware\t: BCM2835\nRevision\t: c03114\n", "Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4"),
        ("Revision\t: b03140\n", "Raspberry Pi Compute Module 4 Rev 1.0", "raspberry-pi-4"),
        ("Revision\t: 902120\n", "Raspberry Pi Zero 2 W Rev 1.0", "raspberry-pi-zero-2"),
        ("Hardware\t: BCM2835\nRevision\t: 000e\n", "unknown", "unknown"),
        ("Hardware\t: Hardkernel ODROID-N2\nRevision\t: 0400\n", "Hardkernel ODROID-N2", "unknown"),
    ],
)
def test_a_container_s_board_by_cpuinfo(tmp_path: Path, lines: str, model: str, expected: str) -> None:
    cpuinfo = f"processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd08\n\n{lines}"
    device = inspect_device("test", root=tree(tmp_path, {"proc/cpuinfo": cpuinfo}), architecture="aarch64")
    assert (device.model, device.hardware_class, device.cpu_model) == (model, expected, "Cortex-A72")


def test_a_jetson_in_a_container_by_its_system_on_chip(tmp_path: Path) -> None:
    files = {"sys/devices/soc0/machine": "NVIDIA Jetson Orin Nano Developer Kit\n"}
    device = inspect_device("test", root=tree(tmp_path, files), architecture="aarch64")
    assert (device.hardware_class, device.model) == ("jetson", "NVIDIA Jetson Orin Nano Developer Kit")


def test_a_server_of_nvidia_is_no_jetson(tmp_path: Path) -> None:
    dmi = "sys/class/dmi/id/"
    files = {dmi + "sys_vendor": "NVIDIA", dmi + "product_name": "DGX A100", dmi + "chassis_type": "23"}
    assert inspect_device("test", root=tree(tmp_path, files)).hardware_class == "server"


def test_a_32_bit_system_names_the_core_and_not_the_architecture(tmp_path: Path) -> None:
    cpuinfo = (
        "processor\t: 0\nmodel name\t: ARMv7 Processor rev 3 (v7l)\n"
        "CPU implementer\t: 0x41\nCPU part\t: 0xd08\n"
    )
    root = tree(tmp_path, {"proc/cpuinfo": cpuinfo})
    assert inspect_device("test", root=root, architecture="armv7l").cpu_model == "Cortex-A72"
