"""The statistics of the report: pure functions of numbers."""

import math
from collections.abc import Collection, Mapping
from typing import NamedTuple


class SpeedUp(NamedTuple):
    """How many times faster, and on how many questions that rests."""

    ratio: float
    questions: int


def percentile(values: Collection[int], fraction: float) -> int:
    """The nearest-rank percentile: the smallest value that at least `fraction` of all do not exceed.

    It is always one of the values, and the one that MLPerf's loadgen reports for a latency.

    Args:
        values: at least one.
        fraction: above 0, at most 1; 0.5 for the median.
    """
    return sorted(values)[math.ceil(fraction * len(values)) - 1]


def speed_up(baseline_ns: Mapping[str, int], model_ns: Mapping[str, int]) -> SpeedUp | None:
    """The ratio of the medians, over the questions that both answered.

    Only these: a model that answered other, shorter questions is not faster for it.

    Args:
        baseline_ns: time of each question, by question id.
        model_ns: the same of the model that is compared.

    Returns:
        None when they share no question.
    """
    shared = baseline_ns.keys() & model_ns.keys()
    if not shared:
        return None
    baseline = percentile([baseline_ns[q] for q in shared], 0.5)
    model = percentile([model_ns[q] for q in shared], 0.5)
    return SpeedUp(baseline / max(model, 1), len(shared))
