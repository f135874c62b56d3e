"""A few schedules of `bench.chaos`, which plays hundreds by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

SCHEDULES = 8


@pytest.mark.broker
def test_random_blows_lose_nothing_and_double_nothing() -> None:
    command = [sys.executable, "-m", "bench.chaos", "--schedules", str(SCHEDULES), "--seed", "2026"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{SCHEDULES} schedules, ")
    assert ", 0 failures, " in done.stdout
