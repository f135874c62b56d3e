"""Wheels with nothing in them, for tests of how wheels are collected and served."""

import zipfile
from collections.abc import Sequence
from pathlib import Path


def fake_wheel(folder: Path, name: str, version: str, tag: str, needs: Sequence[str] = ()) -> Path:
    """Write a wheel that pip accepts."""
    info = f"{name}-{version}.dist-info"
    required = "".join(f"Requires-Dist: {need}\n" for need in needs)
    files = {
        f"{name}/__init__.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    path = folder / f"{name}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in (*files, f"{info}/RECORD")))
    return path


def wheel_folder(folder: Path) -> Path:
    """A folder with distilbench and a package that it needs, for two processors."""
    folder.mkdir()
    fake_wheel(folder, "distilbench", "0.1.0", "py3-none-any", ["needed"])
    for machine in ("x86_64", "aarch64"):
        fake_wheel(folder, "needed", "1.0", f"cp311-cp311-manylinux_2_28_{machine}")
    fake_wheel(folder, "stranger", "1.0", "py3-none-any")
    return folder
