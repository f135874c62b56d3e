"""Waits for something that another process does."""

import time
from collections.abc import Callable
from typing import Final

from tests.arm64.programs import check

PATIENCE_SECONDS: Final = 120.0
SLOWNESS_OF_EMULATION: Final = 10
"""How many times as long a foreign machine may take."""


def until(condition: Callable[[], bool], otherwise: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait until a condition holds.

    Args:
        condition: asked twice a second.
        otherwise: the message if it does not hold in time.
        seconds: the time.

    Raises:
        ProofError: it does not hold in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        check(time.monotonic() < deadline, otherwise)
        time.sleep(0.5)
