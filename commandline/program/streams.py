"""Guards of standard output and standard error: their reader may go away, or not know a character.

If nobody reads standard output any more, as with `| head`, the command may end. Standard error is different:
a program that measures, trains or serves for hours must not end because the terminal or the log is gone.
"""

import codecs
import os
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import IO, Any, Final, TextIO, cast

import click

from contract.codec import ascii_json, encode, json_text, printable

_SIMILAR: Final = str.maketrans(
    "─━\u2010\u2013\u2014\u2212│→←…·•\u00d7\u2018\u2019\u201c\u201d",
    "-" * 6 + "|><..*x" + "''" + '""',
)
"""ASCII for the rules, arrows and marks of tables, so that columns stay aligned."""
_REPLACING: Final = "distilbench.similar"


def _similar(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError), "streams encode"
    lacking = error.object[error.start : error.end]
    return lacking.translate(_SIMILAR).encode("ascii", "replace").decode(), error.end


codecs.register_error(_REPLACING, _similar)


class ReaderGone(Exception):
    """The reader of standard output has closed it."""


class OutputFailed(Exception):
    """Standard output cannot be written, for instance because the disk is full."""


class _Guarded:
    """A stream whose other attributes are those of the stream below it."""

    def __init__(self, stream: IO[Any]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @property
    def encoding(self) -> str | None:
        """The encoding of the stream; Latin-1, of which ASCII is a part, instead of ASCII.

        click would write UTF-8 to a stream that says ASCII, past the replacement of characters.
        """
        name: str | None = getattr(self._stream, "encoding", None)
        return "latin-1" if name is not None and codecs.lookup(name).name == "ascii" else name


class _Output(_Guarded):
    """Standard output with errors of its own, which no library handles.

    click and rich end the program with status 1 at any BrokenPipeError, whichever pipe broke.
    """

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


class _ErrorOutput(_Guarded):
    """Standard error that never fails; text that cannot be written is dropped."""

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
    """Guard both streams during the block. Afterwards, nothing is buffered that could fail to be written.

    A character that a stream's encoding lacks is replaced by one that is similar, or by a question mark, as a
    byte of a file's name that is no text is.
    """
    before = sys.stdout, sys.stderr
    output, errors = cast(tuple[TextIO | None, TextIO | None], before)  # None if the descriptor is closed
    for stream in (output, errors):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors=_REPLACING)
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


def print_laid_out(label: str, text: str) -> None:
    """Print a text after a label; on a terminal, in lines that begin below each other and break no word."""
    line = label + printable(text)
    if sys.stdout.isatty():
        line = textwrap.fill(
            line,
            shutil.get_terminal_size().columns,
            subsequent_indent=" " * len(label),
            break_long_words=False,
            break_on_hyphens=False,
        )
    click.echo(line)


def print_json(text: str) -> None:
    """Print JSON, escaped as ASCII if standard output is not UTF-8, so that nothing of it is lost."""
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    click.echo(text if codecs.lookup(encoding).name == "utf-8" else ascii_json(text), nl=False)


def print_json_line(value: object) -> None:
    """Print a value as one line of JSON, in which characters that a terminal would act on are escaped."""
    print_json(json_text(encode(value), -1))


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
