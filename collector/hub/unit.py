"""The unit for systemd that runs a hub as the user who asks for it."""

import getpass
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from collector.hub.shipped import unit_file


def unit_for(folder: Path, options: Sequence[str] = ()) -> str:
    """Return `distilbench-hub.service` for this program and user, a folder, and further options."""
    place = folder.absolute()
    program = Path(sys.executable).parent / "collector"
    user = getpass.getuser()
    replaced = {
        "ExecStart=": shlex.join([str(program), "hub", "--dir", str(place), *options]).replace("%", "%%"),
        "User=": user,
        "Group=": "",
        "ReadWritePaths=": str(place),
        "StateDirectory=": "",
        "StateDirectoryMode=": "",
    }
    lines = []
    for line in unit_file("distilbench-hub.service").read_text().splitlines():
        key = next((key for key in replaced if line.startswith(key)), None)
        if key is None or line.startswith("#"):
            lines.append(line)
        elif replaced[key]:
            lines.append(f"{key}{replaced[key]}")
    return "\n".join(lines) + "\n"
