"""Operations on files and folders that the standard library does not have."""

import ctypes
import errno
import fcntl
import logging
import os
import shutil
import stat
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Final

_HERE: Final = -100  # AT_FDCWD of Linux's fcntl.h
_RENAME_EXCHANGE: Final = 2  # of Linux's stdio.h
_RENAME_SWAP: Final = 2  # of macOS's stdio.h
_SYNCS: Final = 9
_BLOCK_BYTES: Final = 4096
_QUIET_SECONDS: Final = 3.0
_OFTEN_SECONDS: Final = 0.001
_SELDOM_SECONDS: Final = 0.02
_OFTEN_UNTIL_SECONDS: Final = 10.0
_LOG: Final = logging.getLogger(__name__)


def sync_seconds(folder: Path) -> float:
    """Measure how long a small synced write takes: the median of a few, in seconds.

    Raises:
        OSError: the folder cannot be written.
    """
    seconds = []
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-", buffering=0) as file:
        for _ in range(_SYNCS):
            started = time.perf_counter()
            file.write(bytes(_BLOCK_BYTES))
            os.fsync(file.fileno())
            seconds.append(time.perf_counter() - started)
    return median(seconds)


def open_plain(path: Path) -> int:
    """Open an untrusted path for reading: only a plain file, not a link to one, and not a pipe that blocks.

    Returns:
        A descriptor, for the caller to close.

    Raises:
        OSError: the path cannot be opened, is a link (ELOOP) or is not a plain file (EINVAL).
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    return descriptor


def put_in_place(draft: Path, place: Path) -> None:
    """Move a folder to its place. If the place is taken, exchange the folders: `draft` is then the old one.

    Programs that open the place find the complete old folder or the complete new one. Only if the system or
    file system cannot exchange folders (some network shares, exFAT), there is a moment without either.

    Args:
        draft: the new folder, on the same file system.
        place: the path that the folder gets.

    Raises:
        OSError: a folder cannot be moved.
    """
    if not place.exists():
        draft.rename(place)
        return
    if _exchanged(draft, place):
        return
    aside = place.with_name(f".{place.name}.old")
    shutil.rmtree(aside, ignore_errors=True)
    place.rename(aside)
    draft.rename(place)
    aside.rename(draft)


def _exchanged(draft: Path, place: Path) -> bool:
    library = ctypes.CDLL(None)
    names = (os.fsencode(draft), os.fsencode(place))
    try:
        if sys.platform == "linux":
            failed = library.renameat2(_HERE, names[0], _HERE, names[1], _RENAME_EXCHANGE)
        else:
            failed = library.renamex_np(*names, _RENAME_SWAP)
    except AttributeError:  # a C library from before this function
        return False
    return int(failed) == 0


def lock(descriptor: int, shown: str, give_up_seconds: float | None = None) -> None:
    """Lock an open file (flock), so that no other process can; the lock ends when the file is closed.

    While another process has the lock, this waits, and logs once who that is. It polls, since Python does not
    handle signals during a blocking flock: a stopped process would make this one deaf to SIGTERM. It polls
    often, since a process that takes a lock again and again leaves only milliseconds between.

    Args:
        descriptor: the open file.
        shown: what is locked, for people, such as `database 'results.db'`.
        give_up_seconds: how long to wait; None to wait for ever.

    Raises:
        TimeoutError: another process still has the lock; the message says which.
    """
    begun = time.monotonic()
    told = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - begun
            if give_up_seconds is not None and waited >= give_up_seconds:
                raise TimeoutError(f"{shown} is locked by {_holder(descriptor)}") from None
            if waited >= _QUIET_SECONDS and not told:
                _LOG.warning("%s is locked by %s; waiting for it", shown, _holder(descriptor))
                told = True
            time.sleep(_OFTEN_SECONDS if waited < _OFTEN_UNTIL_SECONDS else _SELDOM_SECONDS)
        else:
            return


def _holder(descriptor: int) -> str:
    """Return who has the lock of a file, as far as Linux says (proc(5), /proc/locks)."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, *_, pid, place, _, _ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(pid) > 0:
                return f"process {pid}, which may be stopped (see ps {pid})"
    return "another process, which may be stopped"
