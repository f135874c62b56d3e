"""Fixtures: traced graphs, a hub server and its settings, and a copy of the checkpoint."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from export.building.request import BuildRequest, find_source
from export.graph import trace as graph
from export.models.catalog import find
from export.models.load import load
from tests.conftest import READER
from tests.export.hubserver import HubServer
from tests.export.tiny_models import TINY
from tests.once import once


def _traced(folders: pytest.TempPathFactory, request: BuildRequest) -> Path:
    def trace(folder: Path) -> None:
        graph.trace(load(request.model, find_source(request)), folder / "traced.onnx")

    return once(folders, f"traced-{request.model.name}", trace) / "traced.onnx"


@pytest.fixture(scope="session")
def tiny_traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph that `tiny_bundle` is made of, as the exporter gives it."""
    request = BuildRequest(model=TINY, weights="random", precisions=("fp32",), seed=7)
    return _traced(tmp_path_factory, request)


@pytest.fixture(scope="session")
def reader_traced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The graph that `reader_bundle` is made of, as the exporter gives it."""
    request = BuildRequest(model=find("minilm-l6"), weights=str(READER), precisions=("fp32",))
    return _traced(tmp_path_factory, request)


@pytest.fixture
def copy(checkpoint: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(checkpoint, tmp_path / "copy"))


@pytest.fixture
def hub_server() -> Iterator[HubServer]:
    with HubServer() as running:
        yield running


class HubSettings:
    """The hub's settings of this process; its library read the environment at import, so they are patched."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home = home
        self._monkeypatch = monkeypatch
        self._set("HF_HUB_CACHE", str(home / "hub"))
        monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", home / "datasets")
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.setenv("HF_TOKEN_PATH", str(home / "token"))
        self.offline()

    def offline(self) -> None:
        self._set("HF_HUB_OFFLINE", True)
        self._monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)

    def online(self, endpoint: str) -> None:
        self._set("HF_HUB_OFFLINE", False)
        self._set("ENDPOINT", endpoint)
        template = endpoint + "/{repo_id}/resolve/{revision}/{filename}"
        self._monkeypatch.setattr("huggingface_hub.file_download.HUGGINGFACE_CO_URL_TEMPLATE", template)

    def _set(self, name: str, value: object) -> None:
        from huggingface_hub import constants
        from huggingface_hub.utils._http import reset_sessions

        self._monkeypatch.setattr(constants, name, value)
        reset_sessions()


@pytest.fixture
def hub_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[HubSettings]:
    """An empty cache, no token, and the hub out of reach until `online` is called."""
    from huggingface_hub.utils._http import reset_sessions

    yield HubSettings(tmp_path / "home", monkeypatch)
    monkeypatch.undo()
    reset_sessions()
