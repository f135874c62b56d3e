"""Limits on changes, such as `p50>5%` or `f1<-0.5`, each with three outcomes: kept, broken, not decided.

The interval of the change decides. A change of a time within the noise threshold breaks no limit, however
significant it is.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.findings.verdict import NOT_DECIDED, Verdict, passes
from collector.regression.changes import Change, JudgedLimit
from collector.statistics.confidence import Mean
from collector.statistics.decision import decide

TIMES: Final = ("time", "p50", "p90", "p99")
POINTS: Final = ("em", "f1", "bertscore")
METRICS: Final = (*TIMES, "load", "memory", *POINTS)
_AS_IT_IS: Final = "memory"
"""A metric that hardly varies, so a change is taken as it is if no interval is known."""
_LIMIT: Final = re.compile(r"\s*(\w+)\s*([<>])\s*([-+]?\d+(?:\.\d+)?)\s*(%?)\s*", re.ASCII)


class Limit(NamedTuple):
    """A limit on the change of one metric."""

    text: str
    metric: str
    above: bool
    """Whether a change above the bound breaks the limit; if false, a change below it does."""
    bound: float
    """Percent; points for em, f1 and bertscore."""

    def with_noise(self, percent: float) -> "Limit":
        """Move the bound of a percentage out of the range of changes that are noise.

        A bound on the other side of 0, such as a speed-up that is demanded, stays where it is.
        """
        if self.metric in POINTS or (self.bound < 0 if self.above else self.bound > 0):
            return self
        bound = max(self.bound, percent) if self.above else min(self.bound, -percent)
        return self._replace(bound=bound)

    def keeps(self, change: float) -> bool:
        """Whether a change is within the limit."""
        return change <= self.bound if self.above else change >= self.bound


def parse_limits(text: str) -> tuple[Limit, ...]:
    """Parse limits such as `p50>5%,f1<-0.5`.

    Raises:
        BadInput: a part is not a limit on one of `METRICS`, in points for `POINTS` and in percent otherwise.
    """
    return tuple(_limit(part) for part in text.split(","))


def judged(
    limits: Sequence[Limit], changes: Sequence[Change], noise: float, rounds: int
) -> Iterator[JudgedLimit]:
    """Decide which limits are kept.

    Args:
        limits: the limits.
        changes: the changes of the metrics that both runs have; each limit is on one of them.
        noise: percent; a smaller change of a time, of load and of memory breaks no limit.
        rounds: in how many rounds the runs took turns.
    """
    by_metric = {change.metric: change for change in changes}
    for limit in limits:
        verdict = _verdict(limit.with_noise(noise), by_metric[limit.metric], rounds)
        yield JudgedLimit(limit=limit.text, verdict=verdict)


def _limit(text: str) -> Limit:
    match = _LIMIT.fullmatch(text)
    if match is None or match[1] not in METRICS or (match[1] in POINTS) == bool(match[4]):
        raise BadInput(
            f"{text.strip()!r} is not a limit such as 'p50>5%' or 'f1<-0.5'; the metrics are "
            f"{', '.join(METRICS)}: {', '.join(POINTS)} in points, the others in %"
        )
    return Limit(text.strip(), match[1], match[2] == ">", float(match[3]))


def _verdict(limit: Limit, change: Change, rounds: int) -> Verdict:
    accurate = limit.metric in POINTS
    unit = "question" if accurate else "round"
    if change.interval is not None:
        estimate = Mean(change.change, *change.interval)
        count = change.questions or 1 if accurate else rounds
        if count:
            return decide(limit.keeps, estimate, limit.bound, count, unit)
        low, high = (limit.keeps(end) for end in change.interval)
        return passes(low) if low == high else Verdict(outcome=NOT_DECIDED, unit=unit)
    kept = limit.keeps(change.change)
    if change.significant or limit.metric == _AS_IT_IS or (kept and change.significant is False):
        return passes(kept)
    return Verdict(outcome=NOT_DECIDED, unit=unit)
