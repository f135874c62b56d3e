"""Do runs of one bundle with the same settings on one device agree? If not, the machine was not steady."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from collector.summaries.columns import Columns, median_times, shared
from collector.summaries.statistics import is_significant, speed_up

AGREEMENT: Final = 0.03
"""Two runs whose medians differ by more have measured two machines."""
_NO_CHANGE: Final = 1.0


class Repeat(msgspec.Struct, frozen=True, kw_only=True):
    """A run and the one after it on the same device."""

    earlier: str
    """Run id."""
    later: str
    device_id: str
    questions: int
    """That both answered in a time that counts."""
    change: float
    """Of the median time of the same questions, as a share: above 0 where the later run was slower."""

    @property
    def agrees(self) -> bool:
        """Whether they differ by no more than `AGREEMENT`."""
        return abs(self.change) <= AGREEMENT


class Measurement(NamedTuple):
    """One run's answers."""

    run_id: str
    device_id: str
    columns: Columns


def repeats(measurements: Iterable[Measurement]) -> tuple[Repeat, ...]:
    """Compare each run with the one before it on its device.

    A difference that may be chance, by a paired bootstrap over the questions, counts as none.

    Args:
        measurements: of one bundle with equal settings, in the order of their runs.
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
