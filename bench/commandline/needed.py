"""What a benchmark needs besides Python: checked before it starts, so that it does not fail after an hour."""

import ctypes
import importlib
import os
import shutil
from pathlib import Path
from typing import Final

_SEARCHED: Final = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def program(name: str, package: str) -> str:
    """Path of a system program.

    Args:
        name: the program's file name.
        package: of Debian and Ubuntu, that contains it.

    Raises:
        SystemExit: it is not installed.
    """
    found = shutil.which(name, path=_SEARCHED)
    if found is None:
        raise SystemExit(f"bench: the program {name!r} is missing: {_advice(package)}")
    return found


def mosquitto() -> str:
    """Path of the broker Mosquitto.

    Raises:
        SystemExit: it is not installed.
    """
    return program("mosquitto", "mosquitto")


def postgres() -> None:
    """Check that the server of PostgreSQL is installed, which Debian has outside the path.

    Raises:
        SystemExit: it is not.
    """
    if not any(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        program("postgres", "postgresql")


def library(name: str, package: str, function: str) -> ctypes.CDLL:
    """A system library that has a function.

    Args:
        name: the library's file name.
        package: of Debian and Ubuntu, that contains it.
        function: that is called.

    Raises:
        SystemExit: it is not installed, or lacks the function.
    """
    try:
        opened = ctypes.CDLL(name)
    except OSError:
        raise SystemExit(f"bench: the library {name!r} is missing: {_advice(package)}") from None
    if not hasattr(opened, function):
        raise SystemExit(f"bench: the library {name!r} lacks {function!r}: a later version is needed")
    return opened


def packages(*names: str) -> None:
    """Import Python packages now that are used later.

    Raises:
        ModuleNotFoundError: one is not installed; `bench.commandline.ending` prints it.
    """
    for name in names:
        importlib.import_module(name)


def _advice(package: str) -> str:
    return f"install the package {package!r} (Debian and Ubuntu: sudo apt install {package})"
