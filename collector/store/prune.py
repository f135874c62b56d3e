"""Removes runs and rejected messages: the one exception to "raw facts are stored once and never changed".

A removed run comes back if its results file is imported again, or if a device sends records of it that it has
not delivered yet. What a device has delivered, it does not send again.
"""

import re
from collections.abc import Iterable
from datetime import date
from typing import NamedTuple

from collector.errors import BadInput
from collector.store.database import Store
from collector.store.runs import find_stream
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from commandline.counted import counted

_DAY = re.compile(r"\d{4}-\d\d-\d\d")


class Removal(NamedTuple):
    """What to remove."""

    streams: tuple[int, ...]
    answers: int
    """How many answers these runs have."""
    rejected: int | None
    """How many rows the list of rejected messages has; None to keep the list."""

    def __bool__(self) -> bool:
        return bool(self.streams or self.rejected)

    def __str__(self) -> str:
        parts = []
        if self.streams:
            parts.append(f"{counted(len(self.streams), 'run')} with {counted(self.answers, 'answer')}")
        if self.rejected:
            parts.append(counted(self.rejected, "rejected message"))
        return " and ".join(parts)


def select(store: Store, runs: Iterable[str], before: str | None, *, rejected: bool) -> Removal:
    """Find what a request would remove, without changing anything.

    Args:
        store: the database.
        runs: beginnings of run ids, each of exactly one run.
        before: a day, `YYYY-MM-DD`: selects all runs whose first record was received before it.
        rejected: select the list of rejected messages too.

    Raises:
        BadInput: there is no such run or day, or a beginning is that of several ids.
    """
    streams = {find_stream(store, run) for run in runs}
    if before is not None:
        found = store.tuples("SELECT stream FROM streams WHERE first_received_at < ?", _day(before))
        streams.update(stream for (stream,) in found)
    return Removal(
        tuple(sorted(streams)),
        sum(store.value("SELECT count(*) FROM answers WHERE stream = ?", stream) for stream in streams),
        store.value("SELECT count(*) FROM rejected") if rejected else None,
    )


def prune(store: Store, selection: Removal) -> None:
    """Remove a selection, and what was derived from it, in one transaction."""
    tables = [
        table for table, columns in store.columns().items() if "stream" in columns and table != "streams"
    ]
    run_ids = [store.value("SELECT run_id FROM streams WHERE stream = ?", each) for each in selection.streams]

    def remove(conn: Transaction) -> None:
        conn.lock_runs(run_ids)
        for stream in selection.streams:
            conn.execute(
                "INSERT INTO pruned SELECT run_id, ? FROM streams WHERE stream = ? "
                "ON CONFLICT (run_id) DO UPDATE SET pruned_at = excluded.pruned_at",
                (utc_now(), stream),
            )
            for table in (*tables, "streams"):  # last, because the others refer to it
                conn.execute(f"DELETE FROM {table} WHERE stream = ?", (stream,))  # noqa: S608  # our own names
        if selection.rejected is not None:
            conn.execute("DELETE FROM rejected")

    store.written(remove)


def _day(text: str) -> str:
    try:
        if not _DAY.fullmatch(text):
            raise ValueError
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise BadInput(f"--before {text!r} is not a day such as 2026-01-31") from None
