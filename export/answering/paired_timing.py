"""Times networks on the same questions; they take turns, so that a busy machine slows all of them alike.

Times are those of the network alone. The ratio of a question is the time of one network divided by that of
another in the same turn.
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
    """A network, and the cutter of its questions."""

    network: Network
    cutter: Cutter


class Lap(NamedTuple):
    """The readings of one network, one per question, and the seconds that each took."""

    readings: list[Reading]
    seconds: list[float]

    @property
    def median_seconds(self) -> float:
        """Median time per question, in seconds."""
        return float(np.median(self.seconds))


def turns(runners: Sequence[Runner], questions: tuple[Question, ...], laps: Sequence[Lap]) -> Iterator[int]:
    """Let the networks answer each question one after another, in an order that rotates.

    Args:
        runners: the networks.
        questions: the questions that each network answers.
        laps: one empty lap per network; the readings and times are appended to them.

    Yields:
        The number of questions that all networks have answered so far.
    """
    for runner in runners:
        read(runner.network, runner.cutter, questions[:_WARM_UP])
    for turn, question in enumerate(questions):
        for offset in range(len(runners)):
            place = (turn + offset) % len(runners)
            windows = runners[place].cutter.windows(question)
            started = time.perf_counter()
            logits = [runners[place].network(window) for window in windows]
            laps[place].seconds.append(time.perf_counter() - started)
            laps[place].readings.append(Reading(answer(question.context, windows, logits), logits))
        yield turn + 1


class SpeedUp(NamedTuple):
    """How many times as fast one network is as another, with an interval."""

    of_medians: float
    """Ratio of the median times."""
    paired: float
    """Median of the questions' ratios."""
    low: float
    """Lower end of the 95 % interval of `paired`, by the percentile bootstrap over questions."""
    high: float
    """Upper end of this interval."""


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
