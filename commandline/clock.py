"""The wall clock, for people, and whether it is synchronised. No duration is ever computed from it."""

import ctypes
import sys
from datetime import UTC, datetime
from typing import Final

_TIMEX_BYTES: Final = 512  # `struct timex` has 208; the rest is room for kernels that add fields
_TIME_ERROR: Final = 5


def utc_now() -> str:
    """Return the current time in the contract's format: `2026-02-03T04:05:06.000007Z`."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def synchronised() -> bool | None:
    """Return whether the clock follows a time server (`adjtimex(2)`); None if the system does not say."""
    if sys.platform != "linux":
        return None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
