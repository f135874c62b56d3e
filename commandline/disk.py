"""Operations on files and folders that the standard library does not have."""

import ctypes
import errno
import os
import shutil
import stat
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Final

_HERE: Final = -100  # AT_FDCWD of Linux's fcntl.h
_RENAME_EXCHANGE: Final = 2  # of Linux's stdio.h
_RENAME_SWAP: Final = 2  # of macOS's stdio.h
_SYNCS: Final = 9
_BLOCK_BYTES: Final = 4096


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


def lacks_locks(error: OSError) -> bool:
    """Whether an error of `flock` means that the file system has no locks, as some network shares have none.

    NFS cannot lock what is open for reading only, such as a folder (EBADF).
    """
    return error.errno in {errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EBADF}


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
