"""How well rounds determine the level of the times of a device, and what that adds to its percentiles."""

import numpy as np
from numpy.typing import ArrayLike

from collector.findings.between_rows import Interval
from collector.statistics.percentiles import widened
from collector.statistics.timing.lengths import relative_logs
from collector.statistics.timing.rounds import LogEstimate, RoundMean, mean_over_rounds
from collector.statistics.timing.spread import Spread


def level(times: ArrayLike, tokens: ArrayLike, rounds: ArrayLike) -> RoundMean:
    """Compute how much the level of a device's times varies between rounds.

    Each time is taken relative to those usual for its number of tokens. So the long and the short contexts
    that a round happens to have do not count as variation of the machine.

    Args:
        times: times above 0, at least one.
        tokens: how many tokens were read for each of these times.
        rounds: a number for the round of each.
    """
    return mean_over_rounds(relative_logs(times, tokens), rounds)


def in_all_rounds(
    value: float, interval: Interval | None, of_rounds: RoundMean, known: Spread | None
) -> Interval | None:
    """Widen the interval of a percentile, which knows questions only, by the spread between rounds.

    Args:
        value: the percentile, above 0.
        interval: its interval if only questions varied; None if there are too few.
        of_rounds: how much the level varies between the rounds.
        known: for a single round, how much it varies on such devices; None if that is not known.
    """
    spread = of_rounds.spread if of_rounds.spread.freedom else known
    if interval is None or spread is None or not interval[0]:
        return interval
    reach = LogEstimate(0.0, spread.variance / of_rounds.rounds, spread.freedom).reach
    return widened(interval, value, reach)


def pooled_level(levels: list[RoundMean]) -> Spread | None:
    """Average how much levels vary between rounds; None if no level is of several rounds."""
    known = [found.spread for found in levels if found.spread.freedom]
    if not known:
        return None
    variances, freedoms = np.array(known).T
    return Spread(float(variances @ freedoms / freedoms.sum()), float(freedoms.sum()))
