"""Measures what this process does while its worker computes: more than sleeping disturbs the measurement."""

import resource
import time
from collections.abc import Callable
from typing import Final

BUSY_SHARE: Final = 0.01
"""Share of a core: a parent that used more of it while it waited has disturbed the worker."""
BUSY_NS: Final = 1_000_000
"""Processor time that is always allowed: going to sleep and waking up take less."""


def used_until_now() -> tuple[int, int]:
    """Processor time of this process and its ended children, such as `vcgencmd`, and the time; both in ns."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time_ns() + int((children.ru_utime + children.ru_stime) * 1e9), time.monotonic_ns()


class OwnWork:
    """Adds up the processor time of this process during waits, each between `begin` and `end`.

    Args:
        clock: returns the processor time used until now and the time, both in nanoseconds.
    """

    def __init__(self, clock: Callable[[], tuple[int, int]] = used_until_now) -> None:
        self._clock = clock
        self._waits = False
        self._at = (0, 0)
        self._used_ns = 0
        self._waited_ns = 0

    def begin(self) -> None:
        """Begin a wait, and forget the previous one."""
        self._waits = True
        self._used_ns = self._waited_ns = 0
        self._at = self._clock()

    def end(self) -> None:
        """End the wait: later work does not disturb the worker."""
        self._count()
        self._waits = False

    def was_too_much(self) -> bool:
        """Whether this process did more than sleep during the wait, since the last call."""
        if self._waits:
            self._count()
        too_much = self._used_ns > max(BUSY_SHARE * self._waited_ns, BUSY_NS)
        self._used_ns = self._waited_ns = 0
        return too_much

    def _count(self) -> None:
        cpu_ns, now_ns = self._clock()
        self._used_ns += cpu_ns - self._at[0]
        self._waited_ns += now_ns - self._at[1]
        self._at = cpu_ns, now_ns
