"""Waits between runs until the machine is as cool as it was when idle, so that no run warms up the next."""

import time
from collections.abc import Callable
from typing import Final

from agent.machine.telemetry import Telemetry
from agent.stop_signal import Stop

LOOK_SECONDS: Final = 2.0


def idle_celsius(telemetry: Telemetry) -> float | None:
    """The current temperature, read when nothing has run for a while; None without a sensor."""
    return telemetry.read().temperature_celsius


def cool_down(
    telemetry: Telemetry,
    below_celsius: float,
    limit_seconds: float,
    stop: Stop,
    report: Callable[[float], None],
) -> float | None:
    """Wait until the machine has cooled down to a temperature.

    Args:
        telemetry: reads the temperature.
        below_celsius: the temperature to reach.
        limit_seconds: the longest wait.
        stop: ends the wait.
        report: called with each temperature above the one to reach.

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
        report(now)
        stop.wait(min(LOOK_SECONDS, max(0.0, deadline - time.monotonic())))
        stop.check()
