"""Wheels of packages that are installed here: what a board needs, without internet."""

import zipfile
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement


def wheels_of(folder: Path, *names: str) -> Path:
    """Write the wheels of these packages and of all that they need into a new folder."""
    folder.mkdir()
    done: set[str] = set()
    waiting = [*names]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in done:
            continue
        done.add(name)
        _write(folder, name)
        for text in distribution(name).requires or ():
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return folder


def _write(folder: Path, name: str) -> None:
    installed = distribution(name)
    tags = [
        line.removeprefix("Tag: ")
        for line in (installed.read_text("WHEEL") or "").splitlines()
        if "Tag:" in line
    ]
    path = folder / f"{name.replace('-', '_')}-{installed.version}-{tags[-1]}.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in installed.files or ():
            real = Path(str(file.locate()))
            if ".." not in file.parts and file.suffix != ".pyc" and real.is_file():
                archive.write(real, str(file))
