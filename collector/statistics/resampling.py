"""The bootstrap: resamples of values and of medians, and their percentile interval."""

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from collector.findings.between_rows import Interval
from collector.statistics.confidence import SIGNIFICANCE

REPLICATES: Final = 1000
"""How many resamples a bootstrap draws."""
SEED: Final = 20_250_101


def resampled_counts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw how often each distinct value occurs in each resample, in shape (REPLICATES, distinct values).

    Drawing the counts of distinct values is an exact bootstrap, and much cheaper than drawing the values.
    """
    total = int(counts.sum())
    drawn: NDArray[np.int64] = np.random.default_rng(SEED).multinomial(total, counts / total, size=REPLICATES)
    return drawn


def resampled_medians(*columns: NDArray[np.int64], seed: int = SEED) -> list[NDArray[np.int64]]:
    """Draw nearest-rank medians of paired resamples, in shape (REPLICATES,) for each column.

    The median of a resample lies within six standard errors of the middle rank, with one exception in 10^9.
    So of values further out, only the numbers below and above are drawn. The distribution is that of the
    plain bootstrap, and only the values in the middle cost time.
    """
    rng = np.random.default_rng(seed)
    count = len(columns[0])
    middle = math.ceil(count / 2)
    reach = math.ceil(3 * math.sqrt(count)) + 1
    start, stop = max(0, middle - 1 - reach), min(count, middle + reach)
    ordered = [np.sort(column) for column in columns]
    places = [_clipped_ranks(column, start, stop) for column in columns]
    near = np.any([(place > 0) & (place <= stop - start) for place in places], axis=0)
    items = np.stack([place[near] for place in places])
    above = [(place[~near] > 0).astype(np.int64) << bit for bit, place in enumerate(places)]
    far = np.bincount(np.sum(above, axis=0, dtype=np.int64), minlength=2 ** len(places))
    drawn = rng.multinomial(count, np.append(far, items.shape[1]) / count, size=REPLICATES)
    picked = rng.integers(max(items.shape[1], 1), size=int(drawn[:, -1].sum()))
    replicate = np.repeat(np.arange(REPLICATES), drawn[:, -1])
    width = stop - start + 2
    medians = []
    for bit, (place, values) in enumerate(zip(items, ordered, strict=True)):
        hits = np.bincount(replicate * width + place[picked], minlength=REPLICATES * width)
        hits = hits.reshape(REPLICATES, width)
        hits[:, 0] += drawn[:, :-1] @ (np.arange(len(far)) >> bit & 1 == 0)
        rank = (np.cumsum(hits, axis=1) < middle).sum(axis=1) - 1
        medians.append(values[np.clip(start + rank, 0, count - 1)])
    return medians


def _clipped_ranks(column: NDArray[np.int64], start: int, stop: int) -> NDArray[np.int64]:
    """Rank each value within `start` to `stop`, from 1; lower values get 0, higher ones one past the last."""
    ranks = np.empty(len(column), np.int64)
    ranks[np.argsort(column, kind="stable")] = np.arange(len(column))
    return np.clip(ranks - start + 1, 0, stop - start + 1)


def enclosing(replicates: NDArray[Any], estimate: float) -> Interval:
    """Compute the percentile interval of a bootstrap, widened if needed to include the estimate."""
    tail = 100 * SIGNIFICANCE / 2
    low, high = np.percentile(replicates, [tail, 100 - tail]) if len(replicates) else (estimate, estimate)
    return min(float(low), estimate), max(float(high), estimate)
