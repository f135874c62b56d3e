"""Resident memory of this process, as the operating system counts it."""

import resource
import sys
from pathlib import Path

from agent.machine.system_files import read_kib

_STATUS = Path("/proc/self/status")


def rss_bytes() -> int | None:
    """Resident memory now; None where the system does not say."""
    return read_kib(_STATUS, "VmRSS:")


def peak_rss_bytes() -> int:
    """Highest resident memory so far.

    Linux's VmHWM begins anew with each program, while `getrusage` carries over what the process was before.
    """
    peak = read_kib(_STATUS, "VmHWM:")
    if peak is not None:
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
