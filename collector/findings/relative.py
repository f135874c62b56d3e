"""The finding on what a row gains and keeps relative to its teacher, or to what stands in for one."""

from typing import Literal

import msgspec

from collector.findings.between_rows import Interval, RowName

Kind = Literal["teacher", "baseline", "fp32"]


class Relative(msgspec.Struct, frozen=True, kw_only=True):
    """How many times as fast as another row a row answers, and how much of its F1 it keeps.

    Both have an accuracy. Every interval covers 95 %.
    """

    row: RowName
    to: RowName
    """The other row, which is in the same place and in fp32."""
    kind: Kind
    """`teacher` if the row was distilled from the other one, by its manifest; `baseline` if its teacher was
    not measured there and the other row is the baseline of the place; `fp32` if only fp32 of the same model
    is left, or if the row is another precision of the baseline."""
    speed_up: float | None
    """Time of the other row divided by that of the row; None if no device has times of both."""
    speed_up_interval: Interval | None
    """None if the rows were measured at different times and nothing is known about how much times change."""
    speed_up_of: str | None
    """What the interval is about, as `Row.speed_up_of`."""
    speed_up_questions: int
    """How many questions `speed_up` is based on."""
    f1_kept: float | None
    """F1 of the row in percent of the other row's, on the questions that both answered; None without any."""
    f1_kept_interval: Interval | None
    f1_questions: int
    """How many questions `f1_kept` is based on."""
    f1_significant: bool | None
    """Whether the two F1 differ by more than chance: the p value of their test is below 0.05, and it is
    adjusted for the number of tests if `Comparison.differences` has the pair. None without a test."""
