"""Operations on files and folders that the standard library does not have."""

import ctypes
import errno
import fcntl
import logging
import os
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import IO, Final, TypeVar

from contract.bundle import MANIFEST_FILE, MAX_MANIFEST_BYTES, MODEL_FILE, TOKENIZER_FILE, decode_manifest
from contract.codec import printable
from contract.errors import ContractError, Malformed
from contract.foreign.encodings import SQLITE

T = TypeVar("T")

_HERE: Final = -100  # AT_FDCWD of Linux's fcntl.h
_RENAME_EXCHANGE: Final = 2  # of Linux's stdio.h
_RENAME_SWAP: Final = 2  # of macOS's stdio.h
_SYNCS: Final = 9
_BLOCK_BYTES: Final = 4096
_QUIET_SECONDS: Final = 3.0
_OFTEN_SECONDS: Final = 0.001
_SELDOM_SECONDS: Final = 0.02
_OFTEN_UNTIL_SECONDS: Final = 10.0
_NAME_CHARS: Final = 50  # of a file, in the names of its drafts: all of it may be too long
_LOG: Final = logging.getLogger(__name__)
PRIVATE: Final = 0o600
"""The mode of a file that only its user may read and write."""


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


def decoded(
    path: Path, most_bytes: int, what: str, decode: Callable[[bytes], T], refusal: Callable[[str], Exception]
) -> T:
    """Read and decode a file that the user has named.

    Args:
        path: the file.
        most_bytes: no more is read of it, so that the decoder finds a larger one too large or cut off.
        what: what the file is, such as `plan`, for the message.
        decode: decodes its bytes.
        refusal: makes the error to raise of one sentence.

    Raises:
        Exception: made by `refusal`: the file cannot be read, or it is `Malformed`.
    """
    shown = f"'{printable(str(path))}'"
    try:
        with path.open("rb") as file:
            return decode(file.read(most_bytes))
    except OSError as error:
        raise refusal(f"cannot read the {what} {shown}: {error.strerror}") from None
    except Malformed as error:
        raise refusal(f"{shown}: {error}") from None


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


@contextmanager
def replacing(path: Path, mode: int = PRIVATE, *, denied: int = 0) -> Iterator[IO[bytes]]:
    """Write a new content for a file, which replaces the old one when the block ends; or create the file.

    Readers find the whole old content or the whole new one, which is on the disk then. After an error they
    find the old one. A link is followed. The file keeps its mode, and its owner if this user may give it
    away.

    Args:
        path: the file.
        mode: the mode of a file that is created.
        denied: permissions that the file does not keep.

    Raises:
        OSError: the file cannot be written, or the path is something else than a plain file, or a database,
            which the user hardly meant to be replaced (EINVAL).
    """
    target = Path(os.path.realpath(path))
    try:
        before = target.lstat()
    except FileNotFoundError:
        before = None
    if before is not None and not stat.S_ISREG(before.st_mode):
        raise OSError(errno.EINVAL, "not a plain file", str(path))
    if before is not None and _is_database(target):
        raise OSError(errno.EINVAL, "it is a database, which is not replaced: name another file", str(path))
    descriptor, name = tempfile.mkstemp(".part", f".{target.name[:_NAME_CHARS]}.", target.parent)
    draft = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            with suppress(PermissionError):  # not this user's to give away, or a file system without modes
                if before is not None:
                    mode = stat.S_IMODE(before.st_mode)
                    os.fchown(descriptor, before.st_uid, before.st_gid)
            with suppress(PermissionError):
                os.fchmod(descriptor, mode & ~denied)
            os.fsync(descriptor)
        draft.replace(target)
    except BaseException:
        with suppress(OSError):
            draft.unlink()
        raise
    sync_folder(target.parent)


def _is_database(path: Path) -> bool:
    """Whether a plain file is an SQLite database; one that cannot be read is none."""
    try:
        with path.open("rb") as file:
            return file.read(len(SQLITE)) == SQLITE
    except OSError:
        return False


def write_whole(path: Path, data: bytes, mode: int = PRIVATE) -> None:
    """Replace a file by one with this content, or create it; see `replacing`.

    Raises:
        OSError: as `replacing` raises it.
    """
    with replacing(path, mode) as file:
        file.write(data)


def public_mode() -> int:
    """The mode of a new file that is meant for others too: what the user's umask allows."""
    denied = os.umask(0)
    os.umask(denied)
    return 0o666 & ~denied


def sync_folder(folder: Path) -> None:
    """Bring the names of a folder's files to the disk; do nothing if the file system cannot do that.

    Raises:
        OSError: the folder cannot be opened, or its disk reports an error.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Network shares have ways of their own.
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.ENOSYS}:
            raise
    finally:
        os.close(descriptor)


def not_replaceable(place: Path) -> str | None:
    """Why what is at a path must not be replaced by a new bundle, as the end of a sentence; None if it may.

    Replacing a folder deletes the old one. So it must be a folder and no link, and hold a bundle only.

    Raises:
        OSError: the folder cannot be read.
    """
    if not os.path.lexists(place):
        return None
    if place.is_symlink() or not place.is_dir() or not (place / MANIFEST_FILE).is_file():
        return "already exists and is not a bundle"
    stranger = stranger_in(place)
    return None if stranger is None else f"holds '{printable(stranger)}', which is not part of the bundle"


def stranger_in(folder: Path) -> str | None:
    """The name of something in a folder that is no file of its bundle; None if there is nothing else.

    If the manifest is missing or damaged, only the files that every bundle has are those of a bundle.

    Raises:
        OSError: the folder cannot be read.
    """
    own = {MANIFEST_FILE, MODEL_FILE, TOKENIZER_FILE}
    with suppress(OSError, ContractError), os.fdopen(open_plain(folder / MANIFEST_FILE), "rb") as file:
        own.update(decode_manifest(file.read(MAX_MANIFEST_BYTES + 1)).files)
    with os.scandir(folder) as entries:
        others = (e.name for e in entries if e.name not in own or not e.is_file(follow_symlinks=False))
        return next(others, None)


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
    aside = Path(tempfile.mkdtemp(prefix=f".{place.name[:_NAME_CHARS]}.", dir=place.parent))
    place.rename(aside)  # over the new, empty folder
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
    logged = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = time.monotonic() - begun
            if give_up_seconds is not None and waited >= give_up_seconds:
                raise TimeoutError(f"{shown} is locked by {_holder(descriptor)}") from None
            if waited >= _QUIET_SECONDS and not logged:
                _LOG.warning("%s is locked by %s; waiting for it", shown, _holder(descriptor))
                logged = True
            time.sleep(_OFTEN_SECONDS if waited < _OFTEN_UNTIL_SECONDS else _SELDOM_SECONDS)
        else:
            return


def lock_if_possible(descriptor: int, shown: str, give_up_seconds: float) -> None:
    """Lock an open file as `lock` does; on a file system without locks, go on without one.

    Raises:
        TimeoutError: another process still has the lock.
    """
    try:
        lock(descriptor, shown, give_up_seconds)
    except OSError as error:
        if not lacks_locks(error):
            raise


def _holder(descriptor: int) -> str:
    """Return who has the lock of a file, as far as Linux says (proc(5), /proc/locks)."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError, ValueError):
        for line in Path("/proc/locks").read_text().splitlines():
            _, kind, *_, pid, place, _, _ = line.split()
            if kind == "FLOCK" and place.rpartition(":")[2] == inode and int(pid) > 0:
                return f"process {pid}, which may be stopped (see ps {pid})"
    return "another process, which may be stopped"
