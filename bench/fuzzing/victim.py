"""A database with a complete run, which no input may change."""

import faulthandler
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.intake.ingest import ingest
from collector.intake.stored_records import stored_records
from collector.serving.upkeep import bring_up_to_date
from collector.store.opening import open_store
from contract.messages import Batch
from contract.records import Record
from tests.collector.delivering import by_topic
from tests.collector.factory import batch, run_of_two_rounds, run_records

RUN: Final = "0" * 31 + "1"
OTHER: Final = "0" * 31 + "2"
_READS: Final = 2_000
"""After that many, the database is checked as a whole, summarised and made again: it grows."""
_HANGING_SECONDS: Final = 120


def batches(runs: Sequence[tuple[str, Sequence[Record]]] = ()) -> list[Batch]:
    """A run of one round and one of two, as messages."""
    return [
        batch(records, run_id)
        for run_id, records in runs or ((RUN, run_records()), (OTHER, run_of_two_rounds()))
    ]


class Victim:
    """A database that reads hostile input.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        faulthandler.register(signal.SIGALRM, chain=True)
        self._path = path
        self._reads = 0
        with open_store(path, create=True) as store:
            ingest(store, [by_topic(message) for message in batches()[:1]])
        self._whole = path.read_bytes()
        self.store = open_store(path)
        self._run = self._stored()

    def before(self) -> None:
        """Count a read, and end the process with a traceback if this read takes two minutes."""
        signal.alarm(_HANGING_SECONDS)
        if self._reads == _READS:
            self.close()
            self._path.write_bytes(self._whole)
            self.store = open_store(self._path)
            self._reads = 0
        self._reads += 1

    def check(self) -> None:
        """Check that the run is what it was."""
        signal.alarm(0)
        assert self._stored() == self._run, "a stored run was changed"

    def close(self) -> None:
        """Check the whole file, and close it."""
        try:
            self._check_all()
        finally:
            self.store.close()

    def _check_all(self) -> None:
        """Check the whole file, and summarise what it has taken."""
        assert self.store.value("PRAGMA integrity_check") == "ok"
        assert self.store.value("PRAGMA foreign_key_check") is None
        bring_up_to_date(self._path)

    def _stored(self) -> list[Record]:
        stream = self.store.value("SELECT stream FROM streams WHERE run_id = ?", RUN)
        return list(stored_records(self.store, stream))
