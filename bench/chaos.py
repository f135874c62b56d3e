"""Whether random kills, restarts, cuts and floods of real processes lose a record or store one twice.

    python -m bench.chaos --schedules N --seed S
    python -m bench.chaos --schedules N --seed S --store postgres --collectors 2

Two devices without a model (`bench.processes.device`), a collector and Mosquitto run as processes. A schedule
is a random series of faults: processes are killed and stopped, connections cut and stalled, the database's
disk is full, and a stranger sends nonsense, odd properties and sparse runs. In half of the schedules, cards
are full, copied into further boards and put back to older copies; in the other half, the database is put
back. (A device whose disk is full deletes delivered records, which a database that is put back would lack.)
With PostgreSQL, several collectors share a server. It is killed, stopped and paused, and its connections are
ended; in half of the schedules it has a synchronous standby, which is promoted when it is killed.
After the faults of a schedule, nothing disturbs the devices until they are done. Then each record that a
device committed must be in the database with the same content, or refused and kept by its device; and no run
may be of two boards. A schedule that fails prints the command that repeats it: the faults and their order are
the same then, their times only nearly. `--shard` divides many schedules, and `--ledger` remembers those that
ended well.
"""

import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

import click

from bench.blows.kept import Kept, KeptInFile
from bench.blows.kept_in_postgres import KeptInPostgres
from bench.blows.world import World
from bench.commandline import needed
from bench.commandline.options import command, count
from bench.results.committed import Failed
from bench.results.schedules import Ledger, Shard, shard

STORES: Final[dict[str, Callable[[Path], Kept]]] = {"sqlite": KeptInFile, "postgres": KeptInPostgres}


class Played(NamedTuple):
    """Result of a schedule."""

    number: int
    records: int
    problem: str | None


def play(worlds: SimpleQueue[World], number: int, seed: int, keep: Path | None) -> Played:
    """Play a schedule in the first world that is free; keep what it leaves if it fails."""
    world = worlds.get()
    try:
        return Played(number, world.schedule(number, seed), None)
    except (Failed, subprocess.TimeoutExpired) as failed:
        if keep is not None:
            shutil.copytree(world.folder, keep / str(number), dirs_exist_ok=True)
        return Played(number, 0, str(failed))
    finally:
        worlds.put(world)


@command
@count("--schedules", 25, "Schedules to play.")
@click.option("--seed", type=int, default=0, show_default=True, help="Decides the faults of each schedule.")
@count("--first", 0, "Number of the first schedule.", least=0)
@count("--worlds", 1, "Schedules to play at the same time, each with a broker and collectors of its own.")
@click.option(
    "--store",
    type=click.Choice(list(STORES)),
    default="sqlite",
    show_default=True,
    help="What the collectors store in.",
)
@count("--collectors", 1, "Collectors that share a store; more than one need PostgreSQL.")
@click.option(
    "--shard",
    "part",
    metavar="K/N",
    callback=shard,
    default="1/1",
    show_default=True,
    help="Play only part K of N equal parts of the schedules.",
)
@click.option(
    "--ledger",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File that remembers the schedules that ended well: they are counted, and not played again.",
)
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for what schedules leave that fail [default: keep nothing].",
)
def main(
    schedules: int,
    seed: int,
    first: int,
    worlds: int,
    store: str,
    collectors: int,
    part: Shard,
    ledger: Path | None,
    keep: Path | None,
) -> None:
    """Play schedules of faults, and print how many failed; the exit status is 1 if one did."""
    if store == "sqlite" and collectors > 1:
        raise click.UsageError("several collectors need --store postgres")
    needed.mosquitto()
    if store == "postgres":
        needed.postgres()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # after the schedules under way
    chosen = "" if store == "sqlite" else f" --store {store} --collectors {collectors}"
    failures = 0
    begun = time.monotonic()
    numbers = part.part(range(first, first + schedules))
    played_before = Ledger(ledger, seed)
    waiting = [number for number in numbers if number not in played_before.records]
    records = sum(played_before.records.get(number, 0) for number in numbers)
    free: SimpleQueue[World] = SimpleQueue()
    kept: list[Kept] = []
    with ExitStack() as stack:
        for _ in range(worlds):
            # A collector that was killed leaves its upkeep process, which may write until it notices.
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="distilbench-chaos-", ignore_cleanup_errors=True)
            )
            world = World(Path(folder), STORES[store], collectors)
            stack.callback(world.close)
            free.put(world)
            kept.append(world.kept)
        threads = ThreadPoolExecutor(worlds)
        stack.callback(threads.shutdown, cancel_futures=True)
        for done, played in enumerate(
            threads.map(partial(play, free, seed=seed, keep=keep), waiting), start=1
        ):
            records += played.records
            if played.problem is not None:
                failures += 1
                print(played.problem)
                again = f"--schedules 1 --seed {seed} --first {played.number}{chosen}"
                print(f"  to repeat it: python -m bench.chaos {again}", flush=True)
            else:
                played_before.add(played.number, played.records)
            if done % 25 == 0:
                print(f"{done} schedules, {records} records", file=sys.stderr)
    took = time.monotonic() - begun
    promoted = "" if store == "sqlite" else f", {sum(each.promotions for each in kept)} promotions"
    print(f"{len(numbers)} schedules, {records} records, {failures} failures, {took:.0f} s{promoted}")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
