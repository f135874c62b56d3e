"""A program of the hub that cannot be started again is tried less and less often, and said once."""

from pathlib import Path

import pytest

from collector.hub.child import Child
from tests.collector.running_collector import wait_until


class Clock:
    """A monotonic clock that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


def test_a_reason_why_it_does_not_start_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, said = Clock(), list[str]()
    monkeypatch.setattr("collector.hub.child.time.monotonic", clock.monotonic)
    folder = tmp_path / "logs"
    folder.mkdir()
    child = Child("Mosquitto", ["/bin/true"], said.append, folder / "log")
    child.start()
    wait_until(lambda: not child.runs, "its end")
    (folder / "log").unlink()
    folder.rmdir()
    tried = []
    for _ in range(20):
        before = len(said)
        child.tick()
        if not child.runs and len(said) > before:
            tried.append(said[-1])
        clock.now += 1.0
    assert tried == [
        "Mosquitto ended (exit status 0); it is started again in 1 second",
        "Mosquitto cannot be started: No such file or directory",
    ]
    folder.mkdir()
    clock.now += 60.0
    child.tick()
    wait_until(lambda: not child.runs, "its second end")
    child.tick()
    assert said[2:] == ["Mosquitto ended (exit status 0); it is started again in 32 seconds"]
    child.stop()
