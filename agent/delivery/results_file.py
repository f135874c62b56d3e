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

from agent.errors import NotDelivered
from commandline.disk import PRIVATE, lock_if_possible, replacing
from contract.codec import printable

LOCK_SECONDS: Final = 20.0
"""Longest wait for another agent that writes to the same file."""


def extend(path: Path, messages: Iterable[bytes]) -> None:
    """Append messages to a file, all or none; they are on the disk when this returns.

    The file is copied, extended and renamed over the old one, so a reader never sees half a run. One agent
    does so at a time, and others wait for it. A link is followed.

    Raises:
        NotDelivered: the file cannot be written, is not a plain file, or another program keeps it locked.
    """
    target = Path(os.path.realpath(path))
    try:
        with _locked(target) as old, replacing(target) as new:
            shutil.copyfileobj(old, new)
            for message in messages:
                new.write(message + b"\n")
    except OSError as error:
        raise NotDelivered(
            f"cannot write results to '{printable(str(path))}': {error.strerror}; they are kept in the outbox"
        ) from None


@contextmanager
def _locked(path: Path) -> Iterator[IO[bytes]]:
    """Open the file, which is created if need be, and keep it locked: the very file that is at the path."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        descriptor, created = _open(path)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise OSError(errno.EINVAL, "not a plain file")
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


def _open(path: Path) -> tuple[int, bool]:
    """A descriptor to read and write, and whether the file was created."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # or a pipe would wait for its reader
    while True:
        try:
            return os.open(path, flags), False
        except FileNotFoundError:
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
