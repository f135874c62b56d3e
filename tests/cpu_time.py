"""The processor time of a process, compared with that of a small one on the same machine."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

_SMALL = (sys.executable, "-c", "import click")


def relative_cpu_time(command: Sequence[str], env: Mapping[str, str] | None = None) -> float:
    """How many times the processor time of a Python that imports click a command takes, at its end."""
    return _cpu_seconds(command, env) / max(_cpu_seconds(_SMALL, env), 0.01)


def _cpu_seconds(command: Sequence[str], env: Mapping[str, str] | None) -> float:
    before = os.times().children_user  # how long it waits for a busy machine says nothing
    subprocess.run(command, env=env, check=True, capture_output=True)
    return os.times().children_user - before
