"""`collector score --bertscore` with encoders of the hub: from its cache, downloaded, and out of reach."""

import subprocess
import sys
from pathlib import Path

import pytest

from collector.store.opening import open_store
from tests.collector.scoring.test_bertscore import ENCODER
from tests.e2e.programs import ROOT
from tests.export.hubcache import add_model, environment
from tests.export.hubserver import HubServer

ANNOUNCED = "the encoder 'example/encoder' is downloaded from the Hugging Face hub"


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with open_store(tmp_path / "results.db", create=True):
        return tmp_path / "results.db"


@pytest.fixture
def encoder(tmp_path: Path) -> Path:
    """The files of an encoder, without its subfolders."""
    folder = tmp_path / "encoder"
    folder.mkdir()
    for file in Path(ENCODER).iterdir():
        if file.is_file():
            (folder / file.name).symlink_to(file)
    return folder


def score(database: Path, home: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", "score", "--db", str(database), *options]
    env = environment(home, PYTHONPATH=str(ROOT), **variables)
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)


@pytest.mark.proof
def test_the_default_encoder_comes_from_the_cache(database: Path, encoder: Path, tmp_path: Path) -> None:
    add_model(tmp_path / "home", "roberta-large", encoder)
    done = score(database, tmp_path / "home", "--bertscore", "--layers", "6")
    assert done.returncode == 0, done.stderr
    assert "BERTScore compares layer 6 of roberta-large\n" in done.stderr
    assert "downloaded" not in done.stderr
    assert "BERTScore by roberta-large_L6_" in done.stdout


@pytest.mark.proof
def test_a_download_is_announced_with_its_size(database: Path, encoder: Path, tmp_path: Path) -> None:
    with HubServer() as hub:
        hub.repositories["example/encoder"] = encoder
        options = ("--bertscore-model", "example/encoder", "--layers", "6")
        for first in (True, False):
            done = score(database, tmp_path, *options, HF_ENDPOINT=hub.url, HF_HUB_OFFLINE="0")
            assert done.returncode == 0, done.stderr
            downloads = [line for line in done.stderr.splitlines() if "is downloaded" in line]
            assert len(downloads) == first
            assert all(line.startswith(f"{ANNOUNCED} (91 MB), and kept in its cache") for line in downloads)


@pytest.mark.proof  # `test_bertscore` shows the same of a model in a folder
def test_without_a_hub_it_says_so(database: Path, tmp_path: Path) -> None:
    done = score(database, tmp_path / "home", "--bertscore")
    assert (done.returncode, done.stdout) == (1, "EM and F1: nothing was left to score\n")
    *_, last = done.stderr.splitlines()
    assert last.startswith("collector: BERTScore model 'roberta-large' cannot be loaded: ")


def test_options_of_bertscore_need_it(database: Path, tmp_path: Path) -> None:
    done = score(database, tmp_path, "--idf")
    assert done.returncode == 2 and "go together with --bertscore" in done.stderr
