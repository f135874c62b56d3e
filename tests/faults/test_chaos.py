"""A few schedules of `bench.chaos`, which plays hundreds by hand."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.broker
@pytest.mark.parametrize("schedules", [3, pytest.param(25, marks=pytest.mark.proof)])
def test_random_blows_lose_nothing_and_double_nothing(schedules: int) -> None:
    options = ("--schedules", str(schedules), "--seed", "2026", "--worlds", "4")
    command = [sys.executable, "-m", "bench.chaos", *options]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith(f"{schedules} schedules, ")
    assert ", 0 failures, " in done.stdout
