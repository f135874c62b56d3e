"""What takes long to make is made once, for all the processes that run tests."""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def once(folders: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A folder of the session, filled by the first process that asks for it; others wait until it is whole.

    Tests must leave it as it is: they share it.

    Args:
        folders: pytest's own.
        name: of the folder.
        make: fills the folder, which exists and is empty.
    """
    base = folders.getbasetemp()
    if base.name == f"popen-{os.environ.get('PYTEST_XDIST_WORKER')}":
        base = base.parent  # a process that shares the tests has a folder of its own in the session's
    folder, whole = base / name, base / f"{name}.whole"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not whole.exists():
            shutil.rmtree(folder, ignore_errors=True)  # a try that failed
            folder.mkdir()
            make(folder)
            whole.touch()
    return folder
