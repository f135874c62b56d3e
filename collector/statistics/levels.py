"""Percentiles of the times of one device, whose intervals know both questions and rounds."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from collector.findings.between_rows import Interval
from collector.statistics.lengths import relative_logs
from collector.statistics.percentiles import FEWEST, percentile, percentile_interval, widened
from collector.statistics.ratios import Scope
from collector.statistics.rounds import Estimate, mean_over_rounds
from collector.statistics.spread import Spread


class PercentileEstimate(NamedTuple):
    """A percentile of the times of questions like these, on the device that was measured."""

    value: int
    interval: Interval | None
    """None if there are too few times."""
    scope: Scope
    """`this device`, or `one run` if the times are of a single round."""


def percentile_in_rounds(
    times: ArrayLike,
    tokens: ArrayLike,
    rounds: ArrayLike,
    fraction: float,
    *,
    distinct: int | None = None,
    known: Spread | None = None,
) -> PercentileEstimate:
    """Compute a percentile with its interval: order statistics, widened by the spread between rounds.

    For the spread, each time is taken relative to those usual for its number of tokens. So the long and the
    short contexts that a round happens to have do not count as variation of the machine.

    Args:
        times: times above 0, at least one.
        tokens: how many tokens were read for each of these times.
        rounds: a number for the round of each.
        fraction: 0.5, 0.9 or 0.99.
        distinct: how many distinct questions the times are of; None if no question was repeated.
        known: how much times vary between rounds of such devices, if the database knows it; for one round.
    """
    values = np.asarray(times)
    value = percentile(values, fraction)
    level = mean_over_rounds(relative_logs(values, tokens), rounds)
    scope: Scope = "this device" if level.spread.freedom else "one run"
    questions = len(values) if distinct is None else distinct
    interval = percentile_interval(values, fraction, questions) if questions >= FEWEST[fraction] else None
    spread = level.spread if level.spread.freedom else known
    if interval is not None and spread is not None and value:
        reach = Estimate(0.0, spread.variance / level.rounds, spread.freedom).reach
        interval = widened(interval, value, reach)
    return PercentileEstimate(value, interval, scope)
