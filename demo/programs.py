"""Starts the three programs as separate processes, as they run in the field."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY = re.compile(r"listening on (mqtt://\S+?),")
_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_POLL_SECONDS = 0.05


class DemoError(Exception):
    """A program of the demo failed; the message says which and why."""


def run(program: str, *arguments: str | Path, quiet: bool = False) -> str:
    """Run a program to its end and return its standard output.

    Its messages and progress go to this process's standard error, unless `quiet`.

    Raises:
        DemoError: the program ended with an error.
    """
    command = _command(program, *arguments)
    done = subprocess.run(  # noqa: S603 - our own programs with our own arguments
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet else None, text=True, check=False
    )
    if done.returncode != 0:
        printed = (done.stderr or "").strip()
        raise DemoError(
            f"'{program} {arguments[0]}' ended with exit status {done.returncode}"
            + (f": {printed}" if printed else "")
        )
    return done.stdout


@contextmanager
def serving(log: Path, *arguments: str | Path) -> Iterator[str]:
    """Run `collector serve` while the block runs, and yield the address of its embedded broker.

    Args:
        log: the file that gets the collector's output.
        arguments: further options of `collector serve`.

    Raises:
        DemoError: the collector did not start; the message quotes its output.
    """
    with log.open("w") as output:
        process = subprocess.Popen(  # noqa: S603 - our own program with our own arguments
            _command("collector", "serve", "--embedded-broker", *arguments), stdout=output, stderr=output
        )
        try:
            yield _address(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _command(program: str, *arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", program, *map(str, arguments)]


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if found := _READY.search(log.read_text()):
            return found.group(1)
        if process.poll() is not None:
            break
        time.sleep(_POLL_SECONDS)
    raise DemoError(f"'collector serve' did not start: {log.read_text().strip() or 'it printed nothing'}")
