"""`collector serve` as a process, for the time of a measurement."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import psutil

from tests.mosquitto import Mosquitto

WAIT_SECONDS: Final = 120.0
_POLL_SECONDS: Final = 0.05


@contextmanager
def collector(broker: Mosquitto, folder: Path) -> Iterator[tuple[Path, psutil.Process]]:
    """`collector serve` with a new database in a folder, listening inside the `with` block."""
    database, log = folder / "results.db", folder / "collector.log"
    with log.open("wb") as said:
        process = subprocess.Popen(  # noqa: S603  # our own program
            [sys.executable, "-m", "collector", "serve", "--broker", broker.url, "--db", database],
            stderr=said,
        )
    try:
        wait(lambda: b"listening" in log.read_bytes())
        yield database, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(60)


def wait(holds: Callable[[], bool]) -> None:
    """Wait until something holds.

    Raises:
        SystemExit: it does not hold after two minutes.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise SystemExit(f"bench: not done after {WAIT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
