"""Guards of standard output and standard error for the case that their reader goes away, as with `| head`.

If nobody reads standard output any more, the command may end. Standard error is different: a program that
measures, trains or serves for hours must not end because the terminal or the log is gone.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

import click


class ReaderGone(Exception):
    """The reader of standard output has closed it."""


class OutputFailed(Exception):
    """Standard output cannot be written, for instance because the disk is full."""


class _Output:
    """Standard output with errors of its own, which no library handles.

    click and rich end the program with status 1 at any BrokenPipeError, whichever pipe broke.
    """

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> "_Output":
        """The binary stream below the text stream."""
        return _Output(cast(TextIO, self._stream).buffer)

    def write(self, data: Any) -> int:
        """Write text or bytes, or raise ReaderGone or OutputFailed."""
        try:
            return self._stream.write(data)
        except OSError as error:
            raise _named(error) from None

    def flush(self) -> None:
        """Write what is buffered, or raise ReaderGone or OutputFailed."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _named(error) from None


class _ErrorOutput:
    """Standard error that never fails; text that cannot be written is dropped."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write text if that is possible."""
        try:
            return self._stream.write(text)
        except OSError:
            return len(text)

    def flush(self) -> None:
        """Write what is buffered if that is possible."""
        try:
            self._stream.flush()
        except OSError:
            return


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard both streams during the block. Afterwards, nothing is buffered that could fail to be written."""
    before = sys.stdout, sys.stderr
    output, errors = cast(tuple[TextIO | None, TextIO | None], before)  # None if the descriptor is closed
    if output is not None:
        sys.stdout = cast(TextIO, _Output(output))
    if errors is not None:
        sys.stderr = cast(TextIO, _ErrorOutput(errors))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in (output, errors):
            if stream is not None:
                _settle(stream)


def print_or_drop(line: object) -> None:
    """Print a line, or drop it if its reader has gone, so that a command can do the rest of its work."""
    try:
        click.echo(line)
    except ReaderGone:
        _discard(sys.stdout)


def _named(error: OSError) -> Exception:
    if isinstance(error, BrokenPipeError):
        return ReaderGone()
    return OutputFailed(f"cannot write to standard output: {error.strerror}")


def _settle(stream: TextIO) -> None:
    try:
        stream.flush()
    except OSError:  # it would fail again when Python ends, and look like an error of the program
        _discard(stream)


def _discard(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
