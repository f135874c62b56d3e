"""A file of results: the messages that a broker would get, one per line."""

import errno
import os
import shutil
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final

from agent.errors import BadInput, NotDelivered
from commandline.disk import PRIVATE, lock_if_possible, replacing
from contract.codec import printable
from contract.errors import Malformed, TooNew
from contract.foreign.encodings import UTF8_MARK
from contract.messages import MAX_MESSAGE_BYTES, Batch, decode_message

LOCK_SECONDS: Final = 20.0
"""Longest wait for another agent that writes to the same file."""


def extend(path: Path, messages: Iterable[bytes]) -> None:
    """Append messages to a file, all or none; they are on the disk when this returns.

    The file is copied, extended and renamed over the old one, so a reader never sees half a run. One agent
    does so at a time, and others wait for it. A link is followed. A file without a result is left alone.

    Raises:
        NotDelivered: the file cannot be written, holds something else than results, or another program keeps
            it locked.
    """
    target = Path(os.path.realpath(path))
    try:
        with _locked(target) as old, replacing(target) as new:
            _check_content(old)
            shutil.copyfileobj(old, new)
            if not _ends_a_line(old):
                new.write(b"\n")
            for message in messages:
                new.write(message + b"\n")
    except OSError as error:
        raise NotDelivered(
            f"cannot write results to '{printable(str(path))}': {error.strerror}; they are kept in the outbox"
        ) from None


def check_target(path: Path) -> None:
    """Return if a path is free, or that of a results file: before hours of work, rather than after them.

    Raises:
        BadInput: something else is there, or it cannot be written.
    """
    try:
        with os.fdopen(_open(Path(os.path.realpath(path)), create=False)[0], "rb") as file:
            _check_content(file)
    except FileNotFoundError:
        return
    except OSError as error:
        raise BadInput(f"cannot write results to '{printable(str(path))}': {error.strerror}") from None


def _check_content(file: IO[bytes]) -> None:
    """Check that an open file is empty or begins with a result."""
    first = file.readline(MAX_MESSAGE_BYTES + 1).removeprefix(UTF8_MARK)
    file.seek(0)
    try:
        if not first.strip() or isinstance(decode_message(first), Batch):
            return
    except TooNew:
        return
    except Malformed:
        pass
    raise OSError(errno.EINVAL, "it is not a results file: name another file")


def _ends_a_line(file: IO[bytes]) -> bool:
    if not file.seek(0, os.SEEK_END):
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open the file, which is created if need be, and keep it locked: the very file that is at the path."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        descriptor, created = _open(path)
        with os.fdopen(descriptor, "rb") as file:
            _lock(descriptor, deadline)
            if not _is_at(path, descriptor):
                continue  # the writer before has put another file in its place
            try:
                yield file
            except BaseException:
                if created and _is_at(path, descriptor):
                    path.unlink()
                raise
            return


def _open(path: Path, *, create: bool = True) -> tuple[int, bool]:
    """A descriptor of a plain file, to read and write, and whether the file was created."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # or a pipe would wait for its reader
    while True:
        try:
            descriptor = os.open(path, flags)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor, False
            os.close(descriptor)
            raise OSError(errno.EINVAL, "not a plain file")
        except FileNotFoundError:
            if not create:
                raise
            with suppress(FileExistsError):  # another agent was faster
                return os.open(path, flags | os.O_CREAT | os.O_EXCL, PRIVATE), True


def _lock(descriptor: int, deadline: float) -> None:
    try:
        lock_if_possible(descriptor, "the file", max(deadline - time.monotonic(), 0.0))
    except TimeoutError as error:
        raise OSError(errno.EAGAIN, str(error)) from None


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether an open file is still the one at its path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
