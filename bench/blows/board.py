"""A device of a schedule as a board with a card, which can be copied, and put back to an older copy."""

import shutil
import signal
import time
from pathlib import Path
from typing import Final

from bench.processes.process import Process
from bench.results.committed import Record, check, committed, kept
from collector.store.database import Where

_POLL_SECONDS: Final = 0.05
_PAUSE_SECONDS: Final = 0.03
"""Between two commits, on average: a run takes a second or two, so that blows meet it."""


class Board:
    """A device without a model, its card and the log that it writes.

    Args:
        name: names its files.
        cards: the folder for its card, which is its state folder; this disk can be full.
        folder: the folder for its log, its output and the copy of its card.
        device_id: the id, which a clone has as well.
        url: address of the broker.
        records: how many records a run has.
    """

    def __init__(self, name: str, cards: Path, folder: Path, device_id: str, url: str, records: int) -> None:
        self.name = name
        self.device_id = device_id
        self._given = cards, folder, device_id, url, records
        self._card = cards / name
        self._log = folder / f"{name}.log"
        self._older = folder / f"{name}-older"
        self._forgiven: set[Record] = set()
        self.process = Process(
            folder / f"{name}.said",
            *("bench.processes.device", "--state-dir", str(self._card), "--device-id", device_id),
            *("--broker", url, "--records", str(records), "--pause", str(_PAUSE_SECONDS)),
            *("--log", str(self._log)),
            forked=True,
        )

    def wait_for_results(self) -> None:
        """Wait until it has committed something, or has ended."""
        while not self._holds_results and self.process.code is None:
            time.sleep(_POLL_SECONDS)

    def back_up(self) -> None:
        """Pull the plug and copy the card."""
        self.process.end(signal.SIGKILL)
        if self._holds_results:
            shutil.rmtree(self._older, ignore_errors=True)
            shutil.copytree(self._card, self._older)

    def put_back(self) -> None:
        """Pull the plug and put the older card in, if there is one; give up what waits on the newer one."""
        self.process.end(signal.SIGKILL)
        if self._older.exists():
            waiting = kept(self._card / "outbox.db", "receipted IS NULL")
            self._forgiven |= {
                record for record in committed(self._log) if (record.run_id, record.seq) in waiting
            }
            shutil.rmtree(self._card)
            shutil.copytree(self._older, self._card)

    def clone(self, name: str) -> "Board":
        """Pull the plug and copy the card into a second board, with a log of its own."""
        self.process.end(signal.SIGKILL)
        clone = Board(name, *self._given)
        if self._holds_results:
            shutil.copytree(self._card, clone._card)
        return clone

    @property
    def _holds_results(self) -> bool:
        return self._log.exists() and self._log.stat().st_size > 0

    @property
    def refused(self) -> int:
        """How many records on its card are refused."""
        return len(kept(self._card / "outbox.db", "refused IS NOT NULL"))

    def check(self, database: Where) -> int:
        """Return how many records the board has committed.

        Raises:
            Failed: one of them is neither stored nor kept.
        """
        return check(database, self._card, self._log, self._forgiven)
