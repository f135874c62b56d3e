"""The scenarios of a run: how questions arrive. Their names are values of `records.Settings.scenario`."""

from collections.abc import Mapping
from typing import Any, Final

SINGLE_STREAM: Final = "single-stream"
"""Questions arrive one after the other. In this scenario a question's time is its latency."""
OFFLINE: Final = "offline"
"""Questions arrive in batches."""
SERVER: Final = "server"
"""Questions arrive at random moments, like users' questions."""
SUSTAINED: Final = "sustained"
"""Questions arrive one after the other, for minutes."""
LOADGEN: Final = "loadgen"
"""Questions arrive one after the other, driven by MLPerf's LoadGen."""

SCENARIOS: Final = (SINGLE_STREAM, OFFLINE, SERVER, SUSTAINED, LOADGEN)

_ONLY_FOR: Final = {
    "batch_size": OFFLINE,
    "qps": SERVER,
    "latency_bound": SERVER,
    "minutes": SUSTAINED,
    "rounds": SINGLE_STREAM,
    "turns": SINGLE_STREAM,
}


def contradiction(values: Mapping[str, Any]) -> str | None:
    """Return why options of `agent run` cannot be combined, as a sentence; None if they can.

    Args:
        values: scenario, batch_size, qps, latency_bound, minutes, rounds, turns, until, min_seconds and
            max_seconds; None for what is not given. Other values are ignored.
    """
    scenario, until = values["scenario"], values["until"]
    min_seconds, max_seconds = values["min_seconds"], values["max_seconds"]
    for name, its_scenario in _ONLY_FOR.items():
        if values[name] is not None and scenario != its_scenario:
            return f"--{name.replace('_', '-')} needs --scenario {its_scenario}."
    if until is not None and scenario in (OFFLINE, SERVER, LOADGEN):
        return f"--until cannot be used with --scenario {scenario}."
    if max_seconds is not None and max_seconds < min_seconds:
        return f"--max-seconds {max_seconds:g} is less than --min-seconds {min_seconds:g}."
    if scenario == SERVER and values["latency_bound"] is None:
        return "--scenario server needs --latency-bound MS, such as 100."
    if scenario == SUSTAINED and (max_seconds is not None or min_seconds):
        return "--scenario sustained takes --minutes, not --min-seconds/--max-seconds."
    return None
