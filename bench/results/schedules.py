"""Which schedules of `bench.chaos` belong to a shard, and which have been played."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click


class Shard(NamedTuple):
    """One of several equal parts of the schedules, from 1."""

    number: int
    of: int

    def part(self, schedules: Sequence[int]) -> list[int]:
        """Return the schedules of this shard; each is in one shard."""
        return [schedule for schedule in schedules if schedule % self.of == self.number - 1]


def shard(_context: click.Context, _option: click.Parameter, text: str) -> Shard:
    """Read `K/N`.

    Raises:
        click.BadParameter: it is something else.
    """
    found = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,5})", text)
    if found is None or int(found[1]) > int(found[2]):
        raise click.BadParameter(f"{text!r} is not a shard: write 1/4 for the first of four")
    return Shard(int(found[1]), int(found[2]))


class Ledger:
    """The schedules that have ended well, in a file that several commands may share.

    Each line has the seed, the schedule and how many records were checked.

    Args:
        path: the file; None to remember nothing.
        seed: the seed of the schedules.
    """

    def __init__(self, path: Path | None, seed: int) -> None:
        self._path = path
        self._seed = seed
        self.records: dict[int, int] = {}
        """How many records were checked, by schedule."""
        text = path.read_text() if path is not None and path.exists() else ""
        for line in re.findall(r"^(-?\d+) (\d+) (\d+)\n", text, re.MULTILINE):
            its_seed, schedule, records = map(int, line)
            if its_seed == seed:
                self.records[schedule] = records

    def add(self, schedule: int, records: int) -> None:
        """Note that a schedule has ended well."""
        self.records[schedule] = records
        if self._path is not None:
            with self._path.open("a") as file:
                file.write(f"{self._seed} {schedule} {records}\n")
