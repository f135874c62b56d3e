"""Resident memory of this process, as the operating system counts it."""

import re
import resource
import sys
from pathlib import Path

_STATUS = Path("/proc/self/status")


def rss_bytes() -> int | None:
    """Resident memory now; None where the system does not say."""
    return _field("VmRSS")


def peak_rss_bytes() -> int:
    """Highest resident memory so far.

    Linux's VmHWM begins anew with each program, while `getrusage` carries over what the process was before.
    """
    peak = _field("VmHWM")
    if peak is not None:
        return peak
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _field(name: str) -> int | None:
    if not _STATUS.exists():
        return None
    found = re.search(rf"^{name}:\s*(\d+) kB$", _STATUS.read_text(), re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None
