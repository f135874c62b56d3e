"""Waits between runs until the machine is as cool as it was when idle, so that no run warms up the next."""

import time
from collections.abc import Callable
from typing import Final

from agent.machine.telemetry import Telemetry
from agent.stop import Stop

LOOK_SECONDS: Final = 2.0


def idle_celsius(telemetry: Telemetry) -> float | None:
    """The temperature now, to be called when nothing has run for a while; None without a sensor."""
    return telemetry.read().temperature_celsius


def cool_down(
    telemetry: Telemetry,
    below_celsius: float,
    limit_seconds: float,
    stop: Stop,
    tell: Callable[[float], None],
) -> float | None:
    """Wait until the machine is at most so warm.

    Args:
        telemetry: tells the temperature.
        below_celsius: how cool it shall be.
        limit_seconds: how long to wait at most.
        stop: ends the wait.
        tell: is given each temperature on the way.

    Returns:
        The last temperature; above `below_celsius` if the limit came first. None without a sensor.

    Raises:
        Stopped: a signal came.
    """
    deadline = time.monotonic() + limit_seconds
    while True:
        now = telemetry.read().temperature_celsius
        if now is None or now <= below_celsius or time.monotonic() >= deadline:
            return now
        tell(now)
        stop.wait(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
        stop.check()
