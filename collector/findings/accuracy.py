"""The findings on accuracy: differences, gates and labels, each with what its interval is about.

Every interval covers 95 %, for questions that could be drawn as these were: `Drawn` says how.
"""

import msgspec

from collector.findings.between_rows import Interval, Place, RowName
from collector.findings.verdict import Verdict


class Drawn(msgspec.Struct, frozen=True, kw_only=True):
    """What an interval of accuracy takes as drawn at random: articles like these, rather than questions."""

    unit: str
    """`article`; `paragraph` if there are fewer than 6 articles; `question` if there are too few of both, or
    if neither is known."""
    units: int
    """How many there are."""


class ScoreDifference(msgspec.Struct, frozen=True, kw_only=True):
    """How one score of a row differs from another row's, on the questions that both answered."""

    difference: float
    """Row minus the other one: percentage points of EM and F1; BERTScore F1 as it is."""
    interval: Interval
    """Interval of `difference`."""
    p_value: float
    """Sign-flip test over the units, two-sided; for EM by question it is McNemar's exact test. If an accuracy
    was taken over, Student's t."""
    adjusted_p_value: float
    """`p_value`, adjusted by Holm's method for all differences of this score in this place."""
    significant: bool
    """Whether `adjusted_p_value` is below 0.05."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """The accuracy of a row compared with another row, on the questions that both answered.

    It compares a row with the baseline of its place, or one precision of a model with its fp32.
    """

    row: RowName
    against: RowName
    """The row that `row` is compared with."""
    questions: int
    """How many questions both rows answered, or were estimated for."""
    asked: int
    """How many questions both rows were asked; fewer than `questions` if an accuracy was taken over."""
    drawn: Drawn
    only_row: int
    """How many questions only `row` answers exactly; where its answers were taken over, of these."""
    only_against: int
    """How many questions only `against` answers exactly; where its answers were taken over, of these."""
    exact_match: ScoreDifference
    f1: ScoreDifference
    bertscore_f1: ScoreDifference | None
    """None if one of the rows has no BERTScore."""


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """How much of fp32's F1 a precision keeps, on the devices and questions that both have."""

    row: RowName
    questions: int
    """How many questions both answered, or were estimated for."""
    asked: int
    """How many questions both were asked; fewer than `questions` if an accuracy was taken over."""
    drawn: Drawn
    percent_of_fp32: float
    """F1 of the row in percent of fp32's F1."""
    interval: Interval
    """Interval of `percent_of_fp32`."""
    gate_99: Verdict
    """Whether it keeps 99 %, as far as the interval shows."""
    gate_99_9: Verdict
    """Whether it keeps 99.9 %, as far as the interval shows."""


class Label(msgspec.Struct, frozen=True, kw_only=True):
    """What some rows of a place are best for. All rows that the data cannot tell from the best share it."""

    place: Place
    label: str
    """`high accuracy`, `real time`, `low resource` or `balance`."""
    rows: tuple[RowName, ...]
    """The rows that share it, at least one."""
