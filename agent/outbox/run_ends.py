"""How runs ended here, and whether records of an order's runs still wait for a receipt."""

import sqlite3

import msgspec

from agent.outbox.schema import WAITING
from contract.records import Record, RunFinished


class _First(msgspec.Struct, frozen=True):
    """What this looks for in the first record of a run."""

    order: str | None = None


def run_end(db: sqlite3.Connection, identity: str) -> RunFinished | None:
    """The last record of the latest run of this identity; None if that run is not measured to its end.

    A run that was interrupted and started over is none that was measured to its end, nor one that another
    board has continued.
    """
    found = db.execute(
        "SELECT body FROM runs LEFT JOIN records ON records.run_id = runs.run_id AND seq = next_seq - 1 "
        "AND finished WHERE identity = ? ORDER BY runs.rowid DESC LIMIT 1",
        (identity,),
    ).fetchone()
    if found is None or found[0] is None:
        return None
    last = msgspec.json.decode(found[0], type=Record)
    return last if isinstance(last, RunFinished) and last.status != "interrupted" else None


def waits_for(db: sqlite3.Connection, order: str) -> bool:
    """Whether a record of an order's runs waits for a receipt.

    A run names its order in its first record, which stays as long as another record of the run waits. Only
    while a run is being written to a file, the first may have left before: then it may be of any order.
    """
    firsts = db.execute(
        "SELECT first.body FROM runs "  # noqa: S608  # our own words
        "LEFT JOIN records AS first ON first.run_id = runs.run_id AND first.seq = 0 "
        "WHERE EXISTS (SELECT 1 FROM records INDEXED BY waiting_of_run "
        f"WHERE records.run_id = runs.run_id AND {WAITING})"
    )
    return any(body is None or msgspec.json.decode(body, type=_First).order == order for (body,) in firsts)
