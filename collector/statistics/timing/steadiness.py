"""Whether a machine changed during a run in a way that the spread between rounds does not show.

Intervals treat rounds as independent draws of the machine. That fails if the machine changed slowly: then one
round resembles the next. Both tests compare times with those usual for their number of tokens. Together they
speak up in less than 5 % of the runs of a steady machine, however much its rounds vary.
"""

import math
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from collector.statistics.timing.lengths import relative_logs
from commandline.distributions.student_t import f_probability, t_p_value

_DRIFT_LEVEL: Final = 0.015
_PERSISTENCE_LEVEL: Final = 0.03
_DRIFT: Final = 0.05
_WANDERS: Final = 0.01
_FEWEST_ROUNDS: Final = 3
_PARTS: Final = 5
"""Into how many parts a run of one or two rounds is divided."""
_QUARTERS: Final = 4
_FEWEST_IN_ROUND: Final = 8


class Steadiness(NamedTuple):
    """How a machine changed during a run; None stands for a change that may be chance."""

    drift: float | None
    """Time at the end over time at the start of the run, by a straight line through its rounds."""
    persistent: float | None
    """Relative standard deviation of changes that last a quarter of a round or longer."""

    @property
    def is_remarkable(self) -> bool:
        """Whether a user should know: the drift is above 5 %, or changes of more than 1 % persist."""
        return self.drifts or self.wanders

    @property
    def drifts(self) -> bool:
        """Whether the drift is above 5 %, which is more than a machine usually warms up."""
        return self.drift is not None and abs(self.drift - 1) > _DRIFT

    @property
    def wanders(self) -> bool:
        """Whether slow changes are above 1 %; what is less matters little for any decision."""
        return self.persistent is not None and self.persistent > _WANDERS


def steadiness(times: ArrayLike, tokens: ArrayLike, rounds: ArrayLike) -> Steadiness:
    """Look for drift, and for changes that last about as long as a round.

    Args:
        times: times above 0, in the order of measurement.
        tokens: how many tokens were read for each of these times, over all windows.
        rounds: a number for the round of each, in ascending order.
    """
    logs = relative_logs(times, tokens)
    _, firsts = np.unique(np.asarray(rounds), return_index=True)
    parts = np.split(logs, firsts[1:]) if len(logs) else []
    if len(parts) < _FEWEST_ROUNDS:
        parts = np.array_split(logs, _PARTS) if len(logs) >= _PARTS else []
    return Steadiness(_drift(parts), _persistent([part for part in parts if len(part) >= _FEWEST_IN_ROUND]))


def _drift(parts: list[NDArray[np.float64]]) -> float | None:
    """Fit a straight line through the means, and test its slope by Student's t."""
    if len(parts) < _FEWEST_ROUNDS:
        return None
    levels = np.array([part.mean() for part in parts])
    at = np.arange(len(parts)) - (len(parts) - 1) / 2
    slope = float(at @ levels) / float(at @ at)
    left = levels - levels.mean() - slope * at
    freedom = len(parts) - 2
    error = math.sqrt(float(left @ left) / freedom / float(at @ at))
    if not error or t_p_value(slope / error, freedom) >= _DRIFT_LEVEL:
        return None
    return math.exp(slope * len(parts))


def _persistent(rounds: list[NDArray[np.float64]]) -> float | None:
    """Compare the variance between the quarters of rounds with that within quarters, by an F test.

    Within a quarter, the means of a few consecutive answers are compared, so that what lasts only that long
    counts as noise.
    """
    between, within, above, below = 0.0, 0.0, 0, 0
    lengths = []
    for logs in rounds:
        pieces = 4 if len(logs) >= _QUARTERS * 4 else 2
        length = len(logs) // (_QUARTERS * pieces)
        means = logs[: _QUARTERS * pieces * length].reshape(_QUARTERS, pieces, length).mean(axis=2)
        quarters = means.mean(axis=1)
        between += pieces * length * float(((quarters - quarters.mean()) ** 2).sum())
        within += length * float(((means - quarters[:, None]) ** 2).sum())
        above += _QUARTERS - 1
        below += _QUARTERS * (pieces - 1)
        lengths.append(pieces * length)
    if not within:
        return None
    excess = between / above - within / below
    if f_probability(between / above / (within / below), above, below) <= 1 - _PERSISTENCE_LEVEL:
        return None
    return math.sqrt(excess / float(np.mean(lengths)))
