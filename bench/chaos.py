"""Whether random kills, restarts, cuts and floods of real processes lose a record or store one twice.

    python -m bench.chaos --schedules N --seed S

Two devices without a model (`bench.processes.device`), a collector and Mosquitto run as processes. A schedule
is a random series of faults: processes are killed and stopped, connections cut and stalled, the database's
disk is full, and a stranger sends nonsense, odd properties and sparse runs. In half of the schedules, cards
are full, copied into further boards and put back to older copies; in the other half, the database is put
back. (A device whose disk is full deletes delivered records, which a database that is put back would lack.)
After it, nothing disturbs the devices until they are done. Then each record that a device committed must be
in the database with the same content, or refused and kept by its device; and no run may be of two boards. A
schedule that fails prints the command that repeats it: the faults and their order are the same then, their
times only nearly. `--shard` divides many schedules, and `--ledger` remembers those that ended well.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue
from typing import Final, NamedTuple

import click

from bench.blows.backup import Backup
from bench.blows.board import Board
from bench.blows.disk import Disk
from bench.blows.parrot import Parrot
from bench.commandline import needed
from bench.commandline.options import command, count
from bench.processes.process import Process
from bench.results.committed import Failed
from bench.results.schedules import Ledger, Shard, shard
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

DEVICES: Final = 2
_CHAOS_SECONDS: Final = 2.0
_CALM_SECONDS: Final = 180.0
"""How long a board may take: to end its run, and to try twice for a minute to deliver (`--drain`)."""


class World:
    """A broker, a proxy and a collector, which run over many schedules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.disk = Disk(folder / "disk")
        self.database = self.disk.folder / "results.db"
        self.backup = Backup(self.database, folder / "backup.db")
        self.cards = Disk(folder / "cards")
        self.broker = Mosquitto(folder, lines=("allow_anonymous true", "max_queued_messages 100"))
        self.broker.start()
        self.proxy = Stalling(self.broker.port)
        self.collector = Process(
            folder / "collector.log",
            *("collector.__main__", "serve", "--broker", self.broker.url, "--db", str(self.database)),
            forked=True,
        )
        self.collector.start()

    def close(self) -> None:
        """End all three, and unmount the disks."""
        self.collector.end(signal.SIGKILL)
        self.proxy.close()
        self.broker.stop()
        self.disk.close()
        self.cards.close()

    def schedule(self, number: int, seed: int) -> int:
        """Play one schedule; returns how many records were checked.

        Raises:
            Failed: a record is lost or falsified, or not delivered.
        """
        rng = random.Random(f"{seed}/{number}")  # noqa: S311  # to be repeated
        url = f"mqtt://127.0.0.1:{self.proxy.port}"
        boards = [
            Board(
                *(f"{number}-{index}", self.cards.folder, self.folder),
                *(f"device-{index}", url, rng.randint(1, 2000)),
            )
            for index in range(DEVICES)
        ]
        self.backup.forget()
        try:
            for board in boards:
                board.process.start()
            parrot = Parrot(self.broker.port, rng, DEVICES)
            try:
                self._strike(boards, parrot, rng)
            finally:
                parrot.stop()
            self._calm(boards)
            return sum(board.check(self.database) for board in boards)
        finally:
            for board in boards:
                board.process.end(signal.SIGKILL)

    def _strike(self, boards: list[Board], parrot: Parrot, rng: random.Random) -> None:
        rare = rng.choice((self._blow_on_cards, self._blow_on_database))
        for board in boards:
            board.wait_for_results()
        time.sleep(rng.uniform(0.0, 0.7))
        end = time.monotonic() + _CHAOS_SECONDS
        if rare == self._blow_on_database:
            self.backup.make()
        else:
            for board in boards:
                board.back_up()
                board.process.start()
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.0, 0.5))
            rng.choice((self._blow, rare))(boards, parrot, rng)
            time.sleep(rng.uniform(0.0, 0.4))
            if rng.random() < 0.7:
                self._raise_up(boards)
        self._raise_up(boards)

    def _blow(self, boards: list[Board], parrot: Parrot, rng: random.Random) -> None:
        device = rng.choice(boards).process
        number = rng.choice((signal.SIGKILL, signal.SIGTERM))
        rng.choice(
            (
                lambda: device.end(number),
                lambda: device.end(signal.SIGKILL),
                lambda: self.collector.end(number),
                lambda: self.collector.end(signal.SIGKILL),
                self.broker.kill if number == signal.SIGKILL else self.broker.stop,
                self.proxy.cut,
                self.proxy.stall,
                parrot.flood,
                parrot.odd_properties,
                parrot.sparse_run,
                device.stop,
                self.collector.stop,
                self.broker.pause,
                self.disk.fill,
            )
        )()

    def _blow_on_cards(self, boards: list[Board], _parrot: Parrot, rng: random.Random) -> None:
        board = rng.choice(boards)
        blow = rng.choice(
            (
                board.put_back,
                lambda: boards.append(board.clone(f"{board.name}-{len(boards)}")),
                self.cards.fill,
            )
        )
        if blow != self.cards.fill:
            self.cards.free()
        blow()

    def _blow_on_database(self, _boards: list[Board], _parrot: Parrot, rng: random.Random) -> None:
        def restore() -> None:
            self.collector.end(signal.SIGTERM)
            self.backup.put_back()

        self.disk.free()
        rng.choice((restore, self.backup.put_back))()

    def _raise_up(self, boards: list[Board]) -> None:
        if not self.broker.running:
            self.broker.start()
        self.broker.resume()
        self.proxy.resume()
        self.disk.free()
        self.cards.free()
        self.collector.start()
        for board in boards:
            if board.process.code != 0:
                board.process.start()

    def _calm(self, boards: list[Board]) -> None:
        """Let the boards deliver; those with one identity one after the other, as they share a session."""
        for board in boards:
            board.process.end(signal.SIGTERM)
        identities: dict[str, list[Board]] = {}
        for board in boards:
            identities.setdefault(board.device_id, []).append(board)
        for turn in zip_longest(*identities.values()):
            self._deliver([board for board in turn if board is not None])

    def _deliver(self, boards: list[Board]) -> None:
        deadline = time.monotonic() + _CALM_SECONDS
        while boards:
            self.collector.start()  # it gives up when its broker is away at the start
            for board in boards:
                board.process.start()
            boards = [board for board in boards if board.process.wait(0.5) != 0]
            if boards and time.monotonic() > deadline:
                raise Failed(f"some records of {boards[0].name} got no receipt in time")


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
@count("--worlds", 1, "Schedules to play at the same time, each with a broker and a collector of its own.")
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
    schedules: int, seed: int, first: int, worlds: int, part: Shard, ledger: Path | None, keep: Path | None
) -> None:
    """Play schedules of faults, and print how many failed; the exit status is 1 if one did."""
    needed.mosquitto()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # after the schedules under way
    failures = 0
    begun = time.monotonic()
    numbers = part.part(range(first, first + schedules))
    played_before = Ledger(ledger, seed)
    waiting = [number for number in numbers if number not in played_before.records]
    records = sum(played_before.records.get(number, 0) for number in numbers)
    free: SimpleQueue[World] = SimpleQueue()
    with ExitStack() as stack:
        for _ in range(worlds):
            # A collector that was killed leaves its upkeep process, which may write until it notices.
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(prefix="distilbench-chaos-", ignore_cleanup_errors=True)
            )
            world = World(Path(folder))
            stack.callback(world.close)
            free.put(world)
        threads = ThreadPoolExecutor(worlds)
        stack.callback(threads.shutdown, cancel_futures=True)
        for done, played in enumerate(
            threads.map(partial(play, free, seed=seed, keep=keep), waiting), start=1
        ):
            records += played.records
            if played.problem is not None:
                failures += 1
                print(played.problem)
                again = f"--schedules 1 --seed {seed} --first {played.number}"
                print(f"  to repeat it: python -m bench.chaos {again}", flush=True)
            else:
                played_before.add(played.number, played.records)
            if done % 25 == 0:
                print(f"{done} schedules, {records} records", file=sys.stderr)
    took = time.monotonic() - begun
    print(f"{len(numbers)} schedules, {records} records, {failures} failures, {took:.0f} s")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
