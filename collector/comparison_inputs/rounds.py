"""The rounds of runs with their times: the units that a measurement consists of.

Times within a round share what the machine was like at that moment and the luck of one process. So the spread
between rounds, and not the spread between questions, says how well a time is known.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.columns import Columns, median_times


class Round(NamedTuple):
    """The times of one round of one run. The arrays have one entry per question that has a time."""

    device_id: str
    run_id: str
    number: int
    """Number of the round in its run, from 0."""
    question: NDArray[np.uint64]
    """Hashes of the questions in ascending order, as in `columns.Columns`."""
    tokens: NDArray[np.int64]
    """Tokens of each question, over all windows."""
    time_ns: NDArray[np.int64]
    """Median time of each question, if the round asked it repeatedly."""


_STARTS = "SELECT seq, round FROM round_starts WHERE stream = ? ORDER BY seq"


def rounds_of(store: Store, run: Run, answers: Columns) -> Iterator[Round]:
    """Split the answers of a run into its rounds, in their order. A run without rounds is one round."""
    numbers = _numbers(store, run.stream, answers.seq)
    for number in np.unique(numbers).tolist():
        of_round = answers if (numbers == number).all() else answers.where(numbers == number)
        times = median_times(of_round)
        if len(times.question):
            places = np.searchsorted(of_round.question, times.question)
            yield Round(
                device_id=run.device_id,
                run_id=run.run_id,
                number=number,
                question=times.question,
                tokens=of_round.tokens[places],
                time_ns=times.value,
            )


def _numbers(store: Store, stream: int, seqs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Find the round of each record: that of the latest start before it."""
    starts = np.array(list(store.tuples(_STARTS, stream)), np.int64).reshape(-1, 2)
    if not len(starts):
        return np.zeros(len(seqs), np.int64)
    places = np.searchsorted(starts[:, 0], seqs) - 1
    # The start of the first round may not have arrived yet.
    found: NDArray[np.int64] = starts[np.maximum(places, 0), 1]
    return found
