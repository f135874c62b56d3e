"""The scenarios of a run: how questions arrive. Their names are values of `records.Settings.scenario`."""

from typing import Final

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
