"""What tests need and a machine may lack: there they are skipped, but on CI, which installs it, they fail."""

import importlib
import os
import shutil
from typing import Any, NoReturn

import pytest

_SEARCHED = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
"""Servers such as Mosquitto are outside the path of most users."""


def program(*names: str) -> str:
    """Path of the first of these programs that is installed."""
    found = [path for name in names if (path := shutil.which(name, path=_SEARCHED))]
    return found[0] if found else missing(names[0])


def module(name: str) -> Any:
    """A module that only some installations have."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError:
        return missing(name)


def missing(name: str) -> NoReturn:
    """End the test, whose machine lacks this."""
    reason = f"{name} is not installed"
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}, and CI=true")
    pytest.skip(reason)
