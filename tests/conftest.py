"""Fixtures that tests of several packages share.

Bundles are built by the real export once a session, when asked for, and shared by all the processes that run
its tests; the broker is a real Mosquitto.
"""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from export.building.build import BuildRequest, build
from export.models.catalog import find
from tests.export.tiny_models import TINY, save_checkpoint
from tests.mosquitto import Mosquitto
from tests.once import once

pytest_plugins = ["tests.canary"]

# Examples are the same every time, so that a change fails for what it changes; `make proofs` searches for new
# ones. How long one takes is the machine's business: a busy one would fail what is right.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("searching", deadline=None, print_blob=True)
settings.load_profile("repeatable")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in the background of a script. Programs under test would inherit it, and Ctrl-C would not end them.
    signal.signal(signal.SIGINT, signal.default_int_handler)

if "PYTEST_XDIST_WORKER" in os.environ and hasattr(os, "sched_setaffinity"):
    # Processes that share the tests (pytest-xdist) share the cores as well. Threads of torch and onnxruntime
    # wait for each other by spinning: two processes that both use all cores take several times as long.
    _cores = sorted(os.sched_getaffinity(0))
    _number, _of = int(os.environ["PYTEST_XDIST_WORKER"][2:]), int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.sched_setaffinity(0, _cores[_number % len(_cores) :: _of])

READER = Path(__file__).parent.parent / "demo" / "reader"


def _silent(line: str) -> None:
    """Progress that no one reads."""


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Hide the settings and the state folder of the user who runs the tests from the commands under test."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("DISTILBENCH_")]:
            patch.delenv(name)
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(scope="session")
def _tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    # Both precisions at once: the network is traced once.
    request = BuildRequest(model=TINY, weights="random", precisions=("fp32", "int8"), seed=7)
    return once(tmp_path_factory, "tiny-bundles", lambda folder: build(request, folder, _silent))


@pytest.fixture(scope="session")
def _reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    request = BuildRequest(model=find("minilm-l6"), weights=str(READER), precisions=("fp32", "int8"))
    return once(tmp_path_factory, "reader-bundles", lambda folder: build(request, folder, _silent))


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """TINY as a transformers folder: weights, tokenizer, card."""
    name = "tiny-squad"
    return once(tmp_path_factory, "checkpoint", lambda folder: save_checkpoint(folder / name)) / name


@pytest.fixture(scope="session")
def tiny_bundle(_tiny: Path) -> Path:
    """Random weights in a shrunken BERT, fp32: 4 MB, answers at random."""
    return _tiny / "tiny-fp32"


@pytest.fixture(scope="session")
def tiny_bundle_int8(_tiny: Path) -> Path:
    """`tiny_bundle` in int8."""
    return _tiny / "tiny-int8"


@pytest.fixture(scope="session")
def reader_bundle(_reader: Path) -> Path:
    """The demo's MiniLM-L6 reader, fp32: real answers."""
    return _reader / "minilm-l6-fp32"


@pytest.fixture(scope="session")
def reader_bundle_int8(_reader: Path) -> Path:
    """`reader_bundle` in int8."""
    return _reader / "minilm-l6-int8"


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


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: workers compare names, and compressed or random bytes differ in each."""
    return argname if isinstance(val, bytes) else None
