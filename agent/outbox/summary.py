"""The content of the outbox and the state of delivery, for people; readable while an agent works."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

import msgspec

from agent.errors import StateUnusable
from agent.outbox.schema import SCHEMA_VERSION, SIZE, WAITING, translated
from commandline.sqlite.reading import connect_to_read
from contract.codec import printable
from contract.device import checked_device_id
from contract.errors import Malformed

LinkState = Literal[
    "never tried",
    "connected",
    "delivering",
    "no collector",
    "unreachable",
    "not let in",
    "certificate refused",
    "may not write",
    "may not read",
    "taken over",
    "too large",
    "broken",
]
"""The state of delivery; `docs/delivery.md` describes what to do in each."""

_RATE_WINDOW: Final = "-1 hour"


class RefusedRecords(msgspec.Struct, frozen=True):
    """Records that were refused for one reason: kept, and not sent again until the user asks for it."""

    reason: str
    count: int


class DroppedRecords(msgspec.Struct, frozen=True):
    """Records that were dropped for one reason."""

    reason: str
    count: int


class UnfinishedRun(msgspec.Struct, frozen=True):
    """A run that was interrupted and can be continued."""

    run_id: str
    asked: int
    """How many questions it has recorded."""


class Summary(msgspec.Struct, frozen=True):
    """What the outbox contains, for people."""

    pending: int = 0
    """Number of records that wait for a receipt."""
    oldest: str | None = None
    """When the oldest waiting record was written."""
    dropped: int = 0
    """Number of records that no collector will get as things are: refused ones and dropped ones."""
    refused: tuple[RefusedRecords, ...] = ()
    gone: tuple[DroppedRecords, ...] = ()
    unfinished_runs: int = 0
    """Number of runs that can be continued."""
    unfinished: tuple[UnfinishedRun, ...] = ()
    """These runs, the oldest first."""
    used_bytes: int = 0
    """Size of the records that no collector has confirmed."""
    kept: int = 0
    """Number of records that a collector has, kept in case it loses them; they are dropped to make room."""
    kept_bytes: int = 0
    limit_bytes: int | None = None
    """Largest size of the outbox, as set for the latest agent; None if no agent has worked here."""
    hours_left: float | None = None
    """Hours until it is full, at the last hour's rate without receipts; None if nothing was written."""
    link: LinkState = "never tried"
    problem: str | None = None
    """What keeps results from arriving, as one sentence."""
    since: str | None = None
    """When delivery came into this state."""


def newly_refused(before: Sequence[RefusedRecords], after: Sequence[RefusedRecords]) -> list[RefusedRecords]:
    """What was refused between two summaries."""
    known = {each.reason: each.count for each in before}
    new = (RefusedRecords(each.reason, each.count - known.get(each.reason, 0)) for each in after)
    return [each for each in new if each.count > 0]


def summarise(path: Path) -> Summary:
    """What an outbox contains; a missing one is empty.

    Raises:
        StateUnusable: the file is not an outbox of this version.
    """
    if not path.exists():
        return Summary()
    with translated(path), closing(connect_to_read(path)) as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            raise StateUnusable(
                f"the outbox '{printable(str(path))}' was written by another version of distilbench: "
                "'agent flush' of this version brings it up to date"
            )
        return summary(db)


def refused(db: sqlite3.Connection) -> tuple[RefusedRecords, ...]:
    """The records that are set aside, by the reason."""
    sql = "SELECT refused, count(*) FROM records WHERE refused IS NOT NULL GROUP BY 1 ORDER BY 2 DESC, 1"
    return tuple(RefusedRecords(*row) for row in db.execute(sql))


def device_ids(path: Path) -> list[str]:
    """The devices whose runs an outbox contains; none if there is no outbox, or one that cannot be read."""
    try:
        with (
            translated(path),
            closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db,
        ):
            found = db.execute("SELECT DISTINCT device_id FROM runs ORDER BY 1").fetchall()
            return [checked_device_id(device_id) for (device_id,) in found]
    except (StateUnusable, Malformed):
        return []


def summary(db: sqlite3.Connection) -> Summary:
    """What an outbox contains, read over an open connection."""
    pending, oldest = db.execute(
        f"SELECT count(*), min(appended_at) FROM records WHERE {WAITING}"  # noqa: S608  # our own words
    ).fetchone()
    kept, kept_bytes = db.execute(
        f"SELECT count(*), {SIZE} FROM records WHERE receipted IS NOT NULL"  # noqa: S608  # our own words
    ).fetchone()
    set_aside = refused(db)
    gone = tuple(
        DroppedRecords(*row) for row in db.execute("SELECT reason, count FROM dropped ORDER BY 2 DESC, 1")
    )
    unfinished = tuple(
        UnfinishedRun(*row)
        for row in db.execute("SELECT run_id, asked FROM runs WHERE NOT finished ORDER BY rowid")
    )
    (used,) = db.execute(
        f"SELECT {SIZE} FROM records WHERE receipted IS NULL"  # noqa: S608  # our own words
    ).fetchone()
    limit, link, problem, since = db.execute("SELECT limit_bytes, state, problem, since FROM link").fetchone()
    return Summary(
        pending=pending,
        oldest=oldest,
        dropped=sum(r.count for r in set_aside) + sum(g.count for g in gone),
        refused=set_aside,
        gone=gone,
        unfinished_runs=len(unfinished),
        unfinished=unfinished,
        used_bytes=used,
        kept=kept,
        kept_bytes=kept_bytes,
        limit_bytes=limit,
        hours_left=_hours_left(db, limit - used) if limit else None,
        link=link,
        problem=problem,
        since=since,
    )


def _hours_left(db: sqlite3.Connection, room: int) -> float | None:
    written, hours = db.execute(
        f"SELECT {SIZE}, "  # noqa: S608  # our own words
        "(julianday('now') - julianday(min(appended_at))) * 24 FROM records "
        "WHERE receipted IS NULL AND julianday(appended_at) > julianday('now', ?)",
        (_RATE_WINDOW,),
    ).fetchone()
    return max(room, 0) * hours / written if written and hours > 0 else None
