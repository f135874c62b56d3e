"""`collector` as a process of its own, and in a terminal of its own."""

import os
import pty
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def collector(
    *arguments: str | Path, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environment},
        timeout=60,
        input=stdin,
    )


def said(*arguments: str | Path, **environment: str) -> str:
    done = collector(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def shown(*arguments: str | Path, columns: int = 80, **environment: str) -> str:
    """What a terminal gets to see on standard output."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "collector", *map(str, arguments)]
    settings = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm", **environment}
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.PIPE, cwd=ROOT, env=settings) as process:
        os.close(theirs)
        seen = b""
        try:
            while part := os.read(ours, 65_536):
                seen += part
        except OSError:
            pass  # Linux says so when the other side has closed
        finally:
            os.close(ours)
        assert process.stderr is not None
        assert (process.wait(60), process.stderr.read()) == (0, b"")
    return seen.decode().replace("\r\n", "\n")
