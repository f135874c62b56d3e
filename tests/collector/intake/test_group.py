"""A group of batches gives what they give one after the other, in a fixed number of statements."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from collector.intake import ingest as ingest_module
from collector.intake.group import store_batches
from collector.intake.incoming import Delivery
from collector.intake.ingest import Ingested, ingest
from collector.intake.rules.admission import Admission
from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.transaction import Transaction
from contract.messages import Batch, Stream, encode_message
from contract.records import Record, RunResumed
from contract.topics import topic
from tests.collector.delivering import by_topic, take
from tests.collector.factory import (
    NOON,
    answer,
    batch,
    device,
    finished,
    round_finished,
    round_started,
    run_records,
    sample,
    started,
)
from tests.collector.intake.test_ingest import OTHER, RUN, THIRD, rows

EPOCH, CLONE = "1a" * 8, "2b" * 8
TOPIC = topic("pi-5", "results")


def streams(outcome: Ingested) -> dict[str, Stream]:
    return {stream.run_id: stream for receipt in outcome.receipts for stream in receipt.streams}


def answers(first: int, last: int, text: str = "Dresden") -> list[Record]:
    return [answer(seq, f"q{seq}", text) for seq in range(first, last + 1)]


class Counting:
    """A transaction that counts its statements."""

    def __init__(self, transaction: Transaction, counts: Counter[str]) -> None:
        self._transaction = transaction
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        self._counts[name] += 1
        return getattr(self._transaction, name)


def count_statements(store: Store, patch: pytest.MonkeyPatch) -> Counter[str]:
    counts: Counter[str] = Counter()
    writing = store.writing

    @contextmanager
    def counted() -> Iterator[Any]:
        with writing() as transaction:
            yield Counting(transaction, counts)

    patch.setattr(store, "writing", counted)
    return counts


def everything(run_id: str, number: int) -> list[Batch]:
    """Batches that touch every table: new records, known ones, rounds, an inquiry, a dispute, a refusal."""
    of = f"pi-{number}"
    first = [started(on=device(of)), round_started(1, 0), *answers(2, 5), sample(6)]
    messages = [
        batch(first, run_id, device_id=of),
        batch([round_finished(7, 0), finished(8)], run_id, device_id=of),
        batch(first, run_id, device_id=of),
        batch([answer(5, "q5", "Hamburg")], run_id, device_id=of),
        batch([sample(9)], run_id, device_id=of),
        replace(batch([], run_id, device_id=of), gone=((1, 2),)),
    ]
    return [replace(message, epochs=((0, EPOCH),)) for message in messages]


def test_a_group_is_a_fixed_number_of_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    counts = count_statements(store, monkeypatch)
    totals = []
    for size in (1, 2, 40):
        runs = [(f"{100 * size + number:032x}", number) for number in range(size)]
        for _ in range(2):  # the second time, all runs are known
            ingest(store, [by_topic(message) for run in runs for message in everything(*run)])
            totals.append((counts["execute"], counts["executemany"], counts["insert"], counts["lock_runs"]))
            counts.clear()
    assert len(set(totals[::2])) == 1
    assert len(set(totals[1::2])) == 1
    assert all(sum(total) < 40 for total in totals)
    assert totals[0][-1] == 1


def test_new_answers_of_known_runs_take_few_statements(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [(f"{number:032x}", f"pi-{number}") for number in range(30)]
    take(store, *(batch([started(on=device(of))], run_id, device_id=of) for run_id, of in runs))
    counts = count_statements(store, monkeypatch)
    messages = [batch(answers(n, n + 9), run_id, device_id=of) for n in (1, 11, 21) for run_id, of in runs]
    assert take(store, *messages).stored == 900
    # What is known, the answers, the ranges.
    assert dict(counts) == {"lock_runs": 1, "undoable": 1, "execute": 1, "insert": 1, "executemany": 1}


def test_a_run_may_come_several_times_in_a_group(store: Store) -> None:
    records = [started(), *answers(1, 9)]
    parts = (records[4:7], records[:3], records[2:6], records[:3], records[9:])
    outcome = take(store, *(batch(part, RUN) for part in parts))
    assert (outcome.stored, outcome.duplicates, outcome.rejected) == (8, 6, 0)
    assert streams(outcome)[RUN].stored == ((0, 6), (9, 9))
    assert list(store.tuples("SELECT first_seq, last_seq FROM ranges")) == [(0, 6), (9, 9)]
    assert take(store, batch(records, RUN)).stored == 2


def test_runs_are_numbered_in_order_of_arrival(store: Store) -> None:
    take(store, *(batch([started()], run_id) for run_id in (THIRD, RUN, OTHER)))
    found = [run_id for (run_id,) in store.tuples("SELECT run_id FROM streams ORDER BY stream")]
    assert found == [THIRD, RUN, OTHER]


def test_what_the_database_refuses_between_good_batches_is_refused_alone(store: Store) -> None:
    take(store, batch([started(), *answers(1, 3)], RUN))
    with store.writing() as conn:  # as if the ranges had been lost
        conn.execute("DELETE FROM ranges")
    good = [batch([started()], OTHER), batch(answers(1, 4), OTHER), batch(run_records(), THIRD)]
    outcome = take(store, good[0], batch(answers(2, 9), RUN), good[1], batch(answers(3, 5), RUN), good[2])
    assert (outcome.stored, outcome.duplicates, outcome.rejected) == (5 + len(run_records()), 0, 2)
    found = streams(outcome)
    assert (found[OTHER].stored, found[THIRD].stored) == (((0, 4),), ((0, 6),))
    assert [(each.first_seq, each.last_seq) for each in found[RUN].refused] == [(2, 9), (3, 5)]
    assert "cannot be stored" in found[RUN].refused[0].reason
    assert store.value("SELECT count(*) FROM kept") == 2, "rebuilding the ranges helps"


def test_what_the_rules_refuse_changes_nothing_for_the_batches_after_it(store: Store) -> None:
    outcome = take(
        store,
        batch([started(), *answers(1, 2)], RUN),
        batch([*answers(3, 3), finished(4), *answers(5, 5)], RUN),
        batch([*answers(3, 5), finished(6)], RUN),
        batch([sample(7)], RUN),
        batch([sample(7)], RUN, device_id="forger"),
    )
    assert (outcome.stored, outcome.rejected) == (7, 3)
    assert list(store.tuples("SELECT first_seq, last_seq FROM ranges")) == [(0, 6)]
    reasons = sorted(reason for (reason,) in store.tuples("SELECT reason FROM rejected"))
    assert [reason.split("00001 ")[1] for reason in reasons] == [
        "belongs to 'pi-5', not to 'forger'",
        "ended with record 6, and record 7 came after",
        "has records after 4, which ends it",
    ]


def test_a_batch_with_two_ends_is_refused_by_the_rules(store: Store) -> None:
    outcome = take(store, batch([started(), finished(1), finished(2)], RUN))
    assert "has records after 1, which ends it" in streams(outcome)[RUN].refused[0].reason


def test_a_dispute_and_new_records_of_one_run_may_come_in_one_group(store: Store) -> None:
    outcome = take(
        store,
        batch([started(), *answers(1, 30)], RUN),
        batch(answers(21, 40, "Hamburg"), RUN),
        batch(answers(41, 50, "Hamburg"), RUN),
        batch(answers(31, 40), RUN),
    )
    assert (outcome.stored, outcome.rejected) == (41, 2)
    stream = streams(outcome)[RUN]
    assert [(each.first_seq, each.last_seq) for each in stream.refused] == [(21, 40), (41, 50)]
    assert stream.stored == ((0, 40),)
    assert {text for (text,) in store.tuples("SELECT text FROM answers")} == {"Dresden"}
    assert list(store.tuples("SELECT first_seq FROM disputes")) == [(21,)]


def test_another_collector_that_adds_a_run_first_makes_the_group_begin_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that exists already is no reason to refuse what a device sends."""
    writing = store.writing
    begun = []

    class First:
        """A transaction in which somebody else adds each new run at the last moment, the first time."""

        def __init__(self, transaction: Transaction) -> None:
            self._transaction = transaction
            begun.append(self)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._transaction, name)

        def execute(self, sql: str, parameters: Sequence[object] = ()) -> Any:
            if len(begun) == 1 and sql.startswith("INSERT INTO streams"):
                self._transaction.execute(sql, parameters)
            return self._transaction.execute(sql, parameters)

    @contextmanager
    def overtaken() -> Iterator[Any]:
        with writing() as transaction:
            yield First(transaction)

    monkeypatch.setattr(store, "writing", overtaken)
    outcome = take(store, batch(run_records(), RUN), batch([started()], OTHER))
    assert (outcome.stored, outcome.rejected, len(begun)) == (8, 0, 2)


# Few numbers, so that batches meet.
_SEQS = st.integers(1, 6)
_EPOCHS = st.sampled_from(((), ((0, EPOCH),), ((0, EPOCH), (3, CLONE)), ((0, EPOCH), (4, EPOCH))))


@st.composite
def records(draw: st.DrawFn) -> Record:
    seq = draw(_SEQS)
    made: tuple[Record, ...] = (
        answer(seq, f"q{seq}"),
        answer(seq, f"q{seq}", "Hamburg"),
        sample(seq),
        started(),
        round_started(seq, draw(st.integers(0, 1))),
        round_finished(seq, draw(st.integers(0, 1))),
        RunResumed(seq=seq, epoch=CLONE, resumed_at=NOON),
        finished(6),
    )
    return draw(st.sampled_from(made))


@st.composite
def messages(draw: st.DrawFn) -> Delivery:
    message = Batch(
        device_id=draw(st.sampled_from(("pi-5", "pi-5", "pi-5", "forger"))),
        run_id=draw(st.sampled_from((RUN, RUN, OTHER))),
        records=tuple(draw(st.lists(records(), max_size=4))),
        epochs=draw(_EPOCHS),
    )
    if not message.records:
        message = replace(message, gone=draw(st.sampled_from(((), ((1, 2),), ((1, 3), (5, 5))))))
    if draw(st.integers(0, 9)):
        return by_topic(message)
    data = encode_message(message)
    return Delivery(
        TOPIC, draw(st.sampled_from((data[:-1], data.replace(b'"pi-5"', b'"pi-6"'), b"{}"))), TOPIC
    )


def one_by_one(conn: Transaction, batches: Sequence[Batch], received_at: str) -> list[Admission]:
    return [admission for each in batches for admission in store_batches(conn, [each], received_at)]


def content(store: Store) -> list[object]:
    others = [
        sorted(store.tuples(f"SELECT run_id, {table}.* FROM {table} JOIN streams USING (stream)"), key=repr)
        for table in ("processes", "gone")
    ]
    return [
        rows(store),
        *others,
        list(store.tuples("SELECT run_id, device_id FROM streams ORDER BY stream")),
        list(store.tuples("SELECT run_id, first_seq FROM disputes JOIN streams USING (stream) ORDER BY 1")),
        list(store.tuples("SELECT sha256, reason, source, times FROM rejected ORDER BY sha256")),
        list(store.tuples("SELECT sha256 FROM kept ORDER BY sha256")),
    ]


@settings(max_examples=40)
@given(st.lists(st.lists(messages(), min_size=1, max_size=8), min_size=1, max_size=3))
def test_a_group_gives_what_its_batches_give_one_after_the_other(groups: list[list[Delivery]]) -> None:
    with TemporaryDirectory() as folder:
        found = []
        for name in ("together", "one by one"):
            with open_store(Path(folder, name), create=True) as store, pytest.MonkeyPatch.context() as patch:
                if name == "one by one":
                    patch.setattr(ingest_module, "store_batches", one_by_one)
                outcomes = [ingest(store, group) for group in groups]
                receipts = [
                    [replace(each, collector_id="") for each in outcome.receipts] for outcome in outcomes
                ]
                counts = [outcome[:3] for outcome in outcomes]
                found.append((counts, receipts, content(store)))
        assert found[0] == found[1]
