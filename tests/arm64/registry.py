"""Tests that a device can install from binary wheels only. It needs the registry: `make arm64` runs it."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from commandline.counted import counted
from tests.arm64.inputs import make_wheel
from tests.arm64.installation import MAX_INSTALL_MB

PLATFORMS = (
    "manylinux_2_28_aarch64",
    "manylinux_2_27_aarch64",
    "manylinux_2_17_aarch64",
    "manylinux2014_aarch64",
)


@pytest.mark.parametrize("version", ["3.11", "3.13"])
def test_a_pi_installs_binary_wheels_only_and_few_megabytes(version: str, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path / "dist")
    pip: list[str | Path] = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--only-binary=:all:",
        "--python-version",
        version,
    ]
    platforms = [part for platform in PLATFORMS for part in ("--platform", platform)]
    where: list[str | Path] = ["--implementation", "cp", "--dest", tmp_path / "wheels", wheel]
    done = subprocess.run([*pip, *platforms, *where], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = [path.name for path in (tmp_path / "wheels").iterdir()]
    assert all(name.endswith(("_aarch64.whl", "-none-any.whl")) for name in names), names
    assert not any(name.startswith(("torch-", "transformers-")) for name in names)
    unpacked = sum(
        entry.file_size
        for path in (tmp_path / "wheels").iterdir()
        for entry in zipfile.ZipFile(path).infolist()
    )
    assert unpacked / 1e6 <= MAX_INSTALL_MB, counted(len(names), "wheel")
