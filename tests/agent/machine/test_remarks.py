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


def test_a_laptop_that_is_unplugged(tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "laptop", tmp_path, dirs_exist_ok=True)
    before = about(tmp_path)
    (tmp_path / "sys/class/power_supply/BAT0/status").write_text("Discharging\n")
    assert about(tmp_path) == [*before, "power"]


def test_each_remark_is_one_line() -> None:
    for board in BOARDS.iterdir():
        for remark in remarks(board, lambda _: None):
            assert remark.sentence.isprintable() and len(remark.sentence) < 200
