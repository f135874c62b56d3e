"""The wheel of the distilbench that runs here: boards get the version of their hub."""

import base64
import hashlib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from collector.hub.shipped import clone
from collector.hub.wheels.pip import NoWheel, Pip

_LEFT_OUT: Final = frozenset({"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"})
"""What an installer adds to a wheel's own files (PEP 376, PEP 610)."""
_DATE: Final = (2020, 2, 2, 0, 0, 0)


def own_wheel(folder: Path, pip: Pip) -> Path:
    """Make the wheel of this installation in a folder; returns its path.

    Raises:
        NoWheel: it cannot be made.
    """
    root = clone()
    return _packed(folder) if root is None else _built(root, folder, pip)


def _built(root: Path, folder: Path, pip: Pip) -> Path:
    """Build the wheel of a clone."""
    # Without isolation pip downloads no build backend: that also works without internet.
    isolation = ["--no-build-isolation"] if find_spec("hatchling") else []
    pip.run("build its wheel", "wheel", *isolation, "--no-deps", "--wheel-dir", str(folder), str(root))
    return max(folder.glob("distilbench-*.whl"))


def _packed(folder: Path) -> Path:
    """Pack the installed files into a wheel again (the binary distribution format, PEP 427)."""
    try:
        installed = distribution("distilbench")
    except PackageNotFoundError:
        raise NoWheel(
            "the hub runs from a folder and not from an installation: give it a wheel with collector hub "
            "--wheels FOLDER"
        ) from None
    info = f"distilbench-{installed.version}.dist-info"
    wheel = folder / f"distilbench-{installed.version}-py3-none-any.whl"
    record = []
    try:
        with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(installed.files or (), key=str):
                outside = ".." in file.parts or file.is_absolute()
                if (
                    outside
                    or "__pycache__" in file.parts
                    or (file.parts[0] == info and file.name in _LEFT_OUT)
                ):
                    continue
                data = Path(str(file.locate())).read_bytes()
                archive.writestr(zipfile.ZipInfo(str(file), _DATE), data, zipfile.ZIP_DEFLATED)
                digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
                record.append(f"{file},sha256={digest},{len(data)}\n")
            record.append(f"{info}/RECORD,,\n")
            archive.writestr(zipfile.ZipInfo(f"{info}/RECORD", _DATE), "".join(record), zipfile.ZIP_DEFLATED)
    except OSError as error:
        raise NoWheel(f"the hub cannot pack its wheel: {error}") from None
    return wheel
