"""The files of `deploy/` and the board's script, which the wheel contains and a clone has in their place."""

from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parent
_CLONE: Final = _HERE.parents[1]
BOARD: Final = _HERE / "board"
"""The folder of what boards run: the script `join.sh`."""


def clone() -> Path | None:
    """Return the clone of distilbench that this program runs from; None if it was installed from a wheel."""
    return _CLONE if (_CLONE / "pyproject.toml").is_file() and (_CLONE / "deploy").is_dir() else None


def mosquitto_file(name: str) -> Path:
    """Return the path of a file of `deploy/mosquitto`."""
    return _deploy() / "mosquitto" / name


def installer() -> Path:
    """Return the path of the agent's installer, whose parts the board's script uses."""
    return _deploy() / "install-agent.sh"


def unit_file(name: str) -> Path:
    """Return the path of a unit for systemd, of `deploy/systemd`; the file need not exist."""
    return _deploy() / "systemd" / name


def constraints() -> Path:
    """Return the path of the list of package versions that were tested together."""
    root = clone()
    return (root or _HERE / "deploy") / "constraints.txt"


def _deploy() -> Path:
    root = clone()
    return _HERE / "deploy" if root is None else root / "deploy"
