"""Checks that the rounds of a run follow each other, as far as their records have arrived."""

from collections.abc import Iterable
from itertools import pairwise

from collector.intake.known_run import Border
from contract.errors import Malformed
from contract.records import Record, RoundFinished, RoundStarted


def borders_among(records: Iterable[Record]) -> tuple[Border, ...]:
    """Return the starts and ends of rounds among some records."""
    return tuple(
        Border(record.seq, record.round, isinstance(record, RoundStarted))
        for record in records
        if isinstance(record, (RoundStarted, RoundFinished))
    )


def rounds_problem(stored: tuple[Border, ...], new: tuple[Border, ...]) -> Malformed | None:
    """Return what is wrong with the rounds of a run once some borders are added, or None.

    The number of a round never falls from one start or end to the next, and a round that has ended does not
    start again. Records arrive in any order, so a start that is missing here may still come.

    Args:
        stored: the borders that are stored.
        new: others, of records that are not stored yet.
    """
    if not new:
        return None
    borders = sorted((*stored, *new))
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
