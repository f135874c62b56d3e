"""Where the collectors of a schedule keep what they store, and the blows that strike it."""

import random
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Protocol

from bench.blows.backup import Backup
from bench.blows.disk import Disk
from bench.processes.process import Process
from collector.store.database import Where

Blow = Callable[[], None]


class Kept(Protocol):
    """What the collectors of a `World` keep; its blows are drawn like those on processes."""

    @property
    def where(self) -> Where:
        """What `--db` of the collectors names."""

    @property
    def loses(self) -> bool:
        """Whether its blows can lose what was acknowledged, which devices send again if they still can."""

    @property
    def promotions(self) -> int:
        """How often a standby has taken over."""

    @property
    def to_check(self) -> Where:
        """Where everything that was acknowledged can be read."""

    def begin(self, rng: random.Random) -> None:
        """Prepare it for a schedule."""

    def note(self) -> None:
        """Prepare it for its rare blows."""

    def blows(self) -> Sequence[Blow]:
        """Return the blows of every schedule."""

    def rare_blow(self, rng: random.Random, collectors: Sequence[Process]) -> Blow:
        """Return one of the blows of only some schedules."""

    def raise_up(self) -> None:
        """Let it work again."""

    def close(self) -> None:
        """Remove it."""


class KeptInFile:
    """A database of SQLite on a disk that can be full, which may be put back to a backup.

    Args:
        folder: the folder of the schedules.
    """

    loses: Final = True
    promotions: Final = 0

    def __init__(self, folder: Path) -> None:
        self._disk = Disk(folder / "disk")
        database = self._disk.folder / "results.db"
        self._backup = Backup(database, folder / "backup.db")
        self.where: Where = database

    @property
    def to_check(self) -> Where:
        """The file; see `Kept`."""
        return self.where

    def begin(self, _rng: random.Random) -> None:
        """Forget the backup; see `Kept`."""
        self._backup.forget()

    def note(self) -> None:
        """Make a backup; see `Kept`."""
        self._backup.make()

    def blows(self) -> Sequence[Blow]:
        """Fill the disk; see `Kept`."""
        return (self._disk.fill,)

    def rare_blow(self, rng: random.Random, collectors: Sequence[Process]) -> Blow:
        """Put the backup back, while collectors work or not; see `Kept`."""

        def restore() -> None:
            for collector in collectors:
                collector.end(signal.SIGTERM)
            self._backup.put_back()

        self._disk.free()
        return rng.choice((restore, self._backup.put_back))

    def raise_up(self) -> None:
        """Make room on the disk; see `Kept`."""
        self._disk.free()

    def close(self) -> None:
        """Unmount the disk; see `Kept`."""
        self._disk.close()
