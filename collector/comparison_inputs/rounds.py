"""The rounds of runs with their times: the units that a measurement consists of.

Times within a round share what the machine was like at that moment and the luck of one process. So the spread
between rounds, and not the spread between questions, says how well a time is known.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.columns import Columns, median_times

_LOADS: Final = "SELECT round, load_ns FROM round_starts WHERE stream = ? ORDER BY seq"


class Turn(NamedTuple):
    """A round of one command on a device, in which all of its bundles had their turn or turns."""

    device_id: str
    epoch: str
    """Identifies the command."""
    number: int
    """Number of the round, from 0."""


class Round(NamedTuple):
    """The times of one round of one run. The arrays have one entry per question that has a time."""

    device_id: str
    run_id: str
    number: int
    """Number of the round in its run, from 0."""
    turn: Turn | None
    """What it shares with the rounds of other runs that have an equal turn; None in version 1, in which no
    two runs share a turn."""
    question: NDArray[np.uint64]
    """Hashes of the questions in ascending order, as in `columns.Columns`."""
    tokens: NDArray[np.int64]
    """Tokens of each question, over all windows."""
    time_ns: NDArray[np.int64]
    """Median time of each question, if the round asked it repeatedly."""


_STARTS: Final = """
SELECT seq, round, coalesce((SELECT epoch FROM resumes
        WHERE resumes.stream = starts.stream AND resumes.seq < starts.seq ORDER BY seq DESC LIMIT 1), epoch)
FROM round_starts AS starts JOIN runs USING (stream) WHERE stream = ? ORDER BY seq
"""


def rounds_of(store: Store, run: Run, answers: Columns) -> Iterator[Round]:
    """Split the answers of a run into its rounds, in their order. A run without rounds is one round."""
    starts = _starts(store, run)
    epochs = {start.number: start.epoch for start in starts}  # of an interrupted round, the later one
    seqs = np.array([start.seq for start in starts])
    # The start of the first round may not have arrived yet.
    places = np.maximum(np.searchsorted(seqs, answers.seq) - 1, 0)
    numbers = np.array([start.number for start in starts])[places]
    for number in np.unique(numbers).tolist():
        of_round = answers if len(epochs) == 1 else answers.where(numbers == number)
        times = median_times(of_round)
        if len(times.question):
            first = np.searchsorted(of_round.question, times.question)
            yield Round(
                device_id=run.device_id,
                run_id=run.run_id,
                number=number,
                turn=_turn(run, epochs[number], number),
                question=times.question,
                tokens=of_round.tokens[first],
                time_ns=times.value,
            )


def loads_of(store: Store, run: Run) -> dict[int, int]:
    """Read the load time of each round of a run, in nanoseconds; none in version 1."""
    return dict(store.tuples(_LOADS, run.stream))


def turns_of(store: Store, run: Run) -> Iterator[Turn]:
    """Find the turns that the rounds of a run belong to; none in version 1."""
    for number, epoch in {start.number: start.epoch for start in _starts(store, run)}.items():
        turn = _turn(run, epoch, number)
        if turn is not None:
            yield turn


class PairedTimes(NamedTuple):
    """The times of the questions that two sides answered. The arrays have one entry per question."""

    left_ns: NDArray[np.int64]
    right_ns: NDArray[np.int64]
    question: NDArray[np.uint64]
    round: NDArray[np.int64]
    """A number for the round of each: the place of the common turn, or else the round of the right side."""
    turns: tuple[Turn, ...]
    """The turns that both sides took part in; empty if they were measured at different times."""


def in_turns(left: Iterable[Round], right: Iterable[Round]) -> PairedTimes | None:
    """Pair the times of two sides within the turns that both took part in; None if they share none."""
    theirs = {found.turn: found for found in right}
    turns: list[Turn] = []
    parts: list[tuple[NDArray[Any], ...]] = []
    for mine in left:
        its = theirs.get(mine.turn)
        if mine.turn is None or its is None:
            continue
        both, at_left, at_right = np.intersect1d(
            mine.question, its.question, assume_unique=True, return_indices=True
        )
        if len(both):
            number = np.full(len(both), len(turns))
            parts.append((mine.time_ns[at_left], its.time_ns[at_right], both, number))
            turns.append(mine.turn)
    if not turns:
        return None
    left_ns, right_ns, question, number = map(np.concatenate, zip(*parts, strict=True))
    return PairedTimes(left_ns, right_ns, question, number, tuple(turns))


def at_different_times(left: Sequence[Round], right: Sequence[Round]) -> PairedTimes:
    """Pair the times of two runs question by question; a repeated question counts in its first round."""
    question, at_left, at_right = np.intersect1d(_questions(left), _questions(right), return_indices=True)
    numbers = np.repeat([found.number for found in right], [len(found.question) for found in right])
    left_ns, right_ns = _times_ns(left)[at_left], _times_ns(right)[at_right]
    return PairedTimes(left_ns, right_ns, question, numbers[at_right].astype(np.int64), ())


def _questions(rounds: Sequence[Round]) -> NDArray[np.uint64]:
    return np.concatenate([np.empty(0, np.uint64), *(found.question for found in rounds)])


def _times_ns(rounds: Sequence[Round]) -> NDArray[np.int64]:
    return np.concatenate([np.empty(0, np.int64), *(found.time_ns for found in rounds)])


class _Start(NamedTuple):
    seq: int
    number: int
    epoch: str | None


def _starts(store: Store, run: Run) -> list[_Start]:
    """Read the starts of a run's rounds. A run without rounds is one round, which its first record starts."""
    found = [_Start(*row) for row in store.tuples(_STARTS, run.stream)]
    return found or [_Start(0, 0, store.value("SELECT epoch FROM runs WHERE stream = ?", run.stream))]


def _turn(run: Run, epoch: str | None, number: int) -> Turn | None:
    return None if epoch is None else Turn(run.device_id, epoch, number)
