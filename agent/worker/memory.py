"""Resident memory of this process, as the operating system counts it."""

import resource
import sys
from pathlib import Path

from agent.machine.system_files import read_kib

_STATUS = Path("/proc/self/status")


def rss_bytes() -> int | None:
    """Resident memory now; None if the system does not report it."""
    return read_kib(_STATUS, "VmRSS:")


def peak_rss_bytes() -> int:
    """Highest resident memory so far.

    Linux's VmHWM starts over with each program, while `getrusage` includes what the process ran before.
    """
    peak = read_kib(_STATUS, "VmHWM:")
    if peak is not None:
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
