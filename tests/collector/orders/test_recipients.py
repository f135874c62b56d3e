"""Which devices an order is for."""

import pytest

from collector.errors import BadInput
from collector.orders.order_rows import ListState
from collector.orders.recipients import Recipient, chosen, recipients
from collector.store.database import Store
from tests.collector.delivering import take
from tests.collector.factory import batch, device, run_records

STATES = {"pi-a": ListState("pi-a", 3, "lost", "2026-11-24T12:00:00Z")}


@pytest.fixture
def every(store: Store) -> list[Recipient]:
    for name, kind in (("pi-a", "raspberry-pi-5"), ("pi-b", "raspberry-pi-4")):
        of_it = device(name, kind, model=f"Raspberry Pi {kind[-1]} Model B Rev 1.0")
        take(store, batch(run_records(on=of_it), device_id=name))
    return recipients(store, ["pi-b", "pi-a", "nuc"], STATES)


def names(found: list[Recipient]) -> list[str]:
    return [each.device_id for each in found]


def test_devices_are_chosen_by_pattern_hardware_or_all(every: list[Recipient]) -> None:
    assert names(chosen(every, ["pi-*"], [], all_of_them=False)) == ["pi-a", "pi-b"]
    assert names(chosen(every, ["nuc", "pi-a"], [], all_of_them=False)) == ["nuc", "pi-a"]
    assert names(chosen(every, [], ["raspberry-pi-4"], all_of_them=False)) == ["pi-b"]
    assert names(chosen(every, [], ["Raspberry Pi 5 Model B, 4 cores"], all_of_them=False)) == ["pi-a"]
    assert names(chosen(every, [], [], all_of_them=True)) == ["nuc", "pi-a", "pi-b"]


def test_a_pattern_that_matches_nothing_is_an_error(every: list[Recipient]) -> None:
    with pytest.raises(BadInput, match=r"is called 'kitchen-\*': there is nuc, pi-a, pi-b"):
        chosen(every, ["pi-a", "kitchen-*"], [], all_of_them=False)
    with pytest.raises(BadInput, match="known to be 'jetson'") as caught:
        chosen(every, [], ["jetson"], all_of_them=False)
    assert "there is raspberry-pi-4, raspberry-pi-5; 1 device has not sent a run yet" in str(caught.value)
    with pytest.raises(BadInput, match="no device has joined"):
        chosen([], ["*"], [], all_of_them=False)


@pytest.mark.parametrize("pattern", ["\x1b[2J", "../pi-a", "pi-a/#", "+", "\ud800", "[", "x" * 5_000])
def test_a_pattern_with_odd_characters_matches_nothing_and_is_shown_safely(
    every: list[Recipient], pattern: str
) -> None:
    with pytest.raises(BadInput) as caught:
        chosen(every, [pattern], [], all_of_them=False)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


def test_since_when_a_device_is_away(every: list[Recipient]) -> None:
    assert {each.device_id: each.away_since for each in every} == {
        "pi-a": "2026-11-24T12:00:00Z",
        "pi-b": "",
        "nuc": "",
    }
