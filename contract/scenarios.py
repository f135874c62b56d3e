"""The scenarios of a run: how its questions arrive. Their names are values of `records.Settings.scenario`."""

from typing import Final

SINGLE_STREAM: Final = "single-stream"
"""One question after the other: the scenario in which a question's time is its latency."""
OFFLINE: Final = "offline"
"""In batches."""
SERVER: Final = "server"
"""At random moments, as users ask."""
SUSTAINED: Final = "sustained"
"""One question after the other, for minutes."""
LOADGEN: Final = "loadgen"
"""One question after the other, asked by MLPerf's LoadGen."""

SCENARIOS: Final = (SINGLE_STREAM, OFFLINE, SERVER, SUSTAINED, LOADGEN)
