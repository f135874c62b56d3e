"""What a schedule of `bench.chaos` disturbs: devices, a broker, collectors, and what these keep."""

import random
import signal
import time
from collections.abc import Callable
from itertools import zip_longest
from pathlib import Path
from typing import Final

from bench.blows.board import Board
from bench.blows.disk import Disk
from bench.blows.kept import Kept
from bench.blows.parrot import Parrot
from bench.processes.process import Process
from bench.results.committed import Failed
from tests.faults.proxy import Stalling
from tests.mosquitto import Mosquitto

DEVICES: Final = 2
_CHAOS_SECONDS: Final = 2.0
_CALM_SECONDS: Final = 180.0
"""How long a board may take: to end its run, and to try twice for a minute to deliver (`--drain`)."""


class World:
    """A broker, a proxy and collectors with one database, which run over many schedules.

    Args:
        folder: an empty folder, for everything.
        keep: makes the database in a folder.
        collectors: how many there are. Several share what arrives.
    """

    def __init__(self, folder: Path, keep: Callable[[Path], Kept], collectors: int) -> None:
        self.folder = folder
        self.kept = keep(folder)
        self.cards = Disk(folder / "cards")
        self.broker = Mosquitto(folder, lines=("allow_anonymous true", "max_queued_messages 100"))
        self.broker.start()
        self.proxy = Stalling(self.broker.port)
        share = ("--share", "chaos") if collectors > 1 else ()
        self.collectors = [
            Process(
                folder / f"collector-{number}.log",
                *("collector.__main__", "serve", "--broker", self.broker.url, "--db", str(self.kept.where)),
                *share,
                forked=True,
            )
            for number in range(1, collectors + 1)
        ]
        self._start_collectors()

    def close(self) -> None:
        """End all, and unmount the disks."""
        for collector in self.collectors:
            collector.end(signal.SIGKILL)
        self.proxy.close()
        self.broker.stop()
        self.kept.close()
        self.cards.close()

    def _start_collectors(self) -> None:
        for collector in self.collectors:
            collector.start()

    def schedule(self, number: int, seed: int) -> int:
        """Play one schedule; returns how many records were checked.

        Raises:
            Failed: a record is lost or falsified, refused for no reason, or not delivered.
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
        self.kept.begin(rng)
        try:
            for board in boards:
                board.process.start()
            parrot = Parrot(self.broker.port, rng, DEVICES)
            try:
                cards = self._strike(boards, parrot, rng)
            finally:
                parrot.stop()
            self._calm(boards)
            if not (cards or self.kept.loses) and (refused := sum(board.refused for board in boards)):
                raise Failed(f"{refused} records were refused, and no card was copied or put back")
            return sum(board.check(self.kept.to_check) for board in boards)
        finally:
            for board in boards:
                board.process.end(signal.SIGKILL)

    def _strike(self, boards: list[Board], parrot: Parrot, rng: random.Random) -> bool:
        """Strike for a while; returns whether cards could be struck."""
        cards = rng.choice((True, False))
        for board in boards:
            board.wait_for_results()
        time.sleep(rng.uniform(0.0, 0.7))
        end = time.monotonic() + _CHAOS_SECONDS
        if not cards:
            self.kept.note()
        else:
            for board in boards:
                board.back_up()
                board.process.start()
        while time.monotonic() < end:
            time.sleep(rng.uniform(0.0, 0.5))
            if rng.choice((True, False)):
                self._blow(boards, parrot, rng)
            elif cards:
                self._blow_on_cards(boards, rng)
            else:
                self.kept.rare_blow(rng, self.collectors)()
            time.sleep(rng.uniform(0.0, 0.4))
            if rng.random() < 0.7:
                self._raise_up(boards)
        self._raise_up(boards)
        return cards

    def _blow(self, boards: list[Board], parrot: Parrot, rng: random.Random) -> None:
        device = rng.choice(boards).process
        collector = rng.choice(self.collectors)
        number = rng.choice((signal.SIGKILL, signal.SIGTERM))
        rng.choice(
            (
                lambda: device.end(number),
                lambda: device.end(signal.SIGKILL),
                lambda: collector.end(number),
                lambda: collector.end(signal.SIGKILL),
                self.broker.kill if number == signal.SIGKILL else self.broker.stop,
                self.proxy.cut,
                self.proxy.stall,
                parrot.flood,
                parrot.odd_properties,
                parrot.sparse_run,
                device.stop,
                collector.stop,
                self.broker.pause,
                *self.kept.blows(),
            )
        )()

    def _blow_on_cards(self, boards: list[Board], rng: random.Random) -> None:
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

    def _raise_up(self, boards: list[Board]) -> None:
        if not self.broker.running:
            self.broker.start()
        self.broker.resume()
        self.proxy.resume()
        self.kept.raise_up()
        self.cards.free()
        self._start_collectors()
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
            self._start_collectors()  # one gives up when its broker or its database is away at the start
            for board in boards:
                board.process.start()
            boards = [board for board in boards if board.process.wait(0.5) != 0]
            if boards and time.monotonic() > deadline:
                raise Failed(f"some records of {boards[0].name} got no receipt in time")
