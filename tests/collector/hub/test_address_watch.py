"""A change of the address counts if it lasts, and if the machine has another address."""

import pytest

from collector.hub.address_watch import LASTING_SECONDS, LOOK_SECONDS, AddressWatch


class Machine:
    """A machine whose addresses change as time goes by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.here = ["192.168.1.2"]
        self.seconds = 0.0
        monkeypatch.setattr("collector.hub.address_watch.own_addresses", lambda: self.here)

    def changes_within(self, watch: AddressWatch, seconds: float) -> bool:
        """Whether the watch notices a change if it is asked all the time."""
        until = self.seconds + seconds
        while self.seconds < until:
            self.seconds += LOOK_SECONDS
            if watch.changed():
                return True
        return False


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_another_address_counts_once_it_has_lasted(machine: Machine) -> None:
    watch = AddressWatch("192.168.1.2", lambda: machine.seconds)
    assert not machine.changes_within(watch, 10 * LASTING_SECONDS)
    machine.here = ["192.168.1.7"]
    assert not machine.changes_within(watch, LASTING_SECONDS)
    assert machine.changes_within(watch, 2 * LOOK_SECONDS)


@pytest.mark.parametrize("meanwhile", [["192.168.1.7"], []])
def test_an_address_that_comes_back_in_time_has_not_changed(machine: Machine, meanwhile: list[str]) -> None:
    watch = AddressWatch("192.168.1.2", lambda: machine.seconds)
    for _ in range(5):
        machine.here = meanwhile
        assert not machine.changes_within(watch, LASTING_SECONDS)
        machine.here = ["10.0.0.2", "192.168.1.2"]
        assert not machine.changes_within(watch, LOOK_SECONDS)


def test_a_machine_without_a_network_has_no_other_address(machine: Machine) -> None:
    watch = AddressWatch("192.168.1.2", lambda: machine.seconds)
    machine.here = []
    assert not machine.changes_within(watch, 10 * LASTING_SECONDS)


def test_a_name_is_the_same_at_every_address(machine: Machine) -> None:
    watch = AddressWatch("workstation.local", lambda: machine.seconds)
    machine.here = ["192.168.1.7"]
    assert not machine.changes_within(watch, 10 * LASTING_SECONDS)


def test_looking_is_rare(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []

    def look() -> list[str]:
        looked.append(machine.seconds)
        return []

    monkeypatch.setattr("collector.hub.address_watch.own_addresses", look)
    watch = AddressWatch("192.168.1.2", lambda: machine.seconds)
    for _ in range(100):
        machine.seconds += LOOK_SECONDS / 10
        watch.changed()
    assert len(looked) == 10
