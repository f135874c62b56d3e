"""Marks and samples within what takes minutes without a pause."""

import time
from pathlib import Path

import pytest

from agent.machine.telemetry import Telemetry
from agent.running.marks import Watch, marks_of
from agent.worker.own_work import OwnWork
from agent.worker.protocol import Outcome


class Board:
    """A Raspberry Pi whose throttle bits and temperature the test decides."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bits = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        zone = root / "sys/class/thermal/thermal_zone0"
        for folder in (self._bits.parent, zone):
            folder.mkdir(parents=True)
        (zone / "type").write_text("cpu-thermal\n")
        self._temperature = zone / "temp"
        self.is_at(40)

    def is_at(self, celsius: int, bits: int = 0) -> None:
        self._bits.write_text(f"{bits:x}\n")
        self._temperature.write_text(f"{celsius}000\n")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def asked(at_ns: int, time_ns: int = 0, waited_ns: int = 0) -> Outcome:
    return Outcome(question_id="q", asked_at_ns=at_ns, infer_ns=time_ns, waited_ns=waited_ns)


def test_a_mark_is_of_the_stretch_that_a_question_falls_into(board: Board) -> None:
    watch = Watch(Telemetry(board.root), None, OwnWork(), look_seconds=0.0)
    for celsius, bits in ((50, 0), (81, 0b100), (60, 0), (55, 0)):
        board.is_at(celsius, bits)
        watch.look()
    stretches = watch.end()
    assert [stretch.after.temperature_celsius for stretch in stretches] == [50.0, 81.0, 60.0, 55.0, 55.0]
    hot = frozenset({"throttled"})
    assert [stretch.marks for stretch in stretches] == [frozenset(), hot, hot, frozenset(), frozenset()]
    first, second, third, fourth, _ = (stretch.end_ns for stretch in stretches)
    assert marks_of(asked(first - 1), stretches) == frozenset()
    assert marks_of(asked(first - 1, time_ns=2), stretches) == hot, "it was at work when that began"
    assert marks_of(asked(second), stretches) == hot
    assert marks_of(asked(third + 1), stretches) == frozenset()
    assert marks_of(asked(fourth, waited_ns=fourth - third), stretches) == hot, "it waited meanwhile"


def test_looks_keep_their_distance(board: Board) -> None:
    watch = Watch(Telemetry(board.root), None, OwnWork(), look_seconds=60.0)
    watch.look()
    watch.look()
    assert len(watch.end()) == 1


def test_own_work_marks_its_stretch_only(board: Board) -> None:
    own_work = OwnWork()
    watch = Watch(Telemetry(board.root), None, own_work, look_seconds=0.0)
    own_work.begin()
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass
    watch.look()
    time.sleep(0.5)
    own_work.end()
    until = time.thread_time() + 0.05
    while time.thread_time() < until:
        pass  # after the wait: nobody is disturbed any more
    assert [stretch.marks for stretch in watch.end()] == [frozenset({"agent_busy"}), frozenset()]
