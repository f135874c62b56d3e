"""The hub's own wheel, built from a clone or packed from an installation, is one that pip installs."""

import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, PathDistribution
from pathlib import Path

import pytest

from collector.hub.wheels import own_wheel as module
from collector.hub.wheels.own_wheel import own_wheel
from collector.hub.wheels.pip import NoWheel, Pip

SHIPPED = {
    "collector/hub/board/join.sh",
    "collector/hub/deploy/constraints.txt",
    "collector/hub/deploy/install-agent.sh",
    "collector/hub/deploy/mosquitto/acl",
    "collector/hub/deploy/mosquitto/distilbench.conf",
    "collector/hub/deploy/systemd/distilbench-hub.service",
}


@pytest.mark.proof
def test_a_wheel_that_was_installed_is_packed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "built").mkdir()
    built = own_wheel(tmp_path / "built", Pip())
    assert set(zipfile.ZipFile(built).namelist()) >= SHIPPED
    site = _installed(built, tmp_path / "site")
    (info,) = site.glob("distilbench-*.dist-info")
    monkeypatch.setattr(module, "clone", lambda: None)
    monkeypatch.setattr(module, "distribution", lambda _name: PathDistribution(info))
    packed = own_wheel(tmp_path, Pip())
    again = _installed(packed, tmp_path / "again")
    names = {path.relative_to(site) for path in site.rglob("*") if path.is_file() and _own(path)}
    assert names == {path.relative_to(again) for path in again.rglob("*") if path.is_file() and _own(path)}
    assert (again / "agent" / "cli.py").read_bytes() == (site / "agent" / "cli.py").read_bytes()


def test_a_program_that_is_not_installed_has_no_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(_name: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr(module, "clone", lambda: None)
    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(NoWheel, match="collector hub --wheels FOLDER"):
        own_wheel(tmp_path, Pip())


def _own(path: Path) -> bool:
    """Whether the wheel has a file, and not the installer."""
    return path.name not in {"RECORD", "direct_url.json", "INSTALLER"} and "share" not in path.parts


def _installed(wheel: Path, folder: Path) -> Path:
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-compile", "--no-index"]
    subprocess.run([*pip, "--target", folder, wheel], check=True, capture_output=True)
    return folder
