"""A record that comes again is compared with the stored one, by its values."""

from collections.abc import Sequence

import msgspec
import pytest
from msgspec.structs import replace

from collector.intake import record_rows
from collector.intake.ingest import Ingested
from collector.intake.stored_records import stored_records
from collector.store.database import Store
from collector.store.transaction import Transaction
from contract.messages import Batch, Refusal, Stream
from contract.records import Record, RunResumed
from tests.collector.delivering import take
from tests.collector.factory import (
    NOON,
    answer,
    batch,
    finished,
    run_of_two_rounds,
    run_records,
    sample,
    started,
)
from tests.collector.intake.test_ingest import OTHER, RUN, rows

EPOCH, CLONE, LATER = "1a" * 8, "2b" * 8, "3c" * 8


def stream_of(outcome: Ingested) -> Stream:
    ((stream,),) = (receipt.streams for receipt in outcome.receipts)
    return stream


def answers(first: int, last: int, text: str = "Dresden") -> list[Record]:
    return [answer(seq, f"q{seq}", text) for seq in range(first, last + 1)]


def of(records: Sequence[Record], *epochs: tuple[int, str]) -> Batch:
    """A batch of a board, with the processes that wrote its run there."""
    return replace(batch(records, RUN), epochs=epochs)


def resumed(seq: int, epoch: str) -> RunResumed:
    return RunResumed(seq=seq, epoch=epoch, resumed_at=NOON)


@pytest.mark.parametrize("records", [run_records(), run_of_two_rounds()], ids=["one round", "two rounds"])
def test_every_field_of_every_record_is_compared(store: Store, records: Sequence[Record]) -> None:
    take(store, batch(records, RUN))
    with store.writing() as conn:
        _check_every_field(conn, records)


def _check_every_field(conn: Transaction, records: Sequence[Record]) -> None:
    for record in records:
        assert record_rows.are_stored(conn, [(1, record)]) == [True]
        for field in msgspec.structs.fields(record):
            if field.name == "seq":
                continue
            value = getattr(record, field.name)
            other = changed(value, field.default)
            assert record_rows.are_stored(conn, [(1, replace(record, **{field.name: other}))]) == [False], (
                field
            )


def changed(value: object, default: object) -> object:
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case str():
            return value + "x"
        case None:
            return 1
        case tuple():
            return () if value else ("throttled",)
        case _:
            name = msgspec.structs.fields(value)[1].name  # type: ignore[arg-type]  # a struct
            return replace(value, **{name: changed(getattr(value, name), default)})  # type: ignore[type-var]


@pytest.mark.parametrize("records", [run_records(), run_of_two_rounds()], ids=["one round", "two rounds"])
def test_rows_are_records_again(store: Store, records: Sequence[Record]) -> None:
    take(store, batch(records, RUN))
    assert list(stored_records(store, 1)) == list(records)


@pytest.mark.sqlite
def test_what_an_older_collector_stored_is_the_same_record(store: Store) -> None:
    """Its JSON lacks fields that were added since, and its spaces and order may be others."""
    records = run_records()
    take(store, batch(records, RUN))
    with store.writing() as conn:
        conn.execute("UPDATE runs SET settings = json_remove(settings, '$.rounds', '$.batch_size')")
        conn.execute("UPDATE runs SET device = replace(json_remove(device, '$.class_named'), ',', ', ')")
    again = take(store, batch(records, RUN))
    assert (again.duplicates, again.rejected) == (len(records), 0)


def test_another_record_under_a_known_number_is_refused_by_name_and_the_device_keeps_it(store: Store) -> None:
    """A board of version 1, which knows no epochs."""
    take(store, batch([started(), *answers(1, 30)], RUN))
    before = rows(store)
    outcome = take(store, batch([started(), *answers(1, 20), *answers(21, 40, "Hamburg")], RUN))
    assert (outcome.stored, outcome.duplicates, outcome.rejected) == (0, 21, 1)
    stream = stream_of(outcome)
    assert stream.stored == ((0, 20),), "a board of version 1 deletes what a receipt calls stored"
    (refusal,) = stream.refused
    assert (refusal.first_seq, refusal.last_seq, refusal.epoch) == (21, 40, None)
    assert "two boards have the identity 'pi-5'" in refusal.reason
    assert rows(store) == before
    assert store.value("SELECT count(*) FROM kept") == 0, "the device keeps it"


def test_after_a_dispute_without_epochs_only_what_follows_directly_is_stored(store: Store) -> None:
    take(store, batch([started(), *answers(1, 30)], RUN))
    take(store, batch(answers(21, 40, "Hamburg"), RUN))
    strange = stream_of(take(store, batch(answers(41, 60, "Hamburg"), RUN)))
    assert [(each.first_seq, each.last_seq) for each in strange.refused] == [(41, 60)]
    own = stream_of(take(store, batch([*answers(25, 50), finished(51)], RUN)))
    assert (own.refused, own.stored) == ((), ((0, 20), (25, 51)))
    assert {text for (text,) in store.tuples("SELECT text FROM answers")} == {"Dresden"}


def test_boards_are_told_apart_by_their_epochs_even_if_no_number_came_twice(store: Store) -> None:
    take(store, of([started(), *answers(1, 30)], (0, EPOCH)))
    late = take(store, of(answers(31, 60, "Hamburg"), (0, EPOCH), (21, CLONE)))
    assert (late.stored, late.rejected) == (0, 1)
    stream = stream_of(late)
    assert stream == Stream(
        run_id=RUN,
        stored=((0, 30),),
        epochs=((0, EPOCH),),
        refused=(Refusal(first_seq=31, last_seq=60, reason=stream.refused[0].reason, epoch=CLONE),),
    )
    more = take(store, of([*answers(31, 60), finished(61)], (0, EPOCH)))
    assert (more.stored, more.rejected) == (31, 0)


def test_a_board_that_was_put_back_goes_on_if_nothing_of_the_other_was_stored(store: Store) -> None:
    take(store, of([started(), *answers(1, 20)], (0, EPOCH), (21, LATER)))
    outcome = take(store, of([resumed(21, CLONE), *answers(22, 30)], (0, EPOCH), (21, CLONE)))
    assert (outcome.stored, outcome.rejected) == (10, 0)
    assert stream_of(outcome).epochs == ((0, EPOCH), (21, CLONE))
    other = take(store, of(answers(31, 40), (0, EPOCH), (21, LATER)))
    assert (other.stored, other.rejected) == (0, 1)


def test_older_messages_of_the_same_board_may_come_late(store: Store) -> None:
    take(store, of([resumed(11, LATER), *answers(12, 20)], (0, EPOCH), (11, LATER)))
    late = take(store, of([started(), *answers(1, 10)], (0, EPOCH)))
    assert (late.stored, late.rejected) == (11, 0)
    assert stream_of(late).epochs == ((0, EPOCH), (11, LATER))


def test_two_records_of_one_number_in_a_message_are_no_duplicates(store: Store) -> None:
    outcome = take(store, batch([started(), answer(1, "q1", "a"), answer(1, "q1", "b")], RUN))
    assert (outcome.stored, outcome.rejected) == (0, 1)
    assert "has two different records 1" in store.value("SELECT reason FROM rejected")
    twice = take(store, batch([started(), answer(1, "q1"), answer(1, "q1")], OTHER))
    assert (twice.stored, twice.duplicates, twice.rejected) == (2, 1, 0)


def test_a_record_of_another_kind_is_another_record(store: Store) -> None:
    take(store, batch([started(), sample(1)], RUN))
    outcome = take(store, batch([answer(1, "q1")], RUN))
    assert (outcome.duplicates, outcome.rejected) == (0, 1)


def test_an_inquiry_is_answered_whether_or_not_the_run_is_known(store: Store) -> None:
    assert stream_of(take(store, of([], (0, EPOCH)))) == Stream(run_id=RUN, stored=())
    assert store.value("SELECT count(*) FROM streams") == 0
    take(store, of([started(), *answers(1, 5)], (0, EPOCH)))
    expected = Stream(run_id=RUN, stored=((0, 5),), epochs=((0, EPOCH),))
    assert stream_of(take(store, of([], (0, EPOCH)))) == expected


def test_every_refusal_names_the_process_that_is_meant(store: Store) -> None:
    """Another board with the same identity reads it, too."""
    outcome = take(store, of([finished(3), answer(4, "q4")], (0, EPOCH), (2, CLONE)))
    (refusal,) = stream_of(outcome).refused
    assert "has records after 3" in refusal.reason
    assert refusal.epoch == CLONE
