import json
import sys
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from commandline.program import installation
from commandline.program.installation import TORCH_INDEX, how_to_add
from tests.agent.conftest import ROOT


class Installed:
    """What `importlib.metadata` knows of an installation."""

    def __init__(self, url: str | None, installer: str = "pip", *, editable: bool = False) -> None:
        origin = None if url is None else json.dumps({"url": url, "dir_info": {"editable": editable}})
        self._files = {"INSTALLER": f"{installer}\n", "direct_url.json": origin}

    def read_text(self, name: str) -> str | None:
        return self._files[name]


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    file = tmp_path / "my wheels" / "distilbench-0.1.0-py3-none-any.whl"
    file.parent.mkdir()
    file.touch()
    return file


def installed(monkeypatch: pytest.MonkeyPatch, prefix: Path, what: Installed) -> None:
    monkeypatch.setattr(installation, "distribution", lambda name: what)
    monkeypatch.setattr(sys, "prefix", str(prefix))
    monkeypatch.setattr(sys, "executable", "/env/bin/python")


def test_a_clone_stays_editable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed(monkeypatch, tmp_path, Installed(tmp_path.as_uri(), editable=True))
    assert how_to_add("hub") == f"/env/bin/python -m pip install --editable '{tmp_path}[hub]'"


def test_a_wheel_is_named_with_its_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path) -> None:
    installed(monkeypatch, tmp_path, Installed(wheel.as_uri()))
    assert how_to_add("collector") == f"/env/bin/python -m pip install '{wheel}[collector]'"
    wheel.unlink()
    assert how_to_add("collector").endswith("pip install 'distilbench-VERSION-py3-none-any.whl[collector]'")


@pytest.mark.parametrize(
    ("file", "installer", "command"),
    [
        ("pipx_metadata.json", "pip", "pipx install --force '{}[collector]'"),
        ("uv-receipt.toml", "uv", "uv tool install --force '{}[collector]'"),
        ("pyvenv.cfg", "uv", "uv pip install --python /env/bin/python '{}[collector]'"),
    ],
)
def test_other_installers_are_used_again(
    file: str, installer: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path
) -> None:
    (tmp_path / file).touch()
    installed(monkeypatch, tmp_path, Installed(wheel.as_uri(), installer))
    assert how_to_add("collector") == command.format(wheel)


def test_what_brings_torch_brings_the_small_build(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, wheel: Path
) -> None:
    installed(monkeypatch, tmp_path, Installed(wheel.as_uri()))
    assert f"--extra-index-url {TORCH_INDEX}" in how_to_add("score")
    (tmp_path / "pipx_metadata.json").touch()
    assert f"'--pip-args=--extra-index-url {TORCH_INDEX}'" in how_to_add("export")


def test_no_name_is_taken_from_an_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whoever registers the name `distilbench` there decides what it installs."""
    installed(monkeypatch, tmp_path, Installed(None))
    assert "distilbench-VERSION-py3-none-any.whl[hub]" in how_to_add("hub")

    def missing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(installation, "distribution", missing)
    assert how_to_add("hub").endswith(f"--editable '{ROOT}[hub]'")
    for package in ("agent", "collector", "commandline", "export"):
        for path in (ROOT / package).rglob("*.py"):
            assert "install 'distilbench" not in path.read_text(), path
