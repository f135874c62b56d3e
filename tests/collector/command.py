"""`collector` in this process, as a process of its own, and in a terminal of its own."""

import os
import pty
import subprocess
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

from collector.cli import main
from commandline.program import messages
from tests.canary import look

ROOT = Path(__file__).parents[2]


def invoked(*arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """The command line in this process: the start of another one takes longer than most commands."""
    given, output, errors = (TextIOWrapper(BytesIO(text), "utf-8") for text in (stdin.encode(), b"", b""))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.chdir(ROOT)
        patch.setattr(sys, "argv", ["collector", *map(str, arguments)])
        for stream, file in (("stdin", given), ("stdout", output), ("stderr", errors)):
            patch.setattr(sys, stream, file)
        try:
            status = main()
        finally:
            messages.configure()
    written = [file.buffer.getvalue().decode() for file in (output, errors)]
    for text in written:
        look(text, f"what collector {' '.join(map(str, arguments[:2]))} said")
    return subprocess.CompletedProcess(sys.argv, status, *written)


def printed(*arguments: str | Path, **environment: str) -> str:
    """The standard output of a command that succeeds, in this process."""
    done = invoked(*arguments, **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


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
        timeout=150,
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
        assert (process.wait(150), process.stderr.read()) == (0, b"")
    return seen.decode().replace("\r\n", "\n")
