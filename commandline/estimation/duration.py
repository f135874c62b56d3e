"""Durations in words, no more exact than an estimate is."""

from typing import Final

_SECONDS_UP_TO: Final = 100
_MINUTES_UP_TO: Final = 100 * 60


def about(seconds: float) -> str:
    """Write a duration: `about 40 s`, `about 12 min` or `about 2.5 h`."""
    if seconds < 10:
        return f"about {max(1, round(seconds))} s"
    if seconds < _SECONDS_UP_TO:
        return f"about {round(seconds / 5) * 5} s"
    if seconds < _MINUTES_UP_TO:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"
