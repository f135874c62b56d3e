"""A few schedules of `bench.chaos`, which plays hundreds by hand, and a short `bench.cluster`."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

SHARED: Final = ("--store", "postgres", "--collectors", "2")


@pytest.mark.broker
@pytest.mark.parametrize("schedules", [3, pytest.param(25, marks=pytest.mark.proof)])
def test_random_blows_lose_nothing_and_double_nothing(schedules: int) -> None:
    play(schedules)


@pytest.mark.proof
@pytest.mark.broker
@pytest.mark.postgres
@pytest.mark.timeout(900)
def test_random_blows_on_collectors_that_share_postgresql_lose_nothing() -> None:
    play(12, *SHARED)


@pytest.mark.proof
@pytest.mark.broker
@pytest.mark.postgres
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", ["collectors", "primary", "broker"])
def test_a_cluster_loses_nothing_while_parts_of_it_are_killed(part: str) -> None:
    said = bench("cluster", "--kill", part, "--minutes", "0.3", "--every", "4", "--away", "1")
    assert ": 0 lost, 0 duplicated, 0 refused; " in said


def play(schedules: int, *options: str) -> None:
    said = bench("chaos", "--schedules", str(schedules), "--seed", "2026", "--worlds", "4", *options)
    assert said.startswith(f"{schedules} schedules, ")
    assert ", 0 failures, " in said


def bench(name: str, *options: str) -> str:
    """What a benchmark that ends well prints."""
    command = [sys.executable, "-m", f"bench.{name}", *options]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
