"""The ratio of the medians of two contestants that answered the same questions in turns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.percentiles import percentile
from collector.statistics.resampling import enclosing, resampled_medians


class SpeedUp(NamedTuple):
    """A speed-up with its interval, and the number of questions it is based on."""

    ratio: float
    questions: int
    low: float
    high: float


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
    medians = resampled_medians(baseline, model)
    low, high = enclosing(medians[0] / np.maximum(medians[1], 1), ratio)
    return SpeedUp(ratio, len(baseline), low, high)
