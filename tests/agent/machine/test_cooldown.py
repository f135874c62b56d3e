"""Waiting until the machine is about as cool as it was when idle."""

from pathlib import Path

import pytest

from agent.machine.cooldown import cool_down, idle_celsius
from agent.machine.telemetry import Telemetry
from agent.stop_signal import Stop


def machine(root: Path, celsius: float) -> Telemetry:
    zone = root / "sys/class/thermal/thermal_zone0"
    zone.mkdir(parents=True, exist_ok=True)
    (zone / "type").write_text("cpu-thermal")
    (zone / "temp").write_text(str(int(celsius * 1000)))
    return Telemetry(root)


def cooled(root: Path) -> None:
    machine(root, 45)


def test_a_cool_board_does_not_wait_and_a_hot_one_no_longer_than_allowed(tmp_path: Path) -> None:
    reported: list[float] = []
    with Stop() as stop:
        assert cool_down(machine(tmp_path, 44), 45, 60, stop, reported.append) == 44
        assert reported == []
        assert cool_down(machine(tmp_path, 60), 45, 0.05, stop, reported.append) == 60
        assert reported == [60]
        assert cool_down(Telemetry(tmp_path / "none"), 45, 60, stop, reported.append) is None
    assert idle_celsius(machine(tmp_path, 41)) == 41


def test_it_goes_on_as_soon_as_the_board_is_cool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agent.machine.cooldown.LOOK_SECONDS", 0.01)
    telemetry = machine(tmp_path, 60)
    with Stop() as stop:
        assert cool_down(telemetry, 45, 60, stop, lambda _: cooled(tmp_path)) == 45
