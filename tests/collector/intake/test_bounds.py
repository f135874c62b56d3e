"""No sender makes a list, a reason, a receipt or the work for one message grow without bound."""

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace
from sqlite_utils import Database

from collector.intake import rejected
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.intake.results_file import ingest_file
from collector.intake.stored_ranges import MAX_RANGES
from collector.intake.tally import MAX_RECEIPT_REFUSALS
from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.sqlite import sqlite_store as store_module
from collector.store.sqlite.migrations import MIGRATIONS
from contract.messages import MAX_EPOCHS, MAX_MESSAGE_BYTES, Batch, decode_message, encode_message
from contract.records import Sample
from contract.topics import topic
from tests.collector.command import invoked
from tests.collector.delivering import by_topic, take

RUN = "0" * 31 + "1"
TOPIC = topic("pi-5", "results")
NOON = "2026-01-01T12:00:00Z"
OLD = "2025-01-01T00:00:00Z"


def sparse(first: int, count: int = 5_000) -> Batch:
    """Every second record of a run."""
    records = [Sample(seq=first + 2 * place, at_ns=0) for place in range(count)]
    return Batch(device_id="pi-5", run_id=RUN, records=tuple(records))


def ranges(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM ranges"))


def test_a_run_with_thousands_of_gaps_is_refused_by_name(store: Store) -> None:
    assert take(store, sparse(1, 4_000)).stored == 4_000
    outcome = take(store, sparse(10_001, 97))
    assert (outcome.stored, outcome.rejected, ranges(store)) == (0, 1, 4_000)
    (refusal,) = outcome.receipts[0].streams[0].refused
    assert f"run {RUN} would have more than 4,096 gaps" in refusal.reason
    assert take(store, sparse(10_001, 96)).stored == 96, "up to the limit it is stored"
    assert take(store, sparse(2, 3_999)).stored == 3_999, "what fills gaps is always stored"
    assert ranges(store) == 97
    assert list(store.tuples("SELECT first_seq, last_seq FROM ranges ORDER BY first_seq LIMIT 1")) == [
        (1, 7_999)
    ]


def test_sparse_messages_cost_no_more_than_others(store: Store) -> None:
    """Twelve messages of 240 kB, which once kept the collector busy for minutes."""
    begun = time.process_time()
    for number in range(12):
        take(store, sparse(1 + 10_000 * number, 4_096 if number == 0 else 5_000))
    assert time.process_time() - begun < 5.0
    small = by_topic(sparse(1, 1))
    begun = time.process_time()
    outcome = ingest(store, [small] * 200)
    assert outcome.duplicates == 200
    assert time.process_time() - begun < 2.0


def bad(number: int, length: int = 250_000) -> bytes:
    """A message whose reason would quote a name as long as a message."""
    record = {"type": "sample", "seq": 1, "at_ns": 0, f"{number}" + "k" * length: 1}
    message = {"type": "batch", "format_version": 1, "device_id": "pi-5", "run_id": RUN, "records": [record]}
    return json.dumps(message).encode()


def test_a_reason_is_short_in_the_list_and_in_the_receipt(store: Store) -> None:
    outcome = ingest(store, [Delivery(TOPIC, bad(0), TOPIC)])
    (receipt,) = outcome.receipts
    assert decode_message(encode_message(receipt)) == receipt
    (refusal,) = receipt.streams[0].refused
    assert len(refusal.reason) == rejected.MOST_CHARACTERS
    assert refusal.reason.endswith("k…")
    assert store.value("SELECT reason FROM rejected") == refusal.reason
    ingest(store, [Delivery("f" * 5_000, b"{")])
    assert store.value("SELECT max(length(source)) FROM rejected") == rejected.MOST_CHARACTERS


def test_a_receipt_fits_into_a_message_whatever_it_refuses(store: Store) -> None:
    epochs = tuple((10**15 + n, f"{n:016x}") for n in range(MAX_EPOCHS))
    take(store, replace(sparse(10**15, MAX_RANGES), epochs=epochs))
    deliveries = [
        Delivery(TOPIC, bad(n, 400).replace(b"k", "\U0001f34b".encode()), TOPIC) for n in range(200)
    ]
    (receipt,) = ingest(store, deliveries).receipts
    assert len(encode_message(receipt)) <= MAX_MESSAGE_BYTES
    (stream,) = receipt.streams
    assert len(stream.refused) == MAX_RECEIPT_REFUSALS
    assert (len(stream.stored), len(stream.epochs)) == (MAX_RANGES, MAX_EPOCHS)


def test_the_list_has_the_newest_messages(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejected, "MOST_LISTED", 10)
    for number in range(25):
        ingest(store, [Delivery(TOPIC, b"%d" % number, TOPIC)])
    heads = [int(head) for (head,) in store.tuples("SELECT head FROM rejected ORDER BY rowid")]
    assert heads == list(range(15, 25))


def test_the_list_is_printed_at_once(database: Path) -> None:
    with open_store(database, create=True) as store:
        deliveries = [Delivery(TOPIC, bad(n, 300), TOPIC) for n in range(rejected.MOST_LISTED + 5)]
        ingest(store, deliveries)
    begun = time.monotonic()
    shown = invoked("rejected", "--db", database)
    assert time.monotonic() - begun < 60.0, "such a list once took minutes"
    assert shown.returncode == 0
    assert shown.stderr == "only the newest 1,000 messages are listed\n"
    listed = json.loads(invoked("rejected", "--json", "--db", database).stdout)
    assert len(listed) == rejected.MOST_LISTED


def test_a_file_of_something_else_does_not_fill_the_database(database: Path, tmp_path: Path) -> None:
    """Such as /dev/urandom, or a log."""
    file = tmp_path / "results.jsonl"
    lines = (b"line %d " % number + b"x" * 2_000 + b"\n" for number in range(8_000))
    file.write_bytes(b"".join((encode_message(sparse(0, 0)) + b"\n", *lines)))
    with open_store(database, create=True) as store:
        assert ingest_file(store, file).rejected == 8_000
        assert store.value("SELECT count(*) FROM rejected") == rejected.MOST_LISTED
    assert database.stat().st_size < 5_000_000


def test_what_is_kept_whole_is_bounded_however_small_it_is(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "KEPT_BYTES", 10_000)
    for number in range(40):
        ingest(store, [Delivery(TOPIC, b'{"format_version":99,"n":%d}' % number, TOPIC)])
    assert 0 < store.value("SELECT count(*) FROM kept") <= 20


def test_an_older_database_is_brought_within_the_bounds(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose list has long reasons, and a message with two reasons."""
    with monkeypatch.context() as patch:
        patch.setattr(store_module, "MIGRATIONS", MIGRATIONS[: _before_bounds()])
        open_store(database, create=True).close()
    with closing(sqlite3.connect(database)) as conn, conn:
        rows = [
            ("a", "first", "t", 1, b"a", 2, "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"),
            ("a", "second", "t", 1, b"a", 3, "2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z"),
            ("b", "k" * 250_000, "s" * 1_000, 1, b"b", 1, NOON, NOON),
            *((f"{n}", "old", "t", 1, b"", 1, OLD, OLD) for n in range(1_500)),
        ]
        conn.executemany("INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
    with open_store(database) as store:
        found = {row["sha256"]: row for row in store.rows("SELECT * FROM rejected")}
        assert len(found) == rejected.MOST_LISTED
        assert (found["a"]["reason"], found["a"]["times"]) == ("second", 5)
        assert found["a"]["first_received_at"] == "2026-01-01T00:00:00Z"
        assert found["b"]["reason"] == rejected.shortened("k" * 250_000)
        assert found["b"]["source"] == rejected.shortened("s" * 1_000)
        assert ingest(store, [Delivery(TOPIC, b"{", TOPIC)]).rejected == 1
        assert store.value("PRAGMA integrity_check") == "ok"


def _before_bounds() -> int:
    """How many steps of the schema came before the list had bounds."""
    with closing(sqlite3.connect(":memory:")) as conn:
        for number, migration in enumerate(MIGRATIONS):
            migration(Database(conn))
            (sql,) = conn.execute("SELECT sql FROM sqlite_schema WHERE name = 'rejected'").fetchone()
            if "newest thousand" in sql:
                return number
    raise AssertionError("no step sets bounds")
