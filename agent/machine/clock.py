"""Wall-clock time, for people, and whether it can be trusted."""

import ctypes
import sys
from datetime import UTC, datetime

_TIMEX_BYTES = 512  # `struct timex` has 208 bytes; the rest is room for a kernel that adds to it
_TIME_ERROR = 5


def utc_now() -> str:
    """The time now as the contract writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def synchronised() -> bool | None:
    """Whether the kernel's clock follows a time server (`adjtimex(2)`); None where it does not say."""
    if sys.platform != "linux":
        return None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else state != _TIME_ERROR
