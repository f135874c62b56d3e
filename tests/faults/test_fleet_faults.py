"""F17: many devices whose broker comes back."""

import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from agent.delivery.publisher import RETRY_GROWTH, Publisher
from agent.outbox.outbox import Outbox
from commandline.broker_address import parse_broker
from contract.records import Record
from tests.collector.factory import answer, device, started
from tests.collector.running_collector import Collector
from tests.faults.sending import NOW, SECONDS, stored_ranges
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

CROWD = 20


def test_f17_many_devices_that_come_back_at_once_are_all_receipted(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """None starves; `bench.ingest` does it with 200."""
    names = [f"pi-{number}" for number in range(CROWD)]
    with ExitStack() as stack:
        stack.enter_context(Collector("--broker", broker.url, "--db", database))
        outboxes = {name: stack.enter_context(Outbox(tmp_path / f"{name}.db")) for name in names}
        publishers = {
            name: stack.enter_context(closing(Publisher(parse_broker(broker.url), name, outbox)))
            for name, outbox in outboxes.items()
        }

        def step_until(done: Callable[[str], bool]) -> None:
            waiting = set(names)
            deadline = time.monotonic() + SECONDS
            while waiting:
                assert time.monotonic() < deadline, f"{sorted(waiting)} starve"
                for name, publisher in publishers.items():
                    publisher.step()
                    if done(name):
                        waiting.discard(name)

        step_until(lambda name: publishers[name].was_connected)
        broker.kill()
        step_until(lambda name: publishers[name].problem is not None)
        for number, (name, outbox) in enumerate(outboxes.items()):
            place = outbox.begin(f"{number:032x}", name, name)
            records: list[Record] = [started(on=device(name)), *(answer(s, f"q{s}") for s in range(1, 300))]
            outbox.append(place._replace(next_seq=300), records, NOW)
        broker.start()
        step_until(lambda name: outboxes[name].pending() == 0)
    assert stored_ranges(database) == {f"{number:032x}": [(0, 299)] for number in range(CROWD)}


def test_f17_they_do_not_come_back_at_one_moment(outbox: Outbox, monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: dict[str, list[float]] = {f"pi-{number}": [] for number in range(CROWD)}

    def nobody_there(_broker: object, device_id: str, _will: bytes, **_kwargs: object) -> SimpleNamespace:
        dialled[device_id].append(time.monotonic())
        told = {"phase": "lost", "problem": "nobody answers", "link": "unreachable"}
        return SimpleNamespace(**told, wants_older=False, silent=False, turn=lambda _: None, orders=tuple)

    monkeypatch.setattr("agent.delivery.publisher.FIRST_RETRY_SECONDS", 0.1)
    monkeypatch.setattr("agent.delivery.publisher.Uplink", nobody_there)
    publishers = [Publisher(parse_broker("mqtt://127.0.0.1"), name, outbox) for name in dialled]
    while min(map(len, dialled.values())) < 3:
        for publisher in publishers:
            publisher.step()
    waits = [third - second for _, second, third, *_ in dialled.values()]
    longest = 0.1 * RETRY_GROWTH
    assert min(waits) >= longest / 2
    assert max(waits) - min(waits) > longest / 8, "of the other half that they may be spread over"
