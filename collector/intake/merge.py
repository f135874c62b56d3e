"""Merges the databases of other collectors into one: each record once, whichever collector stored it.

Raw data is merged: runs, rejected messages, question files with their gold answers, and added predictions.
Derived data is computed again when a report needs it. Records go through the same checks as those that a
device sends, since anyone may have made the file.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from typing import Final, NamedTuple

import msgspec

from collector.errors import BadInput, CollectorError
from collector.intake import rejected
from collector.intake.group import store_batches
from collector.intake.incoming import Delivery
from collector.intake.ingest import record_problem
from collector.intake.stored_records import stored_records
from collector.intake.tally import Tally
from collector.intake.unstorable import nul_problem
from collector.scoring.predictions import put_system
from collector.store.database import Store
from collector.store.transaction import RowRefused, Transaction
from contract.codec import printable
from contract.errors import ContractError, Malformed
from contract.fields import DeviceId, RunId, UtcTime
from contract.messages import Batch, Epochs
from contract.records import Record

_RECORDS_AT_ONCE: Final = 2000
_KEPT_BYTES_AT_ONCE: Final = 8 * 1_048_576
_SHOWN_CHARS: Final = 64
"""As many characters as a device's id may have."""

_REJECTED: Final = tuple[str, str, str, int, bytes, int, str, str]
_SYSTEM: Final = tuple[int, str, str, str, str]
"""The types of what another program may have written; see `_merge_rejected` and `_merge_systems`."""


class Merged(NamedTuple):
    """The result of a merge."""

    runs: int
    """How many runs the other database has, whether or not they were new."""
    stored: int
    """How many records are new."""
    duplicates: int
    """How many records had been stored before."""
    refused: tuple[str, ...]
    """Why runs were not merged, one sentence per run."""


def merge(store: Store, other: Store) -> Merged:
    """Import what another database holds, with one transaction per run. Doing it twice changes nothing.

    A run is merged completely or not at all.

    Raises:
        BadInput: the other database does not have the schema of this version, or what it holds besides runs
            cannot be stored. Its runs may have been merged.
        StorageUnavailable: the database cannot be written now; the merge may be tried again.
    """
    stored = duplicates = 0
    refused = []
    with other.reading():
        other.check_tables()
        streams = list(
            other.tuples("SELECT stream, run_id, device_id, first_received_at FROM streams ORDER BY stream")
        )
        for stream, *entry in streams:
            try:
                checked = _checked_entry(other, stream, *entry)
                merged = store.written(partial(_merge_run, other=other, theirs=stream, entry=checked))
            except ContractError as error:
                run_id, device_id, _ = map(str, entry)  # anything, if another program wrote them
                named = f"run {run_id[:8]!r} of {device_id[:_SHOWN_CHARS]!r}"
                refused.append(f"{named} was not merged: {printable(str(error))}")
            else:
                stored += merged.stored
                duplicates += merged.duplicates
        try:
            store.written(partial(_merge_others, other=other))
        except (RowRefused, msgspec.ValidationError) as error:
            raise BadInput(
                f"rejected messages, questions or predictions of {other.name!r} cannot be stored: "
                f"{printable(str(error))}"
            ) from None
    return Merged(len(streams), stored, duplicates, tuple(refused))


class _Entry(msgspec.Struct, frozen=True):
    """The contract of what a database knows of a run besides its records."""

    device_id: DeviceId
    run_id: RunId
    first_received_at: UtcTime
    epochs: Epochs


def _checked_entry(other: Store, stream: int, run_id: str, device_id: str, at: str) -> _Entry:
    """Raises Malformed if a run of another database does not fit the contract."""
    epochs = list(
        other.tuples("SELECT first_seq, epoch FROM processes WHERE stream = ? ORDER BY first_seq", stream)
    )
    entry = {"run_id": run_id, "device_id": device_id, "first_received_at": at, "epochs": epochs}
    try:
        return msgspec.convert(entry, _Entry)
    except msgspec.ValidationError as error:
        raise Malformed(str(error)) from None


def _merge_run(conn: Transaction, other: Store, theirs: int, entry: _Entry) -> Tally:
    """Merge a run, within the caller's transaction; raises ContractError if any of it cannot be stored."""
    tally = Tally()
    conn.lock_runs([entry.run_id])
    for records in _groups(other, theirs):
        batch = Batch(device_id=entry.device_id, run_id=entry.run_id, records=records, epochs=entry.epochs)
        problems = (record_problem(record, entry.device_id) for record in records)
        if (problem := next(filter(None, problems), None) or nul_problem(batch)) is not None:
            raise problem
        (admission,) = store_batches(conn, [batch], entry.first_received_at)
        if admission.problem is not None:
            raise admission.problem
        tally.take(batch, admission)
    return tally


def _groups(other: Store, stream: int) -> Iterator[tuple[Record, ...]]:
    """A run of another database in parts, in order of `seq`."""
    records = stored_records(other, stream)
    last = -1
    try:
        while group := tuple(islice(records, _RECORDS_AT_ONCE)):
            for record in group:
                if record.seq <= last:
                    raise Malformed(f"it has several records {record.seq}")
                last = record.seq
            yield group
    except (CollectorError, msgspec.MsgspecError) as error:
        raise Malformed(str(error)) from None


def _merge_others(conn: Transaction, other: Store) -> None:
    """Merge everything but runs, within the caller's transaction."""
    _merge_rejected(conn, other)
    _merge_questions(conn, other)
    _merge_systems(conn, other)


def _merge_rejected(conn: Transaction, other: Store) -> None:
    """Merge the list of rejected messages, and those that are kept whole while there is room."""
    columns = "sha256, reason, source, bytes, substr(head, 1, ?), times, first_received_at, last_received_at"
    listed = f"SELECT {columns} FROM rejected ORDER BY rowid"  # noqa: S608  # our own names
    for row in other.tuples(listed, rejected.HEAD_BYTES):
        sha256, reason, source, *others = msgspec.convert(row, _REJECTED)
        conn.execute(
            "INSERT INTO rejected VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
            (sha256, rejected.shortened(reason), rejected.shortened(source), *others),
        )
    rejected.trim(conn)
    kept: list[Delivery] = []
    size = 0
    query = "SELECT source, body, topic FROM kept WHERE length(body) <= ? ORDER BY rowid"
    for row in other.tuples(query, rejected.KEPT_BYTES):
        kept.append(msgspec.convert(row, Delivery))
        size += len(kept[-1].data) + rejected.ROW_BYTES
        if size >= _KEPT_BYTES_AT_ONCE:
            rejected.keep(conn, kept)
            kept, size = [], 0
    rejected.keep(conn, kept)


def _merge_questions(conn: Transaction, other: Store) -> None:
    for theirs, sha256, name, added_at in list(
        other.tuples("SELECT question_set, sha256, name, added_at FROM question_sets ORDER BY question_set")
    ):
        if conn.execute("SELECT 1 FROM question_sets WHERE sha256 = ?", (sha256,)).fetchone():
            continue
        (ours,) = conn.execute(
            "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, ?, ?) RETURNING question_set",
            (sha256, name, added_at),
        ).fetchone()
        for table in ("passages", "questions", "golds"):
            query = f"SELECT * FROM {table} WHERE question_set = {theirs}"  # noqa: S608  # our own names
            _copy(conn, other, query, table, ours)


def _merge_systems(conn: Transaction, other: Store) -> None:
    """Merge the added predictions; of two files of one system for the same questions, the later one stays."""
    for row in list(
        other.tuples(
            "SELECT system, model, systems.sha256, systems.added_at, question_sets.sha256 "
            "FROM systems JOIN question_sets USING (question_set) ORDER BY system"
        )
    ):
        theirs, model, sha256, added_at, questions_sha256 = msgspec.convert(row, _SYSTEM)
        (question_set,) = conn.execute(
            "SELECT question_set FROM question_sets WHERE sha256 = ?", (questions_sha256,)
        ).fetchone()
        here = conn.execute(
            "SELECT sha256, added_at FROM systems WHERE model = ? AND question_set = ?",
            (model, question_set),
        ).fetchone()
        if here is not None and (here[0] == sha256 or here[1] >= added_at):
            continue
        ours = put_system(conn, model, question_set, sha256, added_at)
        query = f"SELECT * FROM predictions WHERE system = {theirs}"  # noqa: S608  # our own number
        _copy(conn, other, query, "predictions", ours)


def _copy(conn: Transaction, other: Store, query: str, table: str, key: int) -> None:
    """Insert the rows of a query into a table that has none of this key, which replaces the first column."""
    conn.insert(table, other.columns()[table], ((key, *row[1:]) for row in other.tuples(query)))
