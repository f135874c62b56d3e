"""A device whose records are made up and whose outbox, publisher and broker are real."""

import time
from collections.abc import Callable
from contextlib import closing

import pytest

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from collector.store.database import Where
from collector.store.opening import open_store_to_read
from commandline.broker_address import parse_broker
from contract.messages import SeqRange
from contract.records import Record
from tests.collector.factory import answer, device, finished, started

NOW = "2026-11-24T12:00:00Z"
SECONDS = 90.0
DEVICE = "pi-5"


def begin(outbox: Outbox, run_id: str) -> Place:
    """A run with its first record."""
    place = outbox.begin(run_id, DEVICE, run_id)
    return append(outbox, place, [started(on=device(DEVICE))])


def append(outbox: Outbox, place: Place, records: list[Record], *, finished: bool = False) -> Place:
    after = place._replace(next_seq=place.next_seq + len(records), finished=finished)
    outbox.append(after, records, NOW)
    return after


def answers(outbox: Outbox, place: Place, count: int) -> Place:
    """Append so many answers, 50 a transaction."""
    end = place.next_seq + count
    while place.next_seq < end:
        first = place.next_seq
        place = append(outbox, place, [answer(s, f"q{s}") for s in range(first, min(first + 50, end))])
    return place


def finish(outbox: Outbox, place: Place) -> Place:
    return append(outbox, place, [finished(place.next_seq)], finished=True)


def publisher_to(url: str, outbox: Outbox) -> "closing[Publisher]":
    """A publisher that says goodbye at the end of the block."""
    return closing(Publisher(parse_broker(url), DEVICE, outbox))


def until(publisher: Publisher, condition: Callable[[], object], seconds: float = SECONDS) -> None:
    """Let the publisher work until something is so."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"it did not happen; the publisher says: {publisher.problem}")
        publisher.step(wait_seconds=0.05)
        time.sleep(0.005)  # between two tries to connect a step returns at once


def stored_ranges(database: Where) -> dict[str, list[SeqRange]]:
    """What a database holds of each run, counted in its rows; one row twice is an error of its own."""
    found: dict[str, list[SeqRange]] = {}
    with open_store_to_read(database) as store:
        for run_id, first, last in store.tuples(
            "SELECT run_id, first_seq, last_seq FROM ranges JOIN streams USING (stream) ORDER BY 1, 2"
        ):
            found.setdefault(run_id, []).append((first, last))
        for run_id, ranges in found.items():
            rows = store.value(
                "SELECT (SELECT count(*) FROM answers WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM canaries WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM samples WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM round_starts WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM round_finishes WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM resumes WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM runs WHERE stream = s.stream) "
                "+ (SELECT count(*) FROM finishes WHERE stream = s.stream) FROM streams s WHERE run_id = ?",
                run_id,
            )
            assert rows == sum(last - first + 1 for first, last in ranges)
    return found
