"""Tests `export-models build --search` as a person uses it: options, table, messages."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from contract.bundle import decode_manifest
from export import cli
from export.answering.paired_timing import turns
from export.answering.verification import compare
from export.recipes import search
from export.recipes.candidates import CANDIDATES, Candidate
from export.recipes.recipe import Recipe

SAMPLE = Path(__file__).parent.parent.parent.parent / "demo" / "sample-questions.json"
COARSE = Candidate("u4", Recipe(method="weight-only", linear_weights="u4 per block of 32"))
BROKEN = Candidate("u9", Recipe(method="dynamic", linear_weights="u9"))  # type: ignore[arg-type]  # on purpose
PLAIN = next(candidate for candidate in CANDIDATES if candidate.name == "s7")


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    """The first paragraphs of the sample, with gold answers."""
    return few(tmp_path / "few.json", golds=True)


@pytest.fixture
def goldless(tmp_path: Path) -> Path:
    """The same without gold answers."""
    return few(tmp_path / "goldless.json", golds=False)


def few(path: Path, golds: bool) -> Path:
    squad = json.loads(SAMPLE.read_bytes())
    del squad["data"][1:], squad["data"][0]["paragraphs"][3:]
    for paragraph in squad["data"][0]["paragraphs"]:
        for asked in paragraph["qas"]:
            asked["answers"] = asked["answers"] if golds else []
    path.write_text(json.dumps(squad))
    return path


@pytest.fixture
def build(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Any:
    """Builds the tiny reader in int8 with further options; returns status, output and messages."""
    calibration = few(tmp_path / "calibration.json", golds=True)
    always = ("--precision", "int8", "--to", tmp_path / "bundles", "--calibration", calibration)

    def run(candidates: tuple[Candidate, ...], *more: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr(search, "CANDIDATES", candidates)
        arguments = ("build", checkpoint, "--no-verify", *always, *more)
        monkeypatch.setattr("sys.argv", ["export-models", *map(str, arguments)])
        status = cli.main()
        said = capfd.readouterr()
        return status, said.out, said.err

    return run


def test_with_gold_answers_the_loss_decides_and_a_table_shows_it(
    build: Any, questions: Path, tmp_path: Path
) -> None:
    candidates = (PLAIN, COARSE, BROKEN)
    status, out, err = build(candidates, "--search", questions, "--max-f1-loss", "100")
    bundle = tmp_path / "bundles" / "tiny-squad-int8"
    assert (status, out) == (0, f"{bundle}\n")
    table = err[err.index("int8 recipe") :].splitlines()
    heading = "int8 recipe questions same answers % F1 loss speed-up 95 % interval MB outcome"
    assert " ".join(table[0].split()) == heading
    outcomes = {line.split()[0]: line for line in table[1:4]}
    assert outcomes.keys() == {"s7", "u4", "u9"} and "failed: 'u9'" in outcomes["u9"]
    assert table[1].rstrip().endswith("kept") and "±" in table[1] and "x" in table[1]
    assert "search: recipe 3 of 3, u9" in err
    searched = decode_manifest((bundle / "manifest.json").read_bytes()).recipe["search"]
    assert searched["limits"] == {"max_f1_loss": 100.0, "min_agreement": None}


def test_without_gold_answers_agreement_decides(build: Any, goldless: Path) -> None:
    status, _, err = build((PLAIN,), "--search", goldless, "--min-agreement", "0")
    assert status == 0
    assert "search: the questions have no gold answers, so a recipe must keep 0 % of fp32's answers" in err
    row = next(line for line in err.splitlines() if line.startswith("s7"))
    assert row.rstrip().endswith("kept") and "±" not in row


def test_if_nothing_is_good_enough_nothing_is_built_and_the_options_are_named(
    build: Any, goldless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The tiny reader's answers survive any rounding.
    monkeypatch.setattr("export.recipes.search.compare", lambda *given: compare(*given)._replace(same=0))
    status, out, err = build((COARSE,), "--search", goldless, "--min-agreement", "100")
    assert (status, out) == (1, "")
    assert "loses too much" in err
    last = err.splitlines()[-1]
    assert last.startswith(
        "export-models: no int8 recipe keeps 100 % of fp32's answers: the closest, 'u4', keeps "
    )
    assert last.endswith("% of the answers; allow more with --min-agreement, or build fp32")
    assert list((tmp_path / "bundles").iterdir()) == []


def test_if_nothing_runs_the_reasons_are_listed(build: Any, questions: Path) -> None:
    status, _, err = build((BROKEN,), "--search", questions, "--min-agreement", "90")
    assert status == 1 and "failed: 'u9'" in err
    assert err.splitlines()[-1] == (
        "export-models: no int8 recipe loses at most 0.5 F1 points and keeps 90 % of fp32's answers: none "
        "could be run; allow more with --max-f1-loss or --min-agreement, or build fp32"
    )


def test_a_search_that_is_stopped_leaves_nothing(
    build: Any, questions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*arguments: Any) -> Iterator[int]:
        yield next(iter(turns(*arguments)))
        (workshop,) = (tmp_path / "bundles").glob(".building-*")
        assert list(workshop.glob("candidate*"))
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr("export.recipes.search.turns", stopped)
    status, out, err = build((PLAIN,), "--search", questions)
    assert (status, out) == (130, "") and "Traceback" not in err
    assert list((tmp_path / "bundles").iterdir()) == []


@pytest.mark.parametrize(
    "option", [("--min-agreement", "95"), ("--max-f1-loss", "1"), ("--search-limit", "9")]
)
def test_limits_without_a_search_are_wrong_usage(build: Any, option: tuple[str, str]) -> None:
    status, out, err = build((PLAIN,), *option)
    assert (status, out) == (2, "") and f"{option[0]} works only with --search." in err
