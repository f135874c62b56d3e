"""Times that are too long for their number of tokens."""

import math
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from collector.statistics.timing.lengths import relative_logs

SLOWER: Final = 1.5
"""An outlier is a time above this factor on the typical time of the same number of tokens."""
_FEWEST_OUTLIERS: Final = 3
_MANY_OUTLIERS: Final = 0.01


def outliers(times: ArrayLike, tokens: ArrayLike) -> int:
    """Count the times that are too long for their number of tokens, for example because another program ran.

    A time is an outlier if its ratio to the typical time is above `SLOWER`, and the logarithm of this ratio
    is above 3.5 scaled median absolute deviations (Iglewicz and Hoaglin, 1993). Logarithms are used because
    times are skewed. The deviation counts only times below their typical time: disturbances make answers
    slower, never faster, so it stays small even if many answers are disturbed.

    Args:
        times: times above 0.
        tokens: how many tokens were read for each of these times, over all windows.
    """
    ratios = relative_logs(times, tokens)
    below = ratios[ratios <= 0]
    spread = 1.4826 * float(np.median(-below)) if len(below) else 0.0
    return int(np.count_nonzero(ratios > max(math.log(SLOWER), 3.5 * spread)))


def too_many_outliers(count: int, answers: int) -> bool:
    """Whether there are more outliers than chance makes on an idle machine: at least 3, and above 1 %."""
    return count >= _FEWEST_OUTLIERS and count > _MANY_OUTLIERS * answers
