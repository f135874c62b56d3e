"""Imports results files that an agent wrote, with one batch per line."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from collector.errors import BadInput
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store

LINES_AT_ONCE: Final = 200
LONGEST_LINE_BYTES: Final = 64 * 1_048_576


class Counts:
    """How many of a file's records were new or known, and how many messages were rejected."""

    def __init__(self) -> None:
        self.stored = self.duplicates = self.rejected = 0


def ingest_file(store: Store, path: Path) -> Counts:
    """Import a results file. Importing it again changes nothing.

    Raises:
        BadInput: the file cannot be read, or has a line longer than `LONGEST_LINE_BYTES`.
        StorageUnavailable: the database cannot be written now. Earlier lines are stored, and the whole file
            may be tried again.
    """
    counts = Counts()
    group: list[Delivery] = []
    for delivery in _lines(path):
        group.append(delivery)
        if len(group) == LINES_AT_ONCE:
            _ingest_group(store, group, counts)
            group = []
    _ingest_group(store, group, counts)
    return counts


def _ingest_group(store: Store, group: list[Delivery], counts: Counts) -> None:
    if group:
        outcome = ingest(store, group)
        counts.stored += outcome.stored
        counts.duplicates += outcome.duplicates
        counts.rejected += outcome.rejected


def _lines(path: Path) -> Iterator[Delivery]:
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(LONGEST_LINE_BYTES):
                number += 1
                if len(line) == LONGEST_LINE_BYTES:
                    raise BadInput(f"line {number} of {str(path)!r} is too long for a results file")
                if line.strip():
                    yield Delivery(f"{path.name}:{number}", line.strip())
    except OSError as error:
        raise BadInput(f"results file {str(path)!r} cannot be read: {error.strerror}") from None
