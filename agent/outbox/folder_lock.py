"""The lock of a state folder: one agent works there at a time, and one that only serves gives way.

`agent serve` holds the folder for days, and another command must not fail because of that. So the file of the
lock says whether its holder serves. Another agent then holds a second file while it waits, and the one that
serves looks there about once a second. The system ends both locks with their processes.
"""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from agent.errors import StateBusy, StateUnusable
from contract.codec import printable

LOCK_FILE: Final = "lock"
WANTED_FILE: Final = "wanted"
GIVE_WAY_SECONDS: Final = 20.0
"""Longest wait for an agent that serves: it may have to end a connection to a slow broker."""
_FIRST_SECONDS: Final = 1.0
"""In this time, another agent that has just locked the folder says whether it serves, on a busy board too."""
_POLL_SECONDS: Final = 0.05
_SERVES: Final = b"serves"


@contextmanager
def locked(folder: Path, *, serving: bool = False) -> Iterator[None]:
    """Lock a state folder for the length of the block, so that no other agent works on it.

    Args:
        folder: the state folder.
        serving: whether this agent gives the folder up once `is_wanted` says that another one wants it.

    Raises:
        StateBusy: another agent works on it.
        StateUnusable: it cannot be locked.
    """
    descriptor = _opened(folder, LOCK_FILE)
    try:
        if not _got(folder, descriptor, serving):
            raise StateBusy(
                f"another agent is working with the state folder {_shown(folder)}: wait for it, or name "
                "another folder with --state-dir"
            )
        try:
            os.ftruncate(descriptor, len(_SERVES) if serving else 0)
            os.pwrite(descriptor, _SERVES if serving else b"", 0)
        except OSError as error:
            # Nobody would wait for this agent to give way, on a disk that is full.
            if serving:
                raise _unusable(folder, "use", error.strerror) from None
        yield
    finally:
        os.close(descriptor)


def is_wanted(folder: Path) -> bool:
    """Whether another agent waits for the folder that this one has locked.

    Raises:
        StateUnusable: that cannot be seen.
    """
    descriptor = _opened(folder, WANTED_FILE)
    try:
        return not _taken(folder, descriptor)
    finally:
        os.close(descriptor)


def _got(folder: Path, lock: int, serving: bool) -> bool:
    """Lock the folder, which an agent that serves does only if nobody else wants it."""
    if serving:
        return not is_wanted(folder) and _taken(folder, lock)
    return _taken(folder, lock) or _given(folder, lock)


def _given(folder: Path, lock: int) -> bool:
    """Wait until the holder of the lock gives it up, which it does only if it serves."""
    begun = time.monotonic()
    wanted = _opened(folder, WANTED_FILE)
    try:
        fcntl.flock(wanted, fcntl.LOCK_SH)  # shared: several may wait
        while not _taken(folder, lock):
            serves = os.pread(lock, len(_SERVES), 0) == _SERVES
            if time.monotonic() - begun > (GIVE_WAY_SECONDS if serves else _FIRST_SECONDS):
                return False
            time.sleep(_POLL_SECONDS)
        return True
    finally:
        os.close(wanted)


def _opened(folder: Path, name: str) -> int:
    try:
        return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _unusable(folder, "use", error.strerror) from None


def _taken(folder: Path, descriptor: int) -> bool:
    """Lock an open file, unless somebody else has locked it; returns whether it is locked now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        advice = f"{error.strerror}: name a folder on a disk of this machine with --state-dir"
        raise _unusable(folder, "lock", advice) from None
    return True


def _unusable(folder: Path, what: str, reason: str | None) -> StateUnusable:
    return StateUnusable(f"cannot {what} the state folder {_shown(folder)}: {reason}")


def _shown(folder: Path) -> str:
    return f"'{printable(str(folder))}'"
