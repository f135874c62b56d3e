"""What changed between two runs: the types that `collector compare` prints."""

import msgspec

from collector.findings.between_rows import Interval
from collector.findings.verdict import Verdict


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """The change of one metric between two runs."""

    metric: str
    unit: str
    """The unit of `before` and `after`."""
    before: float
    after: float
    questions: int | None
    """How many questions of both runs `before` and `after` are over; None for load and memory."""
    change: float
    """Percent of `before`; points for em, f1 and bertscore."""
    interval: Interval | None
    """95 % interval of the change; None if there is no rule for one."""
    p_value: float | None
    """How probable such a change is by chance; those of times are adjusted by Holm's method. None if there is
    no test."""
    significant: bool | None
    """Whether the change is more than chance; None if there is no test for it."""


class JudgedLimit(msgspec.Struct, frozen=True, kw_only=True):
    """A limit of `--fail-if`, and whether the change keeps it."""

    limit: str
    """As it was given, such as `p50>5%`."""
    verdict: Verdict
    """`passes` if the whole interval of the change keeps the limit, `fails` if none of it does."""


class Regression(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `collector compare` prints; encoded as JSON, its output with `--json`."""

    before: str
    """Id of the earlier run."""
    after: str
    """Id of the later run."""
    questions: int
    """How many questions the times are compared on."""
    rounds: int
    """In how many rounds the runs took turns; 0 if they were measured at different times."""
    unlike: tuple[str, ...]
    """Other differences between the runs, which may be the cause."""
    notes: tuple[str, ...]
    """What is not compared or not tested, and what else limits the changes."""
    changes: tuple[Change, ...]
    limits: tuple[JudgedLimit, ...]
