"""The statistics of the report, as pure functions of numbers.

Intervals cover 95 %. Random draws use a fixed seed, so the same numbers give the same interval.
"""

import math
from collections.abc import Collection, Sequence
from fractions import Fraction
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.findings.between_rows import Interval

CONFIDENCE: Final = 0.95
SIGNIFICANCE: Final = 1 - CONFIDENCE
REPLICATES: Final = 1000
"""How many resamples a bootstrap draws."""
SLOWER: Final = 1.5
"""An outlier is a time above this factor on the typical time of the same number of tokens."""
_FEWEST_OUTLIERS: Final = 3
_MANY_OUTLIERS: Final = 0.01
_ANSWERS_A_LENGTH: Final = 30
_LENGTHS: Final = 100
SEED: Final = 20_250_101

Floats = NDArray[np.float64]


class SpeedUp(NamedTuple):
    """A speed-up with its interval, and the number of questions it is based on."""

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
    """Compute the nearest-rank percentile: the smallest value that at least `fraction` of all do not exceed.

    It is always one of the values; MLPerf's LoadGen reports the same one for a latency.

    Args:
        values: at least one.
        fraction: above 0, at most 1; 0.5 for the median.
    """
    array = np.asarray(values)
    rank = nearest_rank(fraction, len(array)) - 1
    return int(np.partition(array, rank)[rank])


def nearest_rank(fraction: float, count: int) -> int:
    """Compute the rank, from 1, of the smallest of `count` values that `fraction` of them do not exceed.

    The product is that of the fraction as it is written: in floating point, 0.28 * 25 is above 7.

    Args:
        fraction: above 0, at most 1.
        count: how many values there are, at least one.
    """
    return math.ceil(Fraction(str(float(fraction))) * count)


def percentile_interval(values: ArrayLike, fraction: float) -> Interval | None:
    """Compute a confidence interval of a percentile from order statistics, which assume no distribution.

    The number of values below the true percentile is binomial, so two ranks enclose it with at least
    `CONFIDENCE` (Conover, Practical Nonparametric Statistics, 3.2).

    Returns:
        The interval; None if there are too few values for both ends.
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
    """Compute the ratio of the medians over the same questions, with a paired bootstrap over the questions.

    Args:
        baseline_ns: the baseline's time of each question that both answered.
        model_ns: the model's times of the same questions, in the same order.

    Returns:
        The speed-up; None if there is no question.
    """
    baseline, model = np.asarray(baseline_ns, np.int64), np.asarray(model_ns, np.int64)
    if not len(baseline):
        return None
    ratio = percentile(baseline, 0.5) / max(percentile(model, 0.5), 1)
    medians = _resampled_medians(baseline, model)
    low, high = _enclosing(medians[0] / np.maximum(medians[1], 1), ratio)
    return SpeedUp(ratio, len(baseline), low, high)


def mean(values: ArrayLike) -> Mean:
    """Compute a mean with its bootstrap interval; for paired differences, this is the paired bootstrap.

    Args:
        values: at least one.
    """
    array = np.asarray(values, np.float64)
    distinct, counts = np.unique(array, return_counts=True)
    value = float(counts @ distinct / len(array))  # does not depend on the order of the values
    return Mean(value, *_enclosing(_resampled_counts(counts) @ distinct / len(array), value))


def ratio_of_means(values: ArrayLike, reference: ArrayLike) -> Mean:
    """Compute mean(values) / mean(reference) over the same questions, with a paired bootstrap interval.

    Args:
        values: at least one value.
        reference: the reference's values in the same order; their mean is above 0.
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


def ratio_of_medians(values: ArrayLike, reference: ArrayLike) -> Mean:
    """Compute median(values) / median(reference) of two independent samples, with a bootstrap interval.

    Args:
        values: at least one time.
        reference: at least one time above 0.
    """
    above, below = np.asarray(values, np.int64), np.asarray(reference, np.int64)
    value = float(np.median(above) / np.median(below))
    (over,), (under,) = _resampled_medians(above, seed=SEED), _resampled_medians(below, seed=SEED + 1)
    return Mean(value, *_enclosing(over / np.maximum(under, 1), value))


def share_interval(hits: float, count: int) -> Interval:
    """Compute Wilson's interval of a share; unlike a bootstrap, it also has a width at 0 and at 1."""
    z = 1.959963984540054
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, min(middle - half, share)), min(1.0, max(middle + half, share))


def mcnemar(only_left: int, only_right: int) -> float:
    """Compute the exact two-sided McNemar test of the questions that only one side gets right.

    It asks whether a fair coin could have split these questions like this.

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
    """Compute the geometric mean of values above 0; twice as slow and twice as fast have equal weight."""
    return float(np.exp(np.log(np.asarray(values, np.float64)).mean()))


def outliers(times: ArrayLike, tokens: ArrayLike) -> int:
    """Count the times that are too long for their number of tokens, for example because another program ran.

    A long context is slow by nature, so each time is compared with the typical time of the same number of
    tokens. The typical time comes from the median time per token of answers of similar length, interpolated
    linearly between the middles of up to `_LENGTHS` groups of equal size. A time is an outlier if its ratio
    to the typical time is above `SLOWER`, and the logarithm of this ratio is above 3.5 scaled median absolute
    deviations (Iglewicz and Hoaglin, 1993). Logarithms are used because times are skewed. The deviation
    counts only times below their typical time: disturbances make answers slower, never faster, so it stays
    small even if many answers are disturbed.

    Args:
        times: times above 0.
        tokens: how many tokens were read for each of these times, over all windows.
    """
    logs = np.log(np.maximum(np.asarray(times, np.float64), 1))
    lengths = np.log(np.maximum(np.asarray(tokens, np.float64), 1))
    if not len(logs):
        return 0
    ratios = logs - lengths - _typical(logs - lengths, lengths)
    below = ratios[ratios <= 0]
    spread = 1.4826 * float(np.median(-below)) if len(below) else 0.0
    return int(np.count_nonzero(ratios > max(math.log(SLOWER), 3.5 * spread)))


def too_many_outliers(count: int, answers: int) -> bool:
    """Whether there are more outliers than chance makes on an idle machine: at least 3, and above 1 %."""
    return count >= _FEWEST_OUTLIERS and count > _MANY_OUTLIERS * answers


def _typical(values: Floats, places: Floats) -> Floats:
    """Estimate the median of the values around each place."""
    order = np.argsort(places, kind="stable")
    groups = np.array_split(order, min(max(len(order) // _ANSWERS_A_LENGTH, 1), _LENGTHS))
    middles = np.array([np.median(places[group]) for group in groups])
    medians = np.array([np.median(values[group]) for group in groups])
    distinct, which = np.unique(middles, return_inverse=True)
    joined: Floats = np.interp(places, distinct, np.bincount(which, medians) / np.bincount(which))
    return joined


def drift(values: ArrayLike) -> float | None:
    """Divide the median of the last quarter of times by that of the first, in the order of measurement.

    Returns:
        The ratio; None if the intervals of the two medians overlap, or one has too few times for an interval.
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
    """Compute P(X <= k) for each k from the returned start on; the probability outside is negligible."""
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
    """Draw how often each distinct value occurs in each resample, in shape (REPLICATES, distinct values).

    Drawing the counts of distinct values is an exact bootstrap, and much cheaper than drawing the values.
    """
    total = int(counts.sum())
    drawn: NDArray[np.int64] = np.random.default_rng(SEED).multinomial(total, counts / total, size=REPLICATES)
    return drawn


def _resampled_medians(*columns: NDArray[np.int64], seed: int = SEED) -> list[NDArray[np.int64]]:
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


def _enclosing(replicates: NDArray[Any], estimate: float) -> Interval:
    """Compute the percentile interval of a bootstrap, widened if needed to include the estimate."""
    tail = 100 * SIGNIFICANCE / 2
    low, high = np.percentile(replicates, [tail, 100 - tail]) if len(replicates) else (estimate, estimate)
    return min(float(low), estimate), max(float(high), estimate)


def is_significant(interval: Sequence[float], nothing: float) -> bool:
    """Whether an interval leaves out `nothing`, the value that means no difference."""
    return not interval[0] <= nothing <= interval[1]
