"""Networks against each other on the same questions: they take turns, so that a busy machine slows all alike.

Times are of the network alone. A question's ratio is the time of one network over another's in the same turn.
"""

import time
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from contract.questions import Question
from export.answering.inference import Cutter, Network, answer
from export.answering.verification import Reading, read

_WARM_UP: Final = 5
_RESAMPLES: Final = 2000
_SEED: Final = 20261124
_TAILS: Final = (2.5, 97.5)


class Runner(NamedTuple):
    """A network, and what cuts its questions."""

    network: Network
    cutter: Cutter


class Lap(NamedTuple):
    """What one network said of each question, and how long it took."""

    readings: list[Reading]
    seconds: list[float]

    @property
    def median_seconds(self) -> float:
        """Of a question."""
        return float(np.median(self.seconds))


def turns(runners: Sequence[Runner], questions: tuple[Question, ...], laps: Sequence[Lap]) -> Iterator[int]:
    """Let each network answer each question, one after another, in an order that rotates.

    Args:
        runners: the networks.
        questions: what each answers.
        laps: one a network, empty; they grow.

    Yields:
        How many questions all have answered.
    """
    for runner in runners:
        read(runner.network, runner.cutter, questions[:_WARM_UP])
    for turn, question in enumerate(questions):
        for offset in range(len(runners)):
            place = (turn + offset) % len(runners)
            windows = runners[place].cutter.windows(question)
            begun = time.perf_counter()
            logits = [runners[place].network(window) for window in windows]
            laps[place].seconds.append(time.perf_counter() - begun)
            laps[place].readings.append(Reading(answer(question.context, windows, logits), logits))
        yield turn + 1


class SpeedUp(NamedTuple):
    """How many times as fast one network is as another."""

    of_medians: float
    """Ratio of the median times."""
    paired: float
    """Median of the questions' ratios."""
    low: float
    """Of a 95 % interval of `paired`, by the percentile bootstrap over questions."""
    high: float


def speed_up(reference: Lap, other: Lap) -> SpeedUp:
    """Compare the times of two networks that took turns."""
    ratios = np.array(reference.seconds) / np.array(other.seconds)
    low, high = _interval(ratios, np.median)
    return SpeedUp(
        reference.median_seconds / other.median_seconds, float(np.median(ratios)), float(low), float(high)
    )


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the mean, by the percentile bootstrap."""
    return _interval(np.array(values, np.float64), np.mean)


def _interval(values: "np.ndarray", statistic: object) -> tuple[float, float]:
    random = np.random.default_rng(_SEED)
    drawn = values[random.integers(len(values), size=(_RESAMPLES, len(values)))]
    low, high = np.percentile(statistic(drawn, axis=1), _TAILS)  # type: ignore[operator]
    return float(low), float(high)
