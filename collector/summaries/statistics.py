"""The statistics of the report: pure functions of numbers.

Intervals cover 95 %. What is drawn at random is drawn from a generator with a fixed seed, so that the same
numbers give the same interval.
"""

import math
from collections.abc import Collection, Sequence
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.findings.between_rows import Interval

CONFIDENCE: Final = 0.95
SIGNIFICANCE: Final = 1 - CONFIDENCE
REPLICATES: Final = 1000
"""Resamples of a bootstrap."""
SLOWER: Final = 1.5
"""A time that is so many times the typical one of its length stands out."""
_FEWEST_OUTLIERS: Final = 3
_MANY_OUTLIERS: Final = 0.01
_ANSWERS_A_LENGTH: Final = 30
_LENGTHS: Final = 100
SEED: Final = 20_250_101

Floats = NDArray[np.float64]


class SpeedUp(NamedTuple):
    """How many times faster, and on how many questions that rests."""

    ratio: float
    questions: int
    low: float
    high: float


class Mean(NamedTuple):
    """A mean with its interval."""

    value: float
    low: float
    high: float


def percentile(values: ArrayLike | Collection[int], fraction: float) -> int:
    """The nearest-rank percentile: the smallest value that at least `fraction` of all do not exceed.

    It is always one of the values, and the one that MLPerf's loadgen reports for a latency.

    Args:
        values: at least one.
        fraction: above 0, at most 1; 0.5 for the median.
    """
    array = np.asarray(values)
    rank = math.ceil(fraction * len(array)) - 1
    return int(np.partition(array, rank)[rank])


def percentile_interval(values: ArrayLike, fraction: float) -> Interval | None:
    """A confidence interval of a percentile, from order statistics: it assumes no distribution.

    The number of values below the true percentile is binomial, so two ranks enclose it with at least the
    confidence (Conover, Practical Nonparametric Statistics, 3.2).

    Returns:
        None where the values are too few for both ends.
    """
    ordered = np.sort(np.asarray(values))
    count = len(ordered)
    first, below = _binomial_cumulative(count, fraction)
    tail = SIGNIFICANCE / 2
    low = first + int(np.searchsorted(below, tail, side="right"))
    high = first + int(np.searchsorted(below, 1 - tail, side="left")) + 1
    if low < 1 or high > count:
        return None
    return float(ordered[low - 1]), float(ordered[high - 1])


def speed_up(baseline_ns: ArrayLike, model_ns: ArrayLike) -> SpeedUp | None:
    """The ratio of the medians over the same questions, with a paired bootstrap over these.

    Args:
        baseline_ns: a time for each question that both answered.
        model_ns: of the model that is compared, in the same order.

    Returns:
        None when they share no question.
    """
    baseline, model = np.asarray(baseline_ns, np.int64), np.asarray(model_ns, np.int64)
    if not len(baseline):
        return None
    ratio = percentile(baseline, 0.5) / max(percentile(model, 0.5), 1)
    medians = _resampled_medians(baseline, model)
    low, high = _enclosing(medians[0] / np.maximum(medians[1], 1), ratio)
    return SpeedUp(ratio, len(baseline), low, high)


def mean(values: ArrayLike) -> Mean:
    """A mean with its bootstrap interval. Of paired differences, it is the paired bootstrap.

    Args:
        values: at least one.
    """
    array = np.asarray(values, np.float64)
    distinct, counts = np.unique(array, return_counts=True)
    value = float(counts @ distinct / len(array))  # the same in whatever order the values come
    return Mean(value, *_enclosing(_resampled_counts(counts) @ distinct / len(array), value))


def ratio_of_means(values: ArrayLike, reference: ArrayLike) -> Mean:
    """mean(values) / mean(reference) of the same questions, with its paired bootstrap interval.

    Args:
        values: at least one.
        reference: in the same order; its mean is above 0.
    """
    above, above_places = np.unique(np.asarray(values, np.float64), return_inverse=True)
    below, below_places = np.unique(np.asarray(reference, np.float64), return_inverse=True)
    pairs, counts = np.unique(above_places * len(below) + below_places, return_counts=True)
    drawn = _resampled_counts(counts)
    over, under = above[pairs // len(below)], below[pairs % len(below)]
    value = float(counts @ over / (counts @ under))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (drawn @ over) / (drawn @ under)
    return Mean(value, *_enclosing(ratios[np.isfinite(ratios)], value))


def share_interval(hits: float, count: int) -> Interval:
    """Wilson's interval of a share, which unlike a bootstrap has a width at 0 and at 1 too."""
    z = 1.959963984540054
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def mcnemar(only_left: int, only_right: int) -> float:
    """The exact two-sided McNemar test: could a fair coin have split the discordant questions like this?

    Args:
        only_left: questions that only the left side gets right.
        only_right: questions that only the right side gets right.

    Returns:
        The p value, 0 to 1.
    """
    discordant = only_left + only_right
    if only_left == only_right:
        return 1.0
    first, below = _binomial_cumulative(discordant, 0.5)
    smaller = min(only_left, only_right)
    return min(1.0, 2 * float(below[smaller - first])) if smaller >= first else 0.0


def geometric_mean(values: ArrayLike) -> float:
    """The mean that treats twice as slow and twice as fast alike; values above 0."""
    return float(np.exp(np.log(np.asarray(values, np.float64)).mean()))


def outliers(times: ArrayLike, tokens: ArrayLike) -> int:
    """How many times stand out among those of equal work, as on a machine that does something else too.

    A long context is slow by nature: what a time is judged by is its ratio to the typical time of as many
    tokens. That is the median time per token of the answers next to it in length, joined linearly between
    the middles of up to `_LENGTHS` equal groups. A time stands out if it is above `SLOWER` times that, and
    further from the others' ratios than 3.5 scaled median absolute deviations (Iglewicz and Hoaglin, 1993),
    in logarithms, since times are skewed. The deviations are those below the typical time alone: what
    disturbs makes slower, never faster, so they stay small however many are disturbed.

    Args:
        times: above 0.
        tokens: read for each of these, over all windows.
    """
    logs = np.log(np.maximum(np.asarray(times, np.float64), 1))
    lengths = np.log(np.maximum(np.asarray(tokens, np.float64), 1))
    if not len(logs):
        return 0
    ratios = logs - lengths - _typical(logs - lengths, lengths)
    below = ratios[ratios <= 0]
    spread = 1.4826 * float(np.median(-below)) if len(below) else 0.0
    return int(np.count_nonzero(ratios > max(math.log(SLOWER), 3.5 * spread)))


def too_many_outliers(standing_out: int, answers: int) -> bool:
    """Whether that is more than chance makes of a machine that does nothing else: above 1 %, and not two."""
    return standing_out >= _FEWEST_OUTLIERS and standing_out > _MANY_OUTLIERS * answers


def _typical(values: Floats, places: Floats) -> Floats:
    """At each place, what the values around it are in the median."""
    order = np.argsort(places, kind="stable")
    groups = np.array_split(order, min(max(len(order) // _ANSWERS_A_LENGTH, 1), _LENGTHS))
    middles = np.array([np.median(places[group]) for group in groups])
    medians = np.array([np.median(values[group]) for group in groups])
    distinct, which = np.unique(middles, return_inverse=True)
    joined: Floats = np.interp(places, distinct, np.bincount(which, medians) / np.bincount(which))
    return joined


def drift(values: ArrayLike) -> float | None:
    """Median of the last quarter over that of the first, of times in the order they were measured.

    Returns:
        None where the two medians' intervals overlap, or cannot be told.
    """
    array = np.asarray(values)
    quarter = len(array) // 4
    if not quarter:
        return None
    first, last = array[:quarter], array[-quarter:]
    early, late = percentile_interval(first, 0.5), percentile_interval(last, 0.5)
    if early is None or late is None or (early[0] <= late[1] and late[0] <= early[1]):
        return None
    return percentile(last, 0.5) / max(percentile(first, 0.5), 1)


def _binomial_cumulative(count: int, probability: float) -> tuple[int, Floats]:
    """P(X <= k) for k from the first returned on; what lies before it, or behind the last, is negligible."""
    reach = 12 * math.sqrt(count * probability * (1 - probability)) + 12
    first = max(0, math.floor(count * probability - reach))
    last = min(count, math.ceil(count * probability + reach))
    k = np.arange(first, last)
    steps = np.log((count - k) / (k + 1)) + math.log(probability / (1 - probability))
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    mass = np.exp(logs - logs.max())
    cumulative: Floats = np.cumsum(mass / mass.sum())
    return first, cumulative


def _resampled_counts(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How often each distinct value comes in each resample, of shape (REPLICATES, distinct values).

    Drawing counts of distinct values is the bootstrap itself, and far cheaper than drawing the values.
    """
    total = int(counts.sum())
    drawn: NDArray[np.int64] = np.random.default_rng(SEED).multinomial(total, counts / total, size=REPLICATES)
    return drawn


def _resampled_medians(*columns: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Nearest-rank medians of paired resamples, of shape (REPLICATES,) for each column.

    A resample's median stays within six standard errors of the middle rank (all but one in 10^9), so what
    lies further out is drawn only as counts of below and above. The distribution is that of the plain
    bootstrap, at the cost of its middle.
    """
    rng = np.random.default_rng(SEED)
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
    """Place of each value among the ranks start to stop, from 1; 0 below them, one past the last above."""
    ranks = np.empty(len(column), np.int64)
    ranks[np.argsort(column, kind="stable")] = np.arange(len(column))
    return np.clip(ranks - start + 1, 0, stop - start + 1)


def _enclosing(replicates: NDArray[Any], estimate: float) -> Interval:
    """The percentile interval of a bootstrap, stretched to hold the estimate itself."""
    tail = 100 * SIGNIFICANCE / 2
    low, high = np.percentile(replicates, [tail, 100 - tail]) if len(replicates) else (estimate, estimate)
    return min(float(low), estimate), max(float(high), estimate)


def is_significant(interval: Sequence[float], nothing: float) -> bool:
    """Whether an interval leaves out the value that would mean no difference."""
    return not interval[0] <= nothing <= interval[1]
