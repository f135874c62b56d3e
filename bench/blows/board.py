"""A device of a schedule as a board with a card, which can be copied, and put back to an older copy."""

import shutil
import signal
import time
from pathlib import Path
from typing import Final

from bench.processes.process import Process
from bench.results.committed import Record, check, committed, kept

_POLL_SECONDS: Final = 0.05
_PAUSE_SECONDS: Final = 0.03
"""Between two commits, on average: a run takes a second or two, so that blows meet it."""


class Board:
    """A device without a model, its state folder and the log that it writes.

    Args:
        folder: the state folder.
        device_id: the id, which a clone has as well.
        url: address of the broker.
        records: how many records a run has.
    """

    def __init__(self, folder: Path, device_id: str, url: str, records: int) -> None:
        self.folder = folder
        self._given = device_id, url, records
        self._older = folder.with_name(f"{folder.name}-older")
        self._forgiven: set[Record] = set()
        self.process = Process(
            folder.with_suffix(".said"),
            *("bench.processes.device", "--state-dir", str(folder), "--device-id", device_id),
            *("--broker", url, "--records", str(records), "--pause", str(_PAUSE_SECONDS)),
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
            shutil.copytree(self.folder, self._older)

    def put_back(self) -> None:
        """Pull the plug and put the older card in, if there is one; give up what waits on the newer one."""
        self.process.end(signal.SIGKILL)
        if self._older.exists():
            waiting = kept(self.folder / "outbox.db", "receipted IS NULL")
            log = committed(self.folder.with_suffix(".log"))
            self._forgiven |= {record for record in log if (record.run_id, record.seq) in waiting}
            shutil.rmtree(self.folder)
            shutil.copytree(self._older, self.folder)

    def clone(self, folder: Path) -> "Board":
        """Pull the plug and copy the card into a second board."""
        self.process.end(signal.SIGKILL)
        if self._holds_results:
            shutil.copytree(self.folder, folder)
        return Board(folder, *self._given)

    @property
    def _holds_results(self) -> bool:
        log = self.folder.with_suffix(".log")
        return log.exists() and log.stat().st_size > 0

    def check(self, database: Path) -> int:
        """Return how many records the board has committed.

        Raises:
            Failed: one of them is neither stored nor kept.
        """
        return check(database, self.folder, self._forgiven)
