import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.intake import record_rows
from collector.intake.incoming import Delivery
from collector.intake.ingest import Ingested, ingest
from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.runs import all_runs
from contract.fields import MAX_INT
from contract.messages import Batch, Stream, encode_message
from contract.records import Record
from contract.topics import topic
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    device,
    finished,
    manifest,
    round_finished,
    round_started,
    run_of_two_rounds,
    run_records,
    sample,
    started,
)

RUN = "0" * 31 + "1"
OTHER = "0" * 31 + "2"
THIRD = "0" * 31 + "3"
TABLES = (*record_rows.TABLES, "ranges")


def rows(store: Store) -> dict[str, list[Any]]:
    """All rows, with runs by their id, since the integers depend on the order of arrival."""
    found: dict[str, list[Any]] = {}
    for table in TABLES:
        found[table] = sorted(
            store.tuples(f"SELECT run_id, {table}.* FROM {table} JOIN streams USING (stream)"), key=repr
        )
        found[table] = [row[:1] + row[2:] for row in found[table]]
    return found


def stored(outcome: Ingested) -> dict[str, Stream]:
    return {s.run_id: s for receipt in outcome.receipts for s in receipt.streams}


def test_a_run_becomes_rows_and_a_receipt(store: Store) -> None:
    records = run_records()
    outcome = take(store, batch(records, RUN))
    assert (outcome.stored, outcome.duplicates, outcome.rejected) == (len(records), 0, 0)
    (receipt,) = outcome.receipts
    assert receipt.device_id == "pi-5"
    assert receipt.collector_id == store.collector_id
    assert receipt.streams == (Stream(run_id=RUN, stored=((0, len(records) - 1),)),)
    (row,) = store.rows("SELECT * FROM v_answers WHERE question_id = 'q2'")
    assert (row["model"], row["precision"], row["text"], row["ms"]) == ("minilm-l6", "fp32", "1,094", 12.0)


RUNS: dict[str, Sequence[Record]] = {
    RUN: run_records(),
    THIRD: run_of_two_rounds(),
    OTHER: (started(), *(answer(seq, f"q{seq}", marks=("throttled",)) for seq in range(1, 9)), sample(9)),
}


@st.composite
def deliveries(draw: st.DrawFn) -> list[list[Batch]]:
    """Both runs cut into batches at random, some twice, overlapping, in any order and transaction."""
    messages: list[Batch] = []
    for run_id, records in RUNS.items():
        cuts = sorted(draw(st.sets(st.integers(1, len(records) - 1))))
        pieces = [records[a:b] for a, b in zip([0, *cuts], [*cuts, len(records)], strict=True)]
        for first, last in draw(st.lists(st.tuples(*[st.integers(0, len(records))] * 2), max_size=3)):
            pieces.append(records[min(first, last) : max(first, last)])
        messages += [batch(piece, run_id) for piece in pieces]
    messages = draw(st.permutations(messages))
    cuts = sorted(draw(st.sets(st.integers(1, len(messages)), max_size=4)))
    return [messages[a:b] for a, b in zip([0, *cuts], [*cuts, len(messages)], strict=True)]


@settings(max_examples=60)
@given(deliveries())
def test_the_same_rows_result_from_any_order_grouping_and_number(transactions: list[list[Batch]]) -> None:
    with TemporaryDirectory() as folder:
        with open_store(Path(folder, "plain.db"), create=True) as store:
            take(store, *(batch(records, run_id) for run_id, records in RUNS.items()))
            expected = rows(store)
        with open_store(Path(folder, "shuffled.db"), create=True) as store:
            outcomes = [take(store, *messages) for messages in transactions]
            assert rows(store) == expected
    assert sum(o.stored for o in outcomes) == sum(map(len, RUNS.values()))
    assert sum(o.rejected for o in outcomes) == 0


@settings(max_examples=60)
@given(st.lists(st.sets(st.integers(1, 30), min_size=1, max_size=8), min_size=1, max_size=6))
def test_a_receipt_names_exactly_what_is_stored(groups: list[set[int]]) -> None:
    with TemporaryDirectory() as folder, open_store(Path(folder, "r.db"), create=True) as store:
        seen: set[int] = set()
        for group in groups:
            stream = stored(take(store, batch([sample(seq) for seq in sorted(group)], RUN)))[RUN]
            seen |= group
            assert {n for first, last in stream.stored for n in range(first, last + 1)} == seen
            gaps = [b[0] - a[1] for a, b in pairwise(stream.stored)]
            assert all(gap > 1 for gap in gaps)


def test_duplicates_get_a_receipt_too(store: Store) -> None:
    first = take(store, batch(run_records(), RUN))
    again = take(store, batch(run_records(), RUN))
    assert again.stored == 0
    assert again.receipts == first.receipts


def test_answers_may_come_before_their_run(store: Store) -> None:
    stream = stored(take(store, batch([answer(2, "q1")], RUN)))[RUN]
    assert (stream.through, stream.gaps) == (-1, ((0, 1),))
    take(store, batch([started(), answer(1, "q2")], RUN))
    assert store.value("SELECT count(*) FROM v_answers") == 2


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (batch([answer(0, "q1")], RUN), "record 0 is a Answer"),
        (batch([sample(3), finished(2)], RUN), "records after 2, which ends it"),
        (batch([started(on=device("pi-6"))], RUN), "batch of 'pi-5' starts a run of 'pi-6'"),
        (batch([started(manifest(files={}))], RUN), "bundle manifest does not list 'model.onnx'"),
        (batch([started(manifest(format_version=99))], RUN), "update distilbench here"),
        (batch([answer(1, "q1", decode_ns=MAX_INT)], RUN), "does not fit into 64 bits"),
    ],
)
def test_a_batch_that_cannot_be_true_is_refused(store: Store, message: Batch, reason: str) -> None:
    outcome = take(store, message)
    assert (outcome.stored, outcome.rejected) == (0, 1)
    (refusal,) = stored(outcome)[RUN].refused
    assert reason in refusal.reason
    assert store.value("SELECT count(*) FROM streams") == 0


def test_nothing_comes_after_the_end(store: Store) -> None:
    records = run_records()
    take(store, batch(records, RUN))
    outcome = take(store, batch([sample(len(records))], RUN))
    assert outcome.rejected == 1
    assert stored(outcome)[RUN].stored == ((0, len(records) - 1),)


def test_a_run_stays_with_its_device(store: Store) -> None:
    take(store, batch([started()], RUN))
    outcome = take(store, batch([sample(1)], RUN, device_id="forger"))
    assert (outcome.stored, outcome.rejected) == (0, 1)
    (receipt,) = outcome.receipts
    assert receipt.device_id == "forger"
    assert receipt.streams[0].stored == ()
    assert rows(store)["samples"] == []


@pytest.mark.parametrize(
    ("records", "complaint"),
    [
        (
            [round_started(1, 1), round_started(2, 0)],
            "record 2 is of round 0, and record 1 before it of round 1",
        ),
        ([round_finished(1, 0)], "record 1 ends round 0, which has not started"),
        ([round_started(1, 0), round_finished(2, 1)], "record 2 ends round 1, which has not started"),
        (
            [round_started(1, 0), round_finished(2, 0), round_started(3, 0)],
            "record 2 ended round 0, and record 3 is of it",
        ),
    ],
)
def test_rounds_that_do_not_follow_each_other_are_refused(
    store: Store, records: list[Record], complaint: str
) -> None:
    outcome = take(store, batch([started(), *records], RUN))
    assert outcome.rejected == 1
    assert complaint in stored(outcome)[RUN].refused[0].reason
    # The same records one at a time: those that fit are stored, the last one is refused.
    one_by_one = [take(store, batch([record], OTHER)) for record in (started(), *records)]
    assert [each.rejected for each in one_by_one] == [*[0] * len(records), 1]


def test_a_round_whose_start_has_not_arrived_yet_is_stored(store: Store) -> None:
    take(store, batch([started()], RUN))
    assert take(store, batch([round_finished(4, 0)], RUN)).rejected == 0
    assert take(store, batch([round_started(1, 0)], RUN)).rejected == 0


def test_rounds_and_resumes_become_rows(store: Store) -> None:
    take(store, batch(run_of_two_rounds(), THIRD))
    rounds = list(
        store.tuples("SELECT round, started_seq, finished_seq, peak_rss_bytes FROM rounds ORDER BY 2")
    )
    assert rounds == [(0, 1, 5, 170_000_000), (1, 6, None, None), (1, 9, 11, 190_000_000)]
    assert list(store.tuples("SELECT seq, epoch FROM resumes")) == [(8, "2e" * 8)]
    assert store.value("SELECT epoch FROM runs") == "1d" * 8
    (run,) = all_runs(store)
    assert (run.records, run.answers, run.missing) == (13, 4, 0)
    assert (run.load_ns, run.first_ns, run.peak_rss_bytes) == (300_000_000, 45_000_000, 190_000_000)


def test_a_run_without_rounds_has_the_times_of_its_last_record(store: Store) -> None:
    take(store, batch(run_records(), RUN))
    (run,) = all_runs(store)
    assert (run.load_ns, run.first_ns, run.peak_rss_bytes) == (300_000_000, 40_000_000, 180_000_000)
    assert list(store.tuples("SELECT * FROM rounds")) == []


def test_what_an_agent_of_version_1_sends_is_stored(store: Store) -> None:
    golden = Path(__file__).parents[2] / "contract" / "golden" / "v1" / "batch.json"
    name = topic("kitchen-pi-3f2a1c", "results")
    outcome = ingest(store, [Delivery(name, golden.read_bytes(), name)])
    assert (outcome.stored, outcome.rejected) == (5, 0)
    (receipt,) = outcome.receipts
    assert json.loads(encode_message(receipt))["format_version"] == 1, "an agent of version 1 reads it"
    (run,) = all_runs(store)
    assert (run.state, run.settings.rounds, run.device.class_named) == ("inconclusive", 1, False)
