"""Standard output and standard error of a program whose reader may go away, as with `| head`.

Output is what a command is for: if nobody reads it any more, the command may end. Standard error is talk: a
program that measures, trains or serves for hours must not end because the terminal or the log is gone.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any, TextIO, cast

import click


class ReaderGone(Exception):
    """Standard output was closed by whoever read it."""


class OutputFailed(Exception):
    """Standard output cannot be written, for instance because the disk is full."""


class _Output:
    """Standard output that raises errors which no library takes for its own.

    click and rich each end the program with status 1 at a BrokenPipeError, without asking whose pipe it is.
    """

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def buffer(self) -> "_Output":
        """The bytes below the text."""
        return _Output(cast(TextIO, self._stream).buffer)

    def write(self, data: Any) -> int:
        """Write text or bytes, or raise ReaderGone or OutputFailed."""
        try:
            return self._stream.write(data)
        except OSError as error:
            raise _named(error) from None

    def flush(self) -> None:
        """Hand over what is buffered, or raise ReaderGone or OutputFailed."""
        try:
            self._stream.flush()
        except OSError as error:
            raise _named(error) from None


class _Talk:
    """Standard error that takes everything; what cannot be written is lost."""

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
        """Hand over what is buffered if that is possible."""
        try:
            self._stream.flush()
        except OSError:
            return


@contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard both streams for the length of the block; afterwards nothing is left in them that could fail."""
    before = sys.stdout, sys.stderr
    output, talk = cast(tuple[TextIO | None, TextIO | None], before)  # None if the descriptor is closed
    if output is not None:
        sys.stdout = cast(TextIO, _Output(output))
    if talk is not None:
        sys.stderr = cast(TextIO, _Talk(talk))
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for stream in (output, talk):
            if stream is not None:
                _settle(stream)


def print_or_drop(line: object) -> None:
    """Print a line of a command that has more to do: if its reader has gone, the command does the rest."""
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
    except OSError:  # it would fail again when Python ends, as an error of the program
        _discard(stream)


def _discard(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
