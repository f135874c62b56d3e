"""The unit for systemd that runs a hub as the user to whom its folder belongs."""

import pwd
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from collector.errors import BadInput
from collector.hub.shipped import unit_file

_PLAIN: Final = re.compile(r"[\w@+:,./=-]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def unit_for(folder: Path, options: Sequence[str] = ()) -> str:
    """Return `distilbench-hub.service` for this program, a hub's folder, its owner, and further options.

    Raises:
        BadInput: the folder or an option has a control character, which no line of a unit can have.
    """
    place = str(folder.absolute())
    words = ["hub", "--dir", place, *options]
    replaced = {
        # systemd replaces variables in the arguments only, and `$$` by one `$`.
        "ExecStart=": " ".join([_quoted(_program()), *(_quoted(word.replace("$", "$$")) for word in words)]),
        "User=": _owner(folder),
        "Group=": "",
        "ReadWritePaths=": _quoted(place),
        "StateDirectory=": "",
        "StateDirectoryMode=": "",
    }
    lines = [
        "# `collector hub --unit` printed this; print it again if the program or the hub's folder moves."
    ]
    shipped = unit_file("distilbench-hub.service").read_text()
    for line in shipped[shipped.index("[Unit]") :].splitlines():
        key = next((key for key in replaced if line.startswith(key)), None)
        if key is None:
            lines.append(line)
        elif replaced[key]:
            lines.append(f"{key}{replaced[key]}")
    return "\n".join(lines) + "\n"


def _program() -> str:
    """Return the path of this `collector`, which is not beside its Python after `pip install --user`."""
    called = Path(sys.argv[0]).absolute()
    here = Path(sys.executable).with_name("collector")
    return str(called if called.name == "collector" and called.is_file() else here)


def _owner(folder: Path) -> str:
    """Return the name of a folder's owner, also if root asks; the number of a user without a name."""
    number = folder.stat().st_uid
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _quoted(word: str) -> str:
    """Return a word as a line of a unit has it (systemd.syntax(7)).

    Raises:
        BadInput: it has a control character.
    """
    if _CONTROL.search(word):
        raise BadInput(f"a unit cannot have the control character in {word!r}: choose another name")
    word = word.replace("%", "%%")
    if _PLAIN.fullmatch(word):
        return word
    return '"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"'
