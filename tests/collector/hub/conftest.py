from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import installed
from tests.collector.hub.running_hub import RunningHub
from tests.collector.hub.wheels.fake_wheels import wheel_folder


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub that the tests of a module share; its wheels come from a folder."""
    installed.module("cryptography")
    folder = tmp_path_factory.mktemp("shared-hub")
    with RunningHub(folder / "hub", "--wheels", wheel_folder(folder / "wheelhouse")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where a hub of the test's own may live."""
    installed.module("cryptography")
    return tmp_path / "hub"
