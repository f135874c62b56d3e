import hashlib
import json
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from contract.messages import MAX_MESSAGE_BYTES, Receipt, encode_message
from contract.topics import topic
from contract.version import FORMAT_VERSION
from tests.collector.factory import answer, batch, run_records, started

RUN = "0" * 31 + "1"
TOPIC = topic("pi-5", "results")
GOOD = encode_message(batch(run_records(), RUN))


def rejected(store: Store) -> list[dict[str, object]]:
    return list(store.rows("SELECT * FROM rejected ORDER BY first_received_at"))


def too_new(data: bytes) -> bytes:
    return json.dumps({**json.loads(data), "format_version": FORMAT_VERSION + 1}).encode()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda data: data[:-1], "not valid JSON"),
        (lambda data: b"", "not valid JSON"),
        (lambda data: b"\xff\xfe" + data, "not valid JSON"),
        (lambda data: b"[" * 100_000, "message"),
        (lambda data: data.replace(b'"seq":1,', b'"seq":1e400,'), "message"),
        (lambda data: data.replace(b'"seq":1,', b'"seq":9223372036854775808,'), "does not fit"),
        (lambda data: data.replace(b'"Hamburg"', b'"\\ud800"'), "message"),
        (lambda data: data.replace(b'"confidence":0.5', b'"confidence":NaN', 1), "not valid JSON"),
        (lambda data: data.replace(b'"seq":1,', b'"seq":1,"bonus":2,'), "unknown field"),
        (lambda data: data + b" " * MAX_MESSAGE_BYTES, "at most 262144 are allowed"),
        (too_new, "update distilbench here"),
        (
            lambda data: encode_message(Receipt(device_id="pi-5", collector_id="c", streams=())),
            "a receipt is not a batch",
        ),
    ],
)
def test_what_does_not_fit_is_kept_with_its_reason(
    store: Store, spoil: Callable[[bytes], bytes], reason: str
) -> None:
    data = spoil(GOOD)
    outcome = ingest(store, [Delivery(TOPIC, data, TOPIC), Delivery(TOPIC, GOOD, TOPIC)])
    assert outcome.rejected == 1
    assert outcome.stored == 7, "a bad message must not hold up a good one"
    (row,) = rejected(store)
    assert reason in str(row["reason"])
    assert row["sha256"] == hashlib.sha256(data).hexdigest()
    assert row["head"] == data[:1024]
    assert row["bytes"] == len(data)
    assert row["source"] == TOPIC


def test_the_same_bad_message_is_one_row_however_often_it_comes(store: Store) -> None:
    for _ in range(5):
        ingest(store, [Delivery(TOPIC, b"{}", TOPIC)] * 2)
    (row,) = rejected(store)
    assert row["times"] == 10


def test_a_message_of_another_device_is_rejected(store: Store) -> None:
    outcome = ingest(store, [Delivery("", GOOD, topic("forger", "results"))])
    assert (outcome.stored, outcome.rejected) == (0, 1)
    assert "batch of 'pi-5' came from 'forger'" in str(rejected(store)[0]["reason"])


def test_a_topic_that_is_not_ours_is_rejected(store: Store) -> None:
    outcome = ingest(store, [Delivery("", GOOD, "distilbench/1/UPPER/results")])
    assert (outcome.stored, outcome.rejected, outcome.receipts) == (0, 1, ())


def test_a_sender_that_is_too_new_is_told_so(store: Store) -> None:
    outcome = ingest(store, [Delivery(TOPIC, too_new(GOOD), TOPIC)])
    (receipt,) = outcome.receipts
    (stream,) = receipt.streams
    (refusal,) = stream.refused
    assert (refusal.first_seq, refusal.last_seq) == (0, 6)
    assert "update distilbench" in refusal.reason


def test_a_batch_that_the_database_refuses_does_not_block_the_others(store: Store) -> None:
    ingest(store, [Delivery(TOPIC, encode_message(batch([started()], RUN)), TOPIC)])
    with store.writing() as conn:  # as if the ranges had been lost
        conn.execute("DELETE FROM ranges")
    other = encode_message(batch(run_records(), "0" * 31 + "2"))
    outcome = ingest(store, [Delivery(TOPIC, data, TOPIC) for data in (GOOD, other)])
    assert (outcome.stored, outcome.rejected) == (7, 1)
    reason = str(rejected(store)[0]["reason"])
    assert "cannot be stored: " in reason
    assert "unique constraint" in reason.lower()
    assert store.value("SELECT count(*) FROM answers") == 4


def test_a_refusal_keeps_what_is_stored(store: Store) -> None:
    ingest(store, [Delivery(TOPIC, encode_message(batch([started(), answer(1, "q1")], RUN)), TOPIC)])
    outcome = ingest(store, [Delivery(TOPIC, too_new(GOOD), TOPIC)])
    assert outcome.receipts[0].streams[0].stored == ((0, 1),)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_bytes_whatever_get_past_as_an_error(store: Store, data: st.DataObject) -> None:
    spoiled = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    outcome = ingest(store, [Delivery(TOPIC, bytes(spoiled), TOPIC)])
    assert outcome.rejected + (outcome.stored + outcome.duplicates > 0) <= 1
