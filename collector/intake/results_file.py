"""Imports results files that an agent wrote, with one batch per line."""

import os
import stat
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Final

from collector.errors import BadInput
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from contract.errors import Malformed, TooNew
from contract.messages import MAX_MESSAGE_BYTES, decode_message

LINES_AT_ONCE: Final = 200
BYTES_AT_ONCE: Final = 8 * 1_048_576


class Counts:
    """How many of a file's records were new or known, and how many messages were rejected."""

    def __init__(self) -> None:
        self.stored = self.duplicates = self.rejected = 0


def ingest_file(store: Store, path: Path) -> Counts:
    """Import a results file. Importing it again changes nothing. Memory does not grow with file or lines.

    Raises:
        BadInput: the file cannot be read, or none of its first lines is a message: nothing of it is stored.
        StorageUnavailable: the database cannot be written now. Earlier lines are stored, and the whole file
            may be tried again.
    """
    counts = Counts()
    groups = _groups(path)
    first = next(groups, [])
    if first and not any(map(_is_message, first)):
        raise BadInput(
            f"{str(path)!r} is not a results file: none of its first lines is a message. Nothing was stored"
        )
    for group in chain([first] if first else [], groups):
        outcome = ingest(store, group)
        counts.stored += outcome.stored
        counts.duplicates += outcome.duplicates
        counts.rejected += outcome.rejected
    return counts


def _is_message(delivery: Delivery) -> bool:
    try:
        decode_message(delivery.data)
    except TooNew:
        return True
    except Malformed:
        return False
    return True


def _groups(path: Path) -> Iterator[list[Delivery]]:
    """The lines that are stored in one transaction."""
    group: list[Delivery] = []
    size = 0
    for delivery in _lines(path):
        group.append(delivery)
        size += len(delivery.data)
        if len(group) == LINES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _lines(path: Path) -> Iterator[Delivery]:
    try:
        with _opened(path) as file:
            number = 0
            while line := file.readline(MAX_MESSAGE_BYTES + 1):
                number += 1
                rest = line
                while rest and not rest.endswith(b"\n"):  # too long for a message: its beginning is enough
                    rest = file.readline(MAX_MESSAGE_BYTES)
                if line.strip():
                    yield Delivery(f"{path.name}:{number}", line.strip())
    except OSError as error:
        raise BadInput(f"results file {str(path)!r} cannot be read: {error.strerror}") from None


def _opened(path: Path) -> IO[bytes]:
    """Open a plain file, or a pipe to which a program writes."""
    # Without O_NONBLOCK, opening a pipe waits for a program that writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        os.close(descriptor)
        raise BadInput(f"{str(path)!r} is neither a file nor a pipe")
    return os.fdopen(descriptor, "rb")
