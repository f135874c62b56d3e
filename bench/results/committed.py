"""What devices committed, compared with the collector's database and with what the devices still keep.

The oracle of `bench.chaos` and `bench.soak`: each record that a device committed is stored as it was
committed, or its device keeps it, refused with a reason. No run in the database is of two boards.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from bench.processes.device import ANSWERS, BEGINNING, text_of
from collector.store.database import Store, Where
from collector.store.opening import open_store_to_read


class Failed(Exception):
    """The database does not hold what the devices committed, or not in time."""


class Record(NamedTuple):
    """A record by its number and its content: an answer's text, or the process that began, or the end."""

    run_id: str
    seq: int
    content: str


def committed(log: Path) -> set[Record]:
    """The records that a device has committed, from the log that it writes."""
    found = set()
    for line in log.read_text().splitlines():
        run_id, first, last, epoch, what = line.split()
        for seq in range(int(first), int(last) + 1):
            content = {ANSWERS: text_of(run_id, seq, epoch), BEGINNING: epoch}.get(what, what)
            found.add(Record(run_id, seq, content))
    return found


def kept(outbox: Path, condition: str = "1") -> set[tuple[str, int]]:
    """The records in an outbox for which an SQL condition holds, by run and number."""
    with closing(sqlite3.connect(f"{outbox.absolute().as_uri()}?mode=ro", uri=True)) as db:
        return set(db.execute(f"SELECT run_id, seq FROM records WHERE {condition}"))  # noqa: S608  # ours


def check(database: Where, folder: Path, log: Path | None = None, forgiven: Collection[Record] = ()) -> int:
    """Compare the records that a device committed with a database; returns their number.

    Args:
        database: the database.
        folder: the device's state folder.
        log: what the device has committed; None for the file beside its folder.
        forgiven: records that were taken from the device, for example by an older copy of its folder.

    Raises:
        Failed: a record is lost, or stored otherwise than it was committed, or a run is of two boards.
    """
    expected = committed(log or folder.with_suffix(".log"))
    refused = kept(folder / "outbox.db", "refused IS NOT NULL")
    runs = {record.run_id for record in expected}
    with open_store_to_read(database) as store:
        stored = {record for run_id in runs for record in _stored(store, run_id)}
        for run_id in runs:
            _check_writers(store, run_id)
    lost = sorted(
        record for record in expected - stored - set(forgiven) if (record.run_id, record.seq) not in refused
    )
    if lost:
        raise Failed(f"{len(lost)} records of {folder.name} are lost or falsified, such as {lost[:3]}")
    return len(expected)


def _stored(store: Store, run_id: str) -> Iterator[Record]:
    stream = store.value("SELECT stream FROM streams WHERE run_id = ?", run_id)
    for sql in (
        "SELECT seq, text FROM answers WHERE stream = ?",
        "SELECT seq, epoch FROM resumes WHERE stream = ?",
        "SELECT 0, epoch FROM runs WHERE stream = ?",
        "SELECT seq, 'end' FROM finishes WHERE stream = ?",
    ):
        for seq, content in store.tuples(sql, stream):
            yield Record(run_id, seq, content)


_STRANGERS = """
SELECT seq, text FROM answers JOIN streams USING (stream) WHERE run_id = ? AND text NOT LIKE '% ' || (
    SELECT epoch FROM processes WHERE processes.stream = answers.stream AND first_seq <= seq
    ORDER BY first_seq DESC LIMIT 1)
LIMIT 3
"""


def _check_writers(store: Store, run_id: str) -> None:
    """Each stored answer was given by the process that wrote this part of the run."""
    if strangers := list(store.tuples(_STRANGERS, run_id)):
        raise Failed(f"run {run_id} is of two boards: {strangers}")
