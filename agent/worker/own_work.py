"""What this process does while its worker computes: more than to sleep disturbs what is measured."""

import resource
import time
from typing import Final

BUSY_SHARE: Final = 0.01
"""Of one core: a parent that used more of it while it waited has disturbed the worker."""
BUSY_NS: Final = 1_000_000
"""Going to sleep and waking up take less."""


class OwnWork:
    """Counts the processor time of waits, each between `begin` and `end`."""

    def __init__(self) -> None:
        self._waits = False
        self._at = (0, 0)
        self._used_ns = 0
        self._waited_ns = 0

    def begin(self) -> None:
        """Begin to wait, and forget the wait before."""
        self._waits = True
        self._used_ns = self._waited_ns = 0
        self._at = _cpu_ns(), time.monotonic_ns()

    def end(self) -> None:
        """End the wait: what is done from now on disturbs nobody."""
        self._count()
        self._waits = False

    def was_too_much(self) -> bool:
        """Whether it was more than to sleep, within this wait and since this was last asked."""
        if self._waits:
            self._count()
        too_much = self._used_ns > max(BUSY_SHARE * self._waited_ns, BUSY_NS)
        self._used_ns = self._waited_ns = 0
        return too_much

    def _count(self) -> None:
        cpu_ns, now_ns = _cpu_ns(), time.monotonic_ns()
        self._used_ns += cpu_ns - self._at[0]
        self._waited_ns += now_ns - self._at[1]
        self._at = cpu_ns, now_ns


def _cpu_ns() -> int:
    """Of this process and of the children that it has seen end, such as `vcgencmd`."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() + int((children.ru_utime + children.ru_stime) * 1e9)
