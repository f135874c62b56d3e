import subprocess
import sys
from pathlib import Path

import click
import pytest

from bench.results.schedules import Ledger, Shard, shard

ROOT = Path(__file__).parents[2]


def read(text: str) -> Shard:
    command = click.Command("x")
    return shard(click.Context(command), click.Option(["--shard"]), text)


def test_each_schedule_is_in_one_shard() -> None:
    parts = [schedule for number in (1, 2, 3) for schedule in read(f"{number}/3").part(range(5, 25))]
    assert sorted(parts) == list(range(5, 25))
    assert read("1/1").part(range(4)) == [0, 1, 2, 3]


@pytest.mark.parametrize("text", ["", "0/4", "5/4", "1", "a/b", "1/0", "-1/2"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is not a shard"):
        read(text)


def test_a_ledger_remembers_the_schedules_of_its_seed(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    Ledger(file, 7).add(3, 100)
    Ledger(file, 8).add(4, 200)
    with file.open("a") as torn:
        torn.write("7 5 9")  # a power cut
    assert Ledger(file, 7).records == {3: 100}
    assert Ledger(None, 7).records == {}


@pytest.mark.broker
def test_schedules_that_ended_well_are_counted_and_not_played_again(tmp_path: Path) -> None:
    file = tmp_path / "ledger"
    for schedule in range(1_000):
        Ledger(file, 1).add(schedule, 10)
    file.write_text("".join(line for line in file.read_text().splitlines(True) if " 998 " not in line))
    options = ("--schedules", "1000", "--seed", "1", "--shard", "1/2", "--ledger", str(file))
    command = [sys.executable, "-m", "bench.chaos", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted, records, *_ = done.stdout.split(", ")
    assert counted == "500 schedules"
    assert int(records.split()[0]) > 4_990
    assert " 998 " in file.read_text()
