"""What collectors have confirmed, and whose records they have confirmed.

Confirmed records are kept while there is room. They are sent again if their collector loses them: once its
database is restored from a backup, its receipts name fewer records than before. Receipts of several
collectors are never compared with each other, since each may have its own share.

A receipt may be about the records of another board, which has a copy of this outbox and continues the same
run. So it names the processes that wrote the records, and only those that wrote here count.
"""

import sqlite3
from typing import Final, NamedTuple

from agent.outbox.schema import WAITING
from contract.codec import cut
from contract.fields import MAX_INT
from contract.messages import MAX_EPOCHS, MAX_RECEIPT_RANGES, Epochs, SeqRanges, Stream, parting
from contract.seq_ranges import below, minus, ranges_of, union

MOST_KEPT_RUNS: Final = 256
"""Of how many runs, the latest ones, a collector is asked whether it still has them."""
MOST_REASON_CHARS: Final = 300
"""The longest reason that is kept; a collector's are no longer."""
WRITTEN_ELSEWHERE: Final = (
    "another board has a copy of this state folder, or the folder was put back to an older copy: a collector "
    "has other records of this run; give each board a state folder of its own"
)
"""Why records are set aside, and a run is not continued."""


class KeptRun(NamedTuple):
    """A run of which records are kept that a collector has."""

    run_id: str
    device_id: str
    format_version: int


class Confirmed(NamedTuple):
    """What a receipt says of this device's records of a run."""

    taken: int
    """How many waiting records it confirms."""
    covered: SeqRanges
    """The records that it confirms or refuses."""
    fewer: bool = False
    """Whether it names fewer records than an earlier receipt of the same collector."""
    waiting_again: int = 0
    """How many records wait again, since the collector has lost them."""
    written_elsewhere: bool = False
    """Whether the run is not continued, since another board has continued it."""


class Receipted:
    """The receipted records of an outbox. Each method works within the caller's transaction.

    Args:
        db: the connection of the outbox.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._latest: dict[tuple[str, str], SeqRanges] = {}

    def take(self, collector_id: str, stream: Stream, *, asked: bool) -> Confirmed:
        """Note what a collector has of a run, and what it refuses; see `Outbox.confirm`."""
        run_id = stream.run_id
        run = self._db.execute("SELECT next_seq FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if run is None:
            return Confirmed(0, stream.stored)
        own = self.epochs(run_id)
        refused: SeqRanges = ()
        for each in stream.refused:
            end = each.last_seq if each.epoch is None else min(each.last_seq, _last_of(own, each.epoch))
            if each.first_seq <= end:
                self.set_aside(run_id, each.first_seq, end, each.reason)
                refused = union(refused, ((each.first_seq, end),))
        stored = stream.stored
        parted = parting(own, stream.epochs)
        elsewhere = bool(stored) and stored[-1][1] >= min(
            run[0], stored[-1][1] + 1 if parted is None else parted
        )
        if elsewhere:
            self._end(run_id, parted)
        if parted is not None:
            stored = below(stored, parted)
        taken = self._confirm(run_id, collector_id, stored)
        named = union(stored, refused)
        latest = self._latest.get((run_id, collector_id), ())
        self._latest[run_id, collector_id] = named
        again = self._wait_again(run_id, collector_id, named) if asked else 0
        return Confirmed(taken, named, bool(minus(latest, named)), again, elsewhere)

    def set_aside(self, run_id: str, first_seq: int, last_seq: int, reason: str) -> None:
        """Keep waiting records with the reason why nobody takes them, and do not send them again.

        Each record has a copy of the reason, so no more than its beginning is kept.
        """
        self._db.execute(
            "UPDATE records INDEXED BY waiting_of_run SET refused = ? "  # noqa: S608  # our own words
            f"WHERE run_id = ? AND seq BETWEEN ? AND ? AND {WAITING}",
            (cut(reason, MOST_REASON_CHARS), run_id, first_seq, last_seq),
        )

    def epochs(self, run_id: str) -> Epochs:
        """The processes that wrote a run here, in order."""
        sql = "SELECT first_seq, epoch FROM processes WHERE run_id = ? ORDER BY 1 LIMIT ?"
        return tuple(self._db.execute(sql, (run_id, MAX_EPOCHS)))

    def runs(self, device_id: str) -> list[KeptRun]:
        """The runs of a device of which records are kept that a collector has, the latest first."""
        found = self._db.execute(
            "SELECT run_id, device_id, format_version FROM runs WHERE device_id = ? AND EXISTS (SELECT 1 "
            "FROM records WHERE records.run_id = runs.run_id AND receipted IS NOT NULL) "
            "ORDER BY rowid DESC LIMIT ?",
            (device_id, MOST_KEPT_RUNS),
        )
        return [KeptRun(*row) for row in found]

    def gone(self, run_id: str) -> SeqRanges:
        """The records of a run that were written here, and are not here any more."""
        run = self._db.execute("SELECT next_seq FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        if run is None or run[0] == 0:
            return ()
        here = self._db.execute("SELECT seq FROM records WHERE run_id = ? ORDER BY seq", (run_id,))
        return minus(((0, run[0] - 1),), ranges_of([seq for (seq,) in here]))

    def _end(self, run_id: str, parted: int | None) -> None:
        self._db.execute("UPDATE runs SET finished = 1 WHERE run_id = ?", (run_id,))
        if parted is not None:
            self.set_aside(run_id, parted, MAX_INT, WRITTEN_ELSEWHERE)

    def _confirm(self, run_id: str, collector_id: str, stored: SeqRanges) -> int:
        collector = self._collector(collector_id)
        return sum(
            self._db.execute(
                "UPDATE records INDEXED BY waiting_of_run SET receipted = ? "  # noqa: S608  # our own words
                f"WHERE run_id = ? AND seq BETWEEN ? AND ? AND {WAITING}",
                (collector, run_id, first, last),
            ).rowcount
            for first, last in stored
        )

    def _wait_again(self, run_id: str, collector_id: str, named: SeqRanges) -> int:
        collector = self._collector(collector_id)
        kept = self._db.execute(
            "SELECT seq FROM records WHERE run_id = ? AND receipted = ? ORDER BY seq", (run_id, collector)
        )
        lost = minus(ranges_of([seq for (seq,) in kept]), named)
        if len(named) >= MAX_RECEIPT_RANGES:
            lost = below(lost, named[-1][1])  # the receipt does not name what comes after
        return sum(
            self._db.execute(
                "UPDATE records SET receipted = NULL "
                "WHERE run_id = ? AND seq BETWEEN ? AND ? AND receipted = ?",
                (run_id, first, last, collector),
            ).rowcount
            for first, last in lost
        )

    def _collector(self, collector_id: str) -> int:
        """The integer that stands for a collector in the records."""
        found = self._db.execute(
            "SELECT collector FROM collectors WHERE collector_id = ?", (collector_id,)
        ).fetchone()
        if found is not None:
            return int(found[0])
        new = self._db.execute("INSERT INTO collectors (collector_id) VALUES (?)", (collector_id,)).lastrowid
        assert new is not None
        return new


def _last_of(own: Epochs, epoch: str) -> int:
    """The last record that a process of this device may have written; -1 if it is none of this device."""
    for place, (_, each) in enumerate(own):
        if each == epoch:
            return own[place + 1][0] - 1 if place + 1 < len(own) else MAX_INT
    return -1
