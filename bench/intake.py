"""How much time and CPU it takes to store answers in SQLite and in PostgreSQL, measured by turns.

    python -m bench.intake --rounds 7 --answers 80000

Each contestant is a process that stores groups of 200 messages of 20 answers, as `collector serve` makes
them: decoded, judged, stored in one durable transaction, with receipts. In each round all of them store the
answers of new runs, and the same answers again. PostgreSQL has its own settings, so it waits for the disk.
Two processes at once store twice as many answers, of different runs. Beside them, bare statements store the
same rows.
"""

import itertools
import math
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from bench.commandline import needed
from bench.commandline.options import command, count
from bench.processes.storing import (
    PER_GROUP,
    PER_MESSAGE,
    BareCopy,
    BareExecutemany,
    Ingest,
    Load,
    Storing,
    storing,
)
from bench.races.medians import speed_up
from collector.store.opening import open_store
from tests.postgres import Postgres, running

SQLITE: Final = "SQLite"
POSTGRES: Final = "PostgreSQL"
TWO: Final = "PostgreSQL, two collectors at once"
EXECUTEMANY: Final = "bare executemany into SQLite"
COPY: Final = "bare COPY into PostgreSQL"
_SITUATIONS: Final = ("new answers", "the same again")


class Cost(NamedTuple):
    """What it took to store answers, in picoseconds per answer."""

    wall: int
    client: int
    """CPU of the processes that store."""
    server: int
    """CPU of all processes of PostgreSQL."""

    @property
    def cpu(self) -> int:
        """CPU of both."""
        return self.client + self.server


Costs = defaultdict[str, list[Cost]]
"""By contestant and situation, the cost in each round."""


class Race:
    """The contestants on their databases, and what they took so far.

    Args:
        folder: an empty folder.
        server: the PostgreSQL.
        load: what a process stores in a round.
    """

    def __init__(self, folder: Path, server: Postgres, load: Load) -> None:
        self._folder = folder
        self._server = server
        self._load = load
        self._numbers = itertools.count(1)
        self.costs: Costs = defaultdict(list)

    def run(self, rounds: int) -> None:
        """Let all contestants store answers, by turns; every other round in the opposite order."""
        load, server = self._load, self._server
        with ExitStack() as stack:
            shared, alone = (stack.enter_context(server.database()) for _ in range(2))
            file, bare = str(self._folder / "ingest.db"), str(self._folder / "bare.db")
            for where in (shared, alone, file, bare):
                open_store(where, create=True).close()
            start = stack.enter_context
            sqlite = start(storing(Ingest, file, load))
            one, other = start(storing(Ingest, shared, load)), start(storing(Ingest, shared, load))
            copy = start(storing(BareCopy, alone, load))
            executemany = start(storing(BareExecutemany, bare, load))
            turns = [
                partial(self._turn, SQLITE, [sqlite]),
                partial(self._turn, POSTGRES, [one]),
                partial(self._turn, TWO, [one, other]),
                partial(self._turn, EXECUTEMANY, [executemany], _SITUATIONS[:1]),
                partial(self._turn, COPY, [copy], _SITUATIONS[:1]),
            ]
            for number in range(rounds):
                for turn in turns[:: -1 if number % 2 else 1]:
                    turn()

    def _turn(
        self, name: str, contestants: Sequence[Storing], situations: Sequence[str] = _SITUATIONS
    ) -> None:
        for contestant in contestants:
            contestant.prepare(next(self._numbers))
        for situation in situations:
            before = _cpu_seconds(self._server)
            for contestant in contestants:
                contestant.begin()
            took = [contestant.took() for contestant in contestants]
            seconds = (
                max(each.ended for each in took) - min(each.begun for each in took),
                sum(each.cpu for each in took),
                _cpu_seconds(self._server) - before,
            )
            stored = self._load.answers * len(contestants)
            self.costs[f"{name}, {situation}"].append(
                Cost(*(round(each * 1e12 / stored) for each in seconds))
            )


def _cpu_seconds(server: Postgres) -> float:
    """CPU of all processes of a server, also of those that have ended."""
    postmaster = psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))
    times = postmaster.cpu_times()
    seconds = times.user + times.system + times.children_user + times.children_system
    for child in postmaster.children():
        with suppress(psutil.NoSuchProcess):  # it has ended since
            of_child = child.cpu_times()
            seconds += of_child.user + of_child.system
    return float(seconds)


def print_tables(costs: Costs) -> None:
    """Print the medians of all contestants, and the ratios that matter."""
    print("| median of the rounds | answers/s | client CPU, µs | server CPU, µs |\n|---|--:|--:|--:|")
    for name, rounds in costs.items():
        wall, client, server = (_median(values) for values in zip(*rounds, strict=True))
        of_server = f"{server / 1e6:.1f}" if "PostgreSQL" in name else ""
        print(f"| {name} | {1e12 / wall:,.0f} | {client / 1e6:.1f} | {of_server} |")
    print("\n| ratio of the medians | new answers | the same again |\n|---|--:|--:|")
    ratios = (
        ("PostgreSQL's rate over SQLite's", SQLITE, POSTGRES, "wall"),
        ("two collectors' rate over one's", POSTGRES, TWO, "wall"),
        ("two collectors' CPU per answer over one's", TWO, POSTGRES, "cpu"),
    )
    for what, above, below, of in ratios:
        cells = (
            _ratio(costs[f"{above}, {situation}"], costs[f"{below}, {situation}"], of)
            for situation in _SITUATIONS
        )
        print(f"| {what} | {' | '.join(cells)} |")


def _ratio(above: Sequence[Cost], below: Sequence[Cost], of: str) -> str:
    found = speed_up([getattr(cost, of) for cost in above], [getattr(cost, of) for cost in below])
    assert found is not None, "there is at least one round"
    return f"{found.ratio:.2f} ({found.low:.2f} to {found.high:.2f})"


def _median(values: Sequence[int]) -> int:
    return sorted(values)[(len(values) - 1) // 2]


@command
@count("--rounds", 7, "How often each contestant stores answers.")
@count("--answers", 80_000, "Answers that a process stores at a time, rounded up to whole groups.")
@count("--devices", 20, "Devices that deliver to a process at the same time, one run each.")
def main(rounds: int, answers: int, devices: int) -> None:
    """Print Markdown tables of rates, CPU per answer, and their ratios with 95 % intervals."""
    needed.postgres()
    answers += -answers % math.lcm(PER_GROUP, devices * PER_MESSAGE)
    with (
        tempfile.TemporaryDirectory(prefix="distilbench-intake-") as name,
        running(durable=True) as server,
    ):
        race = Race(Path(name), server, Load(answers, devices))
        race.run(rounds)
    print(
        f"{rounds} rounds, {answers:,} answers of {devices} runs per process, {PER_GROUP:,} per transaction\n"
    )
    print_tables(race.costs)


if __name__ == "__main__":
    main()
