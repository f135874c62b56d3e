"""Compares repeated runs of one bundle on one device: if they disagree, the machine was not steady."""

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec
import numpy as np

from collector.statistics.timing.ratios import log_ratios
from collector.summaries.columns import Columns, median_times, shared

AGREEMENT: Final = 0.03
"""The largest difference between the times of two runs that still agree, as a share."""
_NORMAL: Final = 1.96


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """Two consecutive runs on the same device."""

    earlier: str
    """Id of the earlier run."""
    later: str
    """Id of the later run."""
    device_id: str
    questions: int
    """How many questions have a time that counts in both runs."""
    change: float
    """Change of the time of these questions, as a share and a geometric mean: above 0 is slower."""

    @property
    def agrees(self) -> bool:
        """Whether the runs differ by no more than `AGREEMENT`."""
        return abs(self.change) <= AGREEMENT


class Measurement(NamedTuple):
    """The answers of one run."""

    run_id: str
    device_id: str
    columns: Columns


def repeats(measurements: Iterable[Measurement]) -> tuple[Repeat, ...]:
    """Compare each run with the one before it on its device.

    A difference that may be due to the questions alone counts as 0.

    Args:
        measurements: runs of one bundle with equal settings, in order of time.
    """
    last: dict[str, Measurement] = {}
    found = []
    for later in measurements:
        earlier = last.get(later.device_id)
        last[later.device_id] = later
        if earlier is None:
            continue
        after, before = shared(median_times(later.columns), median_times(earlier.columns))
        if len(after):
            ratio = log_ratios(after, before, np.zeros(len(after)))
            beyond = abs(ratio.log) > _NORMAL * math.sqrt(ratio.within)
            found.append(
                Repeat(
                    earlier=earlier.run_id,
                    later=later.run_id,
                    device_id=later.device_id,
                    questions=len(after),
                    change=math.expm1(ratio.log) if beyond else 0.0,
                )
            )
    return tuple(found)
