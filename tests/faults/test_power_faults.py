"""F8: the power fails at any moment, or the disk reports errors; nothing that was committed is lost."""

import random
import sqlite3
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from agent.errors import StateUnusable
from agent.outbox.outbox import Outbox
from collector.errors import StorageUnavailable
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from collector.store.opening import open_store
from contract.messages import SeqRange, encode_message
from contract.topics import topic
from tests.collector.factory import answer, batch, device, started
from tests.faults.power import Cut, Disk, Note, cuts
from tests.faults.sending import DEVICE, answers, begin

RUN = "a" * 32
TOPIC = topic(DEVICE, "results")
Rows = list[int]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """One for the disk whose power fails, and one for what is found on it afterwards."""
    before, after = tmp_path / "before", tmp_path / "after"
    before.mkdir()
    after.mkdir()
    return before, after


def restored(cut: Cut, folder: Path) -> Path:
    """The folder as the next start finds it."""
    for old in folder.glob("*.db*"):
        old.unlink()
    for path, content in cut.files.items():
        (folder / Path(path).name).write_bytes(content)
    return folder


def check_integrity(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def outbox_rows(outbox: Outbox) -> Rows:
    return [row.seq for row in outbox.rows(0, 1_000_000)]


def checkpointed_amid(notes: list[Note]) -> bool:
    """Whether the database itself was written while results came, not only its log."""
    told = [at for at, note in enumerate(notes) if note.kind == "told"]
    amid = notes[told[1] : told[-1]]
    return any(note.kind == "write" and note.path.endswith(".db") for note in amid)


def test_f8_a_power_cut_leaves_all_that_the_outbox_committed(folders: tuple[Path, Path]) -> None:
    before, after = folders
    with Disk(before) as noted:
        noted.tell([])
        with Outbox(before / "outbox.db") as outbox:
            place = begin(outbox, RUN)
            noted.tell(outbox_rows(outbox))
            for number in range(150):
                place = answers(outbox, place, 40)
                noted.tell(outbox_rows(outbox))
                if number % 3 == 2:
                    outbox.remove(RUN, [(0, place.next_seq - 60)])
                    noted.tell(outbox_rows(outbox))
    assert checkpointed_amid(noted.notes)
    tried = 0
    for cut in cuts(noted.notes, random.Random(8), share=0.03):
        with Outbox(restored(cut, after) / "outbox.db") as outbox:
            assert outbox_rows(outbox) in (cut.told, cut.coming)
        check_integrity(after / "outbox.db")
        tried += 1
    assert tried > 50


def take_in(store: Store, number: int) -> list[SeqRange]:
    """Forty records more; returns what the receipt says."""
    first = number * 40
    records = [
        started(on=device(DEVICE)) if seq == 0 else answer(seq, "q1") for seq in range(first, first + 40)
    ]
    delivery = Delivery(TOPIC, encode_message(batch(records, RUN)), TOPIC)
    (receipt,) = ingest(store, [delivery]).receipts
    return list(receipt.streams[0].stored)


def test_f8_a_power_cut_leaves_all_that_the_collector_sent_receipts_for(folders: tuple[Path, Path]) -> None:
    before, after = folders
    with Disk(before) as noted:
        noted.tell([])
        with open_store(before / "results.db", create=True) as store:
            for number in range(200):
                noted.tell(take_in(store, number))
    assert checkpointed_amid(noted.notes)
    tried = 0
    for cut in cuts(noted.notes, random.Random(8), share=0.03):
        with open_store(restored(cut, after) / "results.db", create=True) as store:
            stored = list(store.tuples("SELECT first_seq, last_seq FROM ranges"))
            assert stored in (cut.told, cut.coming)
            assert store.value("SELECT count(*) FROM answers") == sum(last for _, last in stored)
        check_integrity(after / "results.db")
        tried += 1
    assert tried > 50


def test_f8_a_database_that_does_not_sync_is_found_out(folders: tuple[Path, Path]) -> None:
    """Otherwise the tests above could not fail."""
    before, after = folders
    with Disk(before) as noted, closing(sqlite3.connect(before / "lax.db", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("CREATE TABLE t (n INTEGER)")
        noted.tell(0)
        for rows in range(1, 50):
            db.execute("INSERT INTO t VALUES (1)")
            noted.tell(rows)
    lost = 0
    for cut in cuts(noted.notes, random.Random(8), share=0.3):
        with closing(sqlite3.connect(restored(cut, after) / "lax.db")) as db:
            tables = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            found = db.execute("SELECT count(*) FROM t").fetchone()[0] if tables else None
        lost += found not in (cut.told, cut.coming)
    assert lost > 5


def for_ever(step: Callable[[], object]) -> None:
    while True:
        step()


@pytest.mark.parametrize("succeed", range(8))
def test_f8_an_io_error_costs_the_outbox_nothing_that_was_committed(tmp_path: Path, succeed: int) -> None:
    path = tmp_path / "outbox.db"
    with Disk(tmp_path) as noted:
        with Outbox(path) as outbox:
            places = [begin(outbox, RUN)]

            def measure() -> None:
                places.append(answers(outbox, places[-1], 20))

            measure()
            noted.fail_after = succeed
            with pytest.raises(StateUnusable, match=r"outbox\.db' cannot be used: disk I/O error"):
                for_ever(measure)
            noted.fail_after = None
            assert outbox_rows(outbox) == list(range(places[-1].next_seq))
            measure()
        with Outbox(path) as outbox:
            assert outbox_rows(outbox) == list(range(places[-1].next_seq))
    check_integrity(path)


@pytest.mark.parametrize("succeed", range(8))
def test_f8_an_io_error_makes_the_collector_try_again(tmp_path: Path, succeed: int) -> None:
    with Disk(tmp_path) as noted, open_store(tmp_path / "results.db", create=True) as store:
        numbers = count()
        noted.fail_after = succeed
        with pytest.raises(StorageUnavailable, match="disk I/O error"):
            for_ever(lambda: take_in(store, next(numbers)))
        noted.fail_after = None
        failed = next(numbers) - 1
        last = failed * 40 + 39
        assert take_in(store, failed) == [(0, last)]
        assert store.value("SELECT count(*) FROM answers") == last
    check_integrity(tmp_path / "results.db")
