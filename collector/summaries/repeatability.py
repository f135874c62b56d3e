"""Compares repeated runs of one bundle on one device: if they disagree, the machine was not steady."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from collector.statistics.confidence import is_significant
from collector.statistics.medians import speed_up
from collector.summaries.columns import Columns, median_times, shared

AGREEMENT: Final = 0.03
"""The largest difference between the medians of two runs that still agree, as a share."""
_NO_CHANGE: Final = 1.0


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
    """Change of the median time of these questions, as a share: above 0 if the later run was slower."""

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

    A difference that may be chance, by a paired bootstrap over the questions, counts as 0.

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
        times = speed_up(*shared(median_times(later.columns), median_times(earlier.columns)))
        if times is not None:
            found.append(
                Repeat(
                    earlier=earlier.run_id,
                    later=later.run_id,
                    device_id=later.device_id,
                    questions=times.questions,
                    change=times.ratio - 1 if is_significant((times.low, times.high), _NO_CHANGE) else 0.0,
                )
            )
    return tuple(found)
