"""When a request to a web server is tried again: after a wait that grows, or that a busy server asks for."""

import http.client
import random
import time
import urllib.error
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

TRIES: Final = 5
"""Attempts per request that fail; answers of a busy server do not count."""
BUSY_SECONDS: Final = 300.0
"""How long a busy server is asked again."""
FIRST_WAIT_SECONDS: Final = 0.5
MAX_WAIT_SECONDS: Final = 15.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0
_BUSY: Final = frozenset((http.client.TOO_MANY_REQUESTS, http.client.SERVICE_UNAVAILABLE))
_PASSING: Final = frozenset((http.client.REQUEST_TIMEOUT, http.client.TOO_EARLY, *_BUSY))
"""Answers below 500 that may change; all others are final."""


class Retries:
    """The attempts at one request. Waits are jittered: many devices may fail at the same moment."""

    def __init__(self) -> None:
        self._failures = 0
        self._wait = FIRST_WAIT_SECONDS
        self._begun = time.monotonic()

    def wait(self, error: Exception) -> bool:
        """Wait after a failed attempt; returns whether to try again. Only the last failure does not wait."""
        answer = error if isinstance(error, urllib.error.HTTPError) else None
        if answer is not None and answer.code < 500 and answer.code not in _PASSING:
            return False
        if answer is not None and answer.code in _BUSY:
            if time.monotonic() - self._begun > BUSY_SECONDS:
                return False
        else:
            self._failures += 1
            if self._failures >= TRIES:
                return False
        asked = 0.0
        if answer is not None:
            asked = _retry_after(answer)
            answer.close()
        jitter = 1.0 + random.random()  # noqa: S311 - spreads requests, no secret
        time.sleep(max(asked, self._wait) * jitter)
        self._wait = min(2 * self._wait, MAX_WAIT_SECONDS)
        return True


def _retry_after(error: urllib.error.HTTPError) -> float:
    """Return how many seconds a server asks to wait (RFC 9110, 10.2.3), within bounds; 0 if it does not."""
    text = (error.headers.get("Retry-After") or "").strip()
    if text.isascii() and text.isdecimal() and len(text) < 10:
        seconds = float(text)
    else:
        try:
            at = parsedate_to_datetime(text)
        except ValueError:
            return 0.0
        seconds = (at.replace(tzinfo=at.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), MAX_RETRY_AFTER_SECONDS)
