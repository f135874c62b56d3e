"""Fixtures that tests of several packages share.

Bundles are built by the real export once a session, when asked for; the broker is a real Mosquitto.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from contract.bundle import Precision
from export.building.build import BuildRequest, build
from export.models.catalog import find
from tests.export.tiny_models import TINY, save_checkpoint
from tests.mosquitto import Mosquitto

pytest_plugins = ["tests.canary"]

# How long one example takes is the machine's business: a busy one would fail what is right.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

READER = Path(__file__).parent.parent / "demo" / "reader"


def _silent(line: str) -> None:
    """Progress that no one reads."""


@pytest.fixture(scope="session")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the session's bundles."""
    return tmp_path_factory.mktemp("bundles")


def _tiny(bundles: Path, precision: Precision) -> Path:
    request = BuildRequest(model=TINY, weights="random", precisions=(precision,), seed=7)
    return build(request, bundles, _silent)[0]


def _reader(bundles: Path, precision: Precision) -> Path:
    # Both at once: whichever is asked for first, the network is traced once.
    request = BuildRequest(model=find("minilm-l6"), weights=str(READER), precisions=("fp32", "int8"))
    built = dict(zip(request.precisions, build(request, bundles, _silent), strict=True))
    return built[precision]


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TINY as a transformers folder: weights, tokenizer, card."""
    folder = tmp_path_factory.mktemp("checkpoints") / "tiny-squad"
    save_checkpoint(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_bundle(bundles: Path) -> Path:
    """Random weights in a shrunken BERT, fp32: 4 MB, answers at random."""
    return _tiny(bundles, "fp32")


@pytest.fixture(scope="session")
def tiny_bundle_int8(bundles: Path) -> Path:
    """`tiny_bundle` in int8."""
    return _tiny(bundles, "int8")


@pytest.fixture(scope="session")
def reader_bundle(bundles: Path) -> Path:
    """The demo's MiniLM-L6 reader, fp32: real answers."""
    return _reader(bundles, "fp32")


@pytest.fixture(scope="session")
def reader_bundle_int8(bundles: Path) -> Path:
    """`reader_bundle` in int8."""
    return _reader(bundles, "int8")


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    folder = tmp_path / "mosquitto"
    folder.mkdir()
    with Mosquitto(folder) as running:
        yield running


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    with Outbox(tmp_path / "outbox.db") as opened:
        yield opened


@pytest.fixture
def stop() -> Iterator[Stop]:
    with Stop() as noted:
        yield noted
