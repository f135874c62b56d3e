"""Checks that the rounds of a run follow each other, as far as their records have arrived."""

import sqlite3
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from contract.errors import Malformed
from contract.records import Record, RoundFinished, RoundStarted


class _Border(NamedTuple):
    """The start or the end of a round."""

    seq: int
    round: int
    starts: bool


_STORED = """
SELECT seq, round, 1 FROM round_starts WHERE stream = ?1
UNION ALL SELECT seq, round, 0 FROM round_finishes WHERE stream = ?1
"""


def rounds_problem(conn: sqlite3.Connection, stream: int | None, fresh: Iterable[Record]) -> Malformed | None:
    """Return what is wrong with the rounds of a run once these records are added, or None.

    The number of a round never falls from one start or end to the next, and a round that has ended does not
    start again. Records arrive in any order, so a start that is missing here may still come.

    Args:
        conn: a connection to the database.
        stream: the run; None for a new one.
        fresh: its records that are not stored yet.
    """
    new = [
        _Border(record.seq, record.round, isinstance(record, RoundStarted))
        for record in fresh
        if isinstance(record, RoundStarted | RoundFinished)
    ]
    if not new:
        return None
    stored = () if stream is None else conn.execute(_STORED, (stream,))
    borders = sorted([*new, *(_Border(seq, number, bool(starts)) for seq, number, starts in stored)])
    if not borders[0].starts and borders[0].seq == 1:
        return Malformed(f"record 1 ends round {borders[0].round}, which has not started")
    for before, after in pairwise(borders):
        if after.round < before.round:
            return Malformed(
                f"record {after.seq} is of round {after.round}, and record {before.seq} before it of "
                f"round {before.round}"
            )
        if not before.starts and after.round == before.round:
            return Malformed(
                f"record {before.seq} ended round {before.round}, and record {after.seq} is of it"
            )
        if (
            not after.starts
            and after.seq == before.seq + 1
            and (not before.starts or before.round != after.round)
        ):
            return Malformed(f"record {after.seq} ends round {after.round}, which has not started")
    return None
