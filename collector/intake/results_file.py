"""Imports results files that an agent wrote, with one batch per line."""

import os
import stat
import zlib
from collections.abc import Iterator
from gzip import BadGzipFile, GzipFile
from io import BufferedReader
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from collector.errors import BadInput
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from contract.codec import printable
from contract.errors import Malformed, TooNew
from contract.foreign.encodings import GZIP, UTF8_MARK, encoding_of, kind_of
from contract.messages import MAX_MESSAGE_BYTES, Batch, decode_message

LINES_AT_ONCE: Final = 200
BYTES_AT_ONCE: Final = 8 * 1_048_576

_START_BYTES: Final = 64
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)


class Counts:
    """How many of a file's records were new or known, and how many messages were rejected."""

    def __init__(self) -> None:
        self.stored = self.duplicates = self.rejected = 0
        self.cut_off: str | None = None
        """A sentence if the end of the file is missing."""

    @property
    def complete(self) -> bool:
        """Whether everything of the file is stored."""
        return not self.rejected and self.cut_off is None


class ResultsFile:
    """A results file that is open, and whose first lines hold a result.

    It may be compressed by gzip, begin with a byte-order mark, and end in the middle of a line. Memory does
    not grow with the file or its lines.

    Raises:
        BadInput: the file cannot be read, or none of its first lines is a batch of results.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._cut_off: str | None = None
        self._groups = _groups(self._lines())
        self._first = next(self._groups, [])
        if not any(map(_is_result, self._first)):
            raise self._refusal(self._why_none())

    def ingest(self, store: Store) -> Counts:
        """Store the results. Doing it again with the same file changes nothing.

        Raises:
            BadInput: the file cannot be read to its end. Earlier lines are stored.
            StorageUnavailable: the database cannot be written now. Earlier lines are stored, and the whole
                file may be tried again.
        """
        counts = Counts()
        for group in chain([self._first], self._groups):
            outcome = ingest(store, group)
            counts.stored += outcome.stored
            counts.duplicates += outcome.duplicates
            counts.rejected += outcome.rejected
        counts.cut_off = self._cut_off
        return counts

    def _lines(self) -> Iterator[Delivery]:
        number = 0
        try:
            with _opened(self._path) as file, self._unpacked(file) as content:
                while line := content.readline(MAX_MESSAGE_BYTES + 1):
                    number += 1
                    rest = line
                    # Of a line that is too long for a message, its beginning is enough.
                    while rest and not rest.endswith(b"\n"):
                        rest = content.readline(MAX_MESSAGE_BYTES)
                    if number == 1:
                        line = line.removeprefix(UTF8_MARK)
                    if _is_cut_off(line):
                        self._cut_off = f"line {number}, the last one, is cut off: copy the file again"
                    elif line.strip():
                        yield Delivery(f"{printable(self._path.name)}:{number}", line.strip())
        except (EOFError, BadGzipFile, zlib.error):
            self._cut_off = f"its gzip data is damaged or cut off after line {number}: copy the file again"
        except OSError as error:
            raise BadInput(f"results file {str(self._path)!r} cannot be read: {error.strerror}") from None

    def _unpacked(self, file: BufferedReader) -> BufferedReader | GzipFile:
        start = file.peek(_START_BYTES)[:_START_BYTES]
        if start.startswith(GZIP):
            return GzipFile(fileobj=file)
        if kind := kind_of(start):
            raise self._refusal(f"it is {kind}")
        if (encoding := encoding_of(start)) != "utf-8" and start.strip(b"\0"):
            raise self._refusal(f"it is {encoding[:6].upper()} text: save it as UTF-8")
        return file

    def _why_none(self) -> str:
        if self._first:
            return "none of its first lines is a batch of results"
        return self._cut_off or "it holds no result"

    def _refusal(self, why: str) -> BadInput:
        return BadInput(f"{str(self._path)!r} is not a results file: {why}. Nothing was stored")


def ingest_file(store: Store, path: Path) -> Counts:
    """Open and ingest a results file; see `ResultsFile`."""
    return ResultsFile(path).ingest(store)


def _is_result(delivery: Delivery) -> bool:
    try:
        return isinstance(decode_message(delivery.data), Batch)
    except TooNew:
        return True
    except Malformed:
        return False


def _is_cut_off(line: bytes) -> bool:
    """Whether a line is the beginning of a JSON object without its end."""
    if line.endswith(b"\n") or len(line) > MAX_MESSAGE_BYTES or not line.startswith(b"{"):
        return False
    try:
        _RAW.decode(line)
    except msgspec.DecodeError as error:
        return "truncated" in str(error)
    except UnicodeDecodeError:
        return True  # in the middle of a character
    except RecursionError:
        return False  # no message is nested so deeply, whole or not
    return False


def _groups(lines: Iterator[Delivery]) -> Iterator[list[Delivery]]:
    """The lines that are stored in one transaction."""
    group: list[Delivery] = []
    size = 0
    for delivery in lines:
        group.append(delivery)
        size += len(delivery.data)
        if len(group) == LINES_AT_ONCE or size >= BYTES_AT_ONCE:
            yield group
            group, size = [], 0
    if group:
        yield group


def _opened(path: Path) -> BufferedReader:
    """Open a plain file, or a pipe to which a program writes."""
    # Without O_NONBLOCK, opening a pipe waits for a program that writes to it.
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(descriptor, True)
    mode = os.fstat(descriptor).st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        os.close(descriptor)
        raise BadInput(f"{str(path)!r} is neither a file nor a pipe")
    return os.fdopen(descriptor, "rb")
