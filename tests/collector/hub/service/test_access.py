"""How many wrong passes an address may give."""

import pytest

from collector.hub.service import access
from collector.hub.service.access import Denied, Guesses
from tests import installed


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    installed.module("starlette")
    now = [1_000.0]
    monkeypatch.setattr("collector.hub.service.access.time.monotonic", lambda: now[0])
    return now


def test_an_address_that_guesses_waits_and_others_do_not(clock: list[float]) -> None:
    guesses = Guesses()
    for _ in range(access.WRONG_AT_ONCE):
        guesses.check("10.0.0.1")
        guesses.note("10.0.0.1")
    with pytest.raises(Denied) as denied:
        guesses.check("10.0.0.1")
    assert denied.value.status == 429
    guesses.check("10.0.0.2")
    clock[0] += access.SECONDS_PER_WRONG + 0.1
    guesses.check("10.0.0.1")
    guesses.note("10.0.0.1")
    with pytest.raises(Denied):
        guesses.check("10.0.0.1")


def test_one_network_of_ipv6_is_one_address(clock: list[float]) -> None:
    guesses = Guesses()
    for number in range(access.WRONG_AT_ONCE):
        guesses.note(f"fd00::{number:x}")
    with pytest.raises(Denied):
        guesses.check("fd00::ffff")
    guesses.check("fd00:0:0:1::1")


def test_many_addresses_do_not_fill_the_memory(clock: list[float]) -> None:
    guesses = Guesses()
    for number in range(5_000):
        guesses.note(f"10.1.{number // 256}.{number % 256}")
    assert len(guesses._wrong) == 4_096
