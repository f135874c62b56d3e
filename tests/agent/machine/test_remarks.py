import os
import shutil
from pathlib import Path

import pytest

from agent.machine.remarks import remarks

BOARDS = Path(__file__).parent.parent.parent / "hardware"
STAT = "cpu  {user} 0 0 {idle} 0 0 0 {stolen} 0 0\ncpu0 0 0 0 0 0 0 0 0 0 0\ncpu1 0 0 0 0 0 0 0 0 0 0\n"


def about(root: Path) -> list[str]:
    return [remark.about for remark in remarks(root, lambda _: None)]


@pytest.mark.parametrize(
    ("board", "expected"),
    [
        ("server", []),
        ("server-vm", []),
        ("raspberry-pi-5", ["governor", "temperature"]),
        ("raspberry-pi-4", ["governor", "temperature", "throttling", "throttling"]),
        ("phone", ["power"]),
        ("rock-5b", ["temperature"]),
        ("raspberry-pi-4-container", ["quota", "throttling"]),
    ],
)
def test_boards(board: str, expected: list[str]) -> None:
    assert about(BOARDS / board) == expected


@pytest.mark.parametrize(
    ("user", "stolen", "expected"),
    [(1, 0, []), (50, 0, ["load"]), (1, 5, ["host"]), (50, 5, ["load", "host"])],
)
def test_a_busy_machine(tmp_path: Path, user: int, stolen: int, expected: list[str]) -> None:
    (tmp_path / "proc").mkdir()
    stat = tmp_path / "proc" / "stat"
    stat.write_text(STAT.format(user=1000, idle=9000, stolen=10))

    def pass_time(_: float) -> None:
        stat.write_text(STAT.format(user=1000 + user, idle=9100 - user, stolen=10 + stolen))

    found = remarks(tmp_path, pass_time)
    assert [remark.about for remark in found] == expected
    if "load" in expected:
        assert "use 1.0 of 2 cores" in found[0].sentence or "use 0.9 of 2 cores" in found[0].sentence


def test_what_this_process_uses_is_not_that_of_other_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Libraries have threads of their own: OpenBLAS's wait in a loop after NumPy is imported."""
    (tmp_path / "proc").mkdir()
    stat = tmp_path / "proc" / "stat"
    stat.write_text(STAT.format(user=1000, idle=9000, stolen=10))
    own = iter([7.0, 7.0 + 50 / os.sysconf("SC_CLK_TCK")])
    monkeypatch.setattr("agent.machine.remarks.time.process_time", lambda: next(own))

    def pass_time(_: float) -> None:
        stat.write_text(STAT.format(user=1051, idle=9049, stolen=10))

    assert remarks(tmp_path, pass_time) == ()


def test_a_laptop_that_is_unplugged(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "laptop", tmp_path, dirs_exist_ok=True)
    before = about(tmp_path)
    (tmp_path / "sys/class/power_supply/BAT0/status").write_text("Discharging\n")
    assert about(tmp_path) == [*before, "power"]


def test_each_remark_is_one_line() -> None:
    for board in BOARDS.iterdir():
        for remark in remarks(board, lambda _: None):
            assert remark.sentence.isprintable() and len(remark.sentence) < 200


@pytest.mark.parametrize(
    ("vcgencmd", "said"),
    [
        (None, "cannot be read, so it is unknown: vcgencmd is not installed: install it"),
        ("echo VCHI initialization failed >&2; exit 255", "'VCHI initialization failed': add the user to"),
        ("echo VCHI initialization failed", "'VCHI initialization failed': add the user to the group video"),
        ('echo "Can\'t open device file: /dev/vcio" >&2; exit 1', "needs --device /dev/vcio"),
        ("exit 1", "'exit status 1'"),
    ],
)
def test_throttling_that_cannot_be_read_is_said(tmp_path: Path, vcgencmd: str | None, said: str) -> None:
    (tmp_path / "proc/device-tree").mkdir(parents=True)
    (tmp_path / "proc/device-tree/model").write_text("Raspberry Pi 4 Model B Rev 1.5\0")
    if vcgencmd is not None:
        program = tmp_path / "usr/bin/vcgencmd"
        program.parent.mkdir(parents=True)
        program.write_text(f"#!/bin/sh\n{vcgencmd}\n")
        program.chmod(0o755)
    (remark,) = remarks(tmp_path, lambda _: None)
    assert remark.about == "throttling" and said in remark.sentence


def test_a_board_with_a_pi_s_chip_and_a_name_of_its_own_is_asked_too(tmp_path: Path) -> None:
    tree = tmp_path / "proc/device-tree"
    tree.mkdir(parents=True)
    (tree / "model").write_text("Revolution Pi Connect 4\0")
    (tree / "compatible").write_text("kunbus,revpi-connect4\0brcm,bcm2711\0")
    assert about(tmp_path) == ["throttling"]


def test_a_quota_is_said_with_what_it_has_cost(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "raspberry-pi-4-container", tmp_path, dirs_exist_ok=True)
    remark = remarks(tmp_path, lambda _: None)[0]
    assert (
        remark.what
        == "a quota gives this program the time of 1.5 of 4 cores, which has throttled it 31 times"
    )
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("nr_periods 5\nnr_throttled 0\n")
    assert remarks(tmp_path, lambda _: None)[0].what.endswith("the time of 1.5 of 4 cores")
    for no_limit in ("400000 100000\n", "max 100000\n"):
        (tmp_path / "sys/fs/cgroup/cpu.max").write_text(no_limit)
        assert "quota" not in about(tmp_path)
