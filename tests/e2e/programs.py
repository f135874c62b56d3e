"""The three programs as processes, for tests that run them as a user would."""

import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
QUESTIONS = ROOT / "demo" / "sample-questions.json"
PATIENCE_SECONDS = 240.0
_POLL_SECONDS = 0.02


def command(program: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", program, *map(str, arguments)]


def run(program: str, *arguments: str | Path) -> str:
    """Run a program to its end; it must succeed. Returns its standard output."""
    done = subprocess.run(command(program, *arguments), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {PATIENCE_SECONDS:.0f} s: {what}")
        time.sleep(_POLL_SECONDS)


class Collector:
    """`collector serve` on one database; can be killed and started again."""

    def __init__(self, folder: Path, *where: str) -> None:
        self.database = folder / "results.db"
        self._where = where
        self._log = folder / "collector.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._log.write_bytes(b"")
        with self._log.open("ab") as log:
            arguments = command("collector", "serve", *self._where, "--db", self.database)
            self._process = subprocess.Popen(arguments, stdout=log, stderr=log)
        wait_until(lambda: "listening on" in self._log.read_text(), "the collector listens")

    @property
    def url(self) -> str:
        """The broker's address, as the collector says it."""
        return self._log.read_text().split("listening on ")[1].split(",")[0]

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            assert self._process.wait(90) == 0, self._log.read_text()

    def answers(self) -> int:
        """How many answers are stored so far."""
        connection = sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)
        try:
            count: int = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        finally:
            connection.close()
        return count
