"""Lists of the passes and devices of a hub, for people and as JSON."""

import time
from datetime import UTC, datetime

from collector.display.grid import Grid
from collector.hub.register import Register


def passes_grid(register: Register) -> Grid:
    """Return one row per pass, the newest first."""
    now = time.time()
    rows = [
        (each.id, each.device, each.state(now), each.used, each.uses, _utc(each.expires_at))
        for each in register.passes()
    ]
    columns = ("pass", "device", "state", "used", "uses", "expires_at")
    return Grid(columns, rows, "no pass was made in the last 30 days")


def members_grid(register: Register) -> Grid:
    """Return one row per device, by name."""
    rows = [(each.device, _utc(each.joined_at), each.machine, each.python) for each in register.members()]
    return Grid(("device", "joined_at", "machine", "python"), rows, "no device has joined")


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
