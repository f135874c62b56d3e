"""A host name with several addresses, as the nodes of a broker's cluster have.

In this process `one_name` makes it known; `named` starts a program that knows it.
"""

import json
import runpy
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

NAME: Final = "brokers.test"
"""A name that no network has (RFC 6761)."""

Place = tuple[str, int]
"""An address, and the port that replaces the one that is asked for."""


def one_name(patch: pytest.MonkeyPatch, places: Sequence[Place]) -> None:
    """Let `NAME` lead to several places in this process."""
    patch.setattr(socket, "getaddrinfo", _knowing(places, socket.getaddrinfo))


def named(places: Sequence[Place], program: str, *arguments: str | Path) -> list[str]:
    """The command that runs a program for which `NAME` leads to several places, if any."""
    if not places:
        return [sys.executable, "-m", program, *map(str, arguments)]
    return [sys.executable, "-m", "tests.one_name", json.dumps(places), program, *map(str, arguments)]


def _knowing(places: Sequence[Place], real: Any) -> Any:
    def getaddrinfo(host: Any, port: Any, *rest: Any, **further: Any) -> Any:
        if host != NAME:
            return real(host, port, *rest, **further)
        return [found for place in places for found in real(*place, *rest, **further)]

    return getaddrinfo


if __name__ == "__main__":
    _, _places, _program, *_rest = sys.argv
    socket.getaddrinfo = _knowing(json.loads(_places), socket.getaddrinfo)
    sys.argv = [_program, *_rest]
    runpy.run_module(_program, run_name="__main__", alter_sys=True)
