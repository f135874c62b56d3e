"""F12: a wall clock that is years off and jumps, as on a board without a clock battery."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from collector.store.opening import open_store_to_read
from collector.store.runs import all_runs
from contract.records import Record
from tests.collector.factory import answer, device, finished, started
from tests.collector.running_collector import Collector
from tests.faults.sending import DEVICE, SECONDS, publisher_to, stored_ranges
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

AHEAD, BEHIND = "2041-05-01T00:00:00.000000Z", "1970-01-01T00:00:07.000000Z"
RUNS = {"a" * 32: AHEAD, "b" * 32: BEHIND}
MILLISECONDS = (12.5, 9.0, 30.25)


def test_f12_a_wrong_clock_costs_dates_alone(
    broker: Mosquitto, database: Path, outbox: Outbox, stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    jumping = itertools.cycle((AHEAD, BEHIND))
    monkeypatch.setattr("agent.delivery.publisher.utc_now", lambda: next(jumping))
    begun = datetime.now(UTC)
    with Collector("--broker", broker.url, "--db", database), publisher_to(broker.url, outbox) as publisher:
        for run_id, date in RUNS.items():
            first = msgspec.structs.replace(
                started(on=device(DEVICE)), started_at=date, clock_synchronised=False
            )
            timed = [answer(seq, f"q{seq}", ms=ms) for seq, ms in enumerate(MILLISECONDS, start=1)]
            place = outbox.begin(run_id, DEVICE, run_id)
            records: list[Record] = [first, *timed, finished(len(timed) + 1, finished_at=date)]
            for record in records:
                place = place._replace(next_seq=record.seq + 1, finished=record.seq > len(timed))
                outbox.append(place, [record], next(jumping))
            hours = outbox.summary().hours_left
            assert hours is None or hours > 0
            publisher.drain(SECONDS, stop)
    assert outbox.pending() == 0
    assert stored_ranges(database) == {run_id: [(0, 4)] for run_id in RUNS}
    with open_store_to_read(database) as store:
        # The collector goes by the order of arrival, in which the later run is the one with the earlier date.
        assert [(run.run_id, run.started_at) for run in all_runs(store)] == list(RUNS.items())
        received = [
            datetime.fromisoformat(at) for (at,) in store.tuples("SELECT first_received_at FROM streams")
        ]
        assert all(begun <= at <= begun + timedelta(seconds=SECONDS) for at in received)
        assert store.value("SELECT count(*) FROM runs WHERE clock_synchronised = 0") == len(RUNS)
        times = "SELECT (tokenize_ns + infer_ns + decode_ns) / 1e6 FROM answers ORDER BY stream, seq"
        assert [ms for (ms,) in store.tuples(times)] == [*MILLISECONDS, *MILLISECONDS]
