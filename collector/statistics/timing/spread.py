"""How much times vary between rounds, and pooling that over several comparisons with one baseline."""

from typing import Final, NamedTuple

from commandline.distributions.student_t import f_probability

FEWEST_POOLED: Final = 4
"""With fewer comparisons, adjusting for their number costs little power, and pooling gains little."""
_SMALLER: Final = 0.05
_LARGER: Final = 0.1
_GAIN: Final = 2
"""How many times the degrees of freedom of one comparison a pooled variance has. All comparisons contain the
variation of the baseline; if all rows vary equally, that limits the factor to 4 for any number of them. Half
of it keeps false alarms at 5 % also if some rows vary twice as much as others (`python -m bench.truth`)."""


class Spread(NamedTuple):
    """How much the logarithm of a time, or of a ratio of times, varies from round to round."""

    variance: float
    """Variance of one round; its root is about the relative standard deviation."""
    freedom: float
    """Degrees of freedom of `variance`."""


def pooled(spreads: list[Spread]) -> list[Spread]:
    """Pool the spreads of comparisons that share a baseline and its rounds, as far as they agree.

    The pooled variance is the mean of those that agree: as long as the smallest or else the largest differs
    significantly from the mean by an F test, it is left out. Those left out keep their own, and so do those
    above the pooled one, with the degrees of freedom of the pooled one. So a row that varies more than the
    others does not pass for as steady as they are.

    Args:
        spreads: the spread of each comparison.

    Returns:
        The spread to use for each comparison, in the same order.
    """
    agreeing = sorted(spreads)
    while len(agreeing) >= FEWEST_POOLED:
        together = _mean(agreeing)
        if _below(agreeing[0], together) < _SMALLER:
            agreeing.pop(0)
        elif _below(agreeing[-1], together) > 1 - _LARGER:
            agreeing.pop()
        else:
            least, most = agreeing[0].variance, agreeing[-1].variance
            return [
                Spread(max(spread.variance, together.variance), together.freedom)
                if least <= spread.variance <= most
                else spread
                for spread in spreads
            ]
    return spreads


def _mean(spreads: list[Spread]) -> Spread:
    variances, freedoms = zip(*spreads, strict=True)
    return Spread(sum(variances) / len(spreads), _GAIN * sum(freedoms) / len(spreads))


def _below(own: Spread, together: Spread) -> float:
    """The probability of a variance ratio as small as this, if the true variances are equal."""
    if not together.variance:
        return 0.5
    return f_probability(own.variance / together.variance, own.freedom, together.freedom)
