"""Labels of rows that took turns over a file of many articles, from the database to the first screen."""

import random
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.findings.accuracy import Drawn
from collector.findings.comparison import Comparison
from collector.report.formats.render import render
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest
from contract.questions import decode_questions
from contract.records import QuestionSet, Record
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, finished, manifest, round_finished, round_started, started

ARTICLES, PER_ARTICLE, ROUNDS = 10, 20, 5
QUESTIONS = ARTICLES * PER_ARTICLE
FILE = msgspec.json.encode(
    {
        "data": [
            {
                "title": f"Article {article}",
                "paragraphs": [
                    {
                        "context": f"Number {n} is here.",
                        "qas": [
                            {
                                "id": f"n{n}",
                                "question": "Which number?",
                                "answers": [{"text": f"Number {n}", "answer_start": 0}],
                            }
                        ],
                    }
                    for n in range(article * PER_ARTICLE, (article + 1) * PER_ARTICLE)
                ],
            }
            for article in range(ARTICLES)
        ]
    }
)
SHA256 = decode_questions(FILE).sha256
TEACHER, DISTILLED, TINY = manifest("bert-large"), manifest("distilbert"), manifest("minilm-l6")


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Store:
    path = tmp_path / "numbers.json"
    path.write_bytes(FILE)
    add_questions(store, path)
    return store


def measure(
    store: Store,
    bundle: Manifest,
    ms: float,
    wrong: float,
    *,
    megabytes: int = 180,
    rounds: int = ROUNDS,
    spread: float = 0.005,
    asked: Sequence[int] = range(QUESTIONS),
) -> None:
    """Ingest a run that took turns with the others; `wrong` is the share of its answers that are wrong."""
    draw = random.Random(f"{bundle.model} {bundle.precision}")
    first = started(bundle)
    questions = QuestionSet(name="numbers", sha256=SHA256, total=QUESTIONS, selected=len(asked))
    settings = replace(first.settings, rounds=rounds)
    records: list[Record] = [replace(first, questions=questions, settings=settings, epoch="1d" * 8)]
    for number in range(rounds):
        records.append(round_started(len(records), number))
        slower = draw.lognormvariate(0, spread)
        for n in asked[number::rounds]:
            text = "nothing" if draw.random() < wrong else f"Number {n}"
            records.append(answer(len(records), f"n{n}", text, ms * slower))
        records.append(round_finished(len(records), number))
    last = finished(len(records), len(asked), peak_rss_bytes=megabytes * 1_000_000)
    take(store, batch((*records, last)))


def found(store: Store, require: str | None = None) -> Comparison:
    score_answers(store)
    return compare(store, require=require)


def labels(comparison: Comparison) -> dict[str, list[str]]:
    return {
        label.label: sorted(f"{row.model} {row.precision}" for row in label.rows)
        for label in comparison.labels
    }


def test_rows_that_are_told_apart_have_labels_of_their_own(lab: Store) -> None:
    measure(lab, TEACHER, 400.0, 0.02, megabytes=1400)
    measure(lab, DISTILLED, 90.0, 0.2, megabytes=300)
    measure(lab, TINY, 15.0, 0.5, megabytes=150)
    comparison = found(lab)
    assert labels(comparison) == {
        "high accuracy": ["bert-large fp32"],
        "real time": ["minilm-l6 fp32"],
        "low resource": ["minilm-l6 fp32"],
        "balance": ["distilbert fp32"],
    }
    assert all(row.pareto for row in comparison.rows)
    assert {row.drawn for row in comparison.rows} == {Drawn(unit="article", units=10)}
    text = render(comparison, "table", width=200)
    assert "95 % intervals of accuracy are for articles like these 10." in text
    assert "not told apart" not in text and "one of" not in text


def test_two_precisions_that_are_not_told_apart_share_a_label(lab: Store) -> None:
    measure(lab, TEACHER, 400.0, 0.02)
    measure(lab, manifest("bert-large", "int8"), 200.0, 0.03)
    measure(lab, TINY, 15.0, 0.5)
    comparison = found(lab, "f1>=97,p50_ms<=500")
    assert labels(comparison)["high accuracy"] == ["bert-large fp32", "bert-large int8"]
    page = render(comparison, "html")
    assert "high accuracy: BERT-Large fp32 and BERT-Large int8 are not told apart." in page
    assert "high accuracy (one of 2)" in page
    screen = render(comparison, "table", width=200)
    assert "the lowest p50 of 2 that are not told apart: BERT-Large int8 and BERT-Large fp32" in screen
    assert "BERT-Large int8 (one of 2)" in screen
    assert ["high accuracy" in row.best_for for row in comparison.rows] == [True, True, False]
    assert "high accuracy: not told apart from bert-large int8" in comparison.rows[0].notes["best_for"]
    (gate,) = comparison.gates
    assert gate.gate_99.outcome == "not decided" and gate.gate_99.needs is not None
    evidence = render(comparison, "table", width=250, part="evidence")
    assert f"not decided: about {gate.gate_99.needs:,} questions would decide" in evidence
    assert "for articles like these 10" in evidence
    assert comparison.requirement is not None
    (choice,) = comparison.requirement.choices
    assert {open_row.row.precision for open_row in choice.not_decided} == {"fp32", "int8"}
    assert "f1>=97 is 9" in render(comparison, "table", width=250)


def test_equal_rows_are_told_apart_by_nothing(lab: Store) -> None:
    for model in ("first", "second", "third"):
        measure(lab, manifest(model), 20.0, 0.1)
    comparison = found(lab)
    together = ["first fp32", "second fp32", "third fp32"]
    assert {label: rows for label, rows in labels(comparison).items() if label != "real time"} == {
        "high accuracy": together,
        "low resource": together,
    }
    differences = comparison.differences
    assert differences and not any(d.f1.significant or d.exact_match.significant for d in differences)


def test_of_few_rounds_the_fastest_by_far_is_told_apart(lab: Store) -> None:
    """By its own two degrees of freedom alone, it would share the label with four others."""
    for n in range(5):
        measure(lab, manifest(f"model-{n}"), 100.0 + 20 * n, 0.1, rounds=3, spread=0.04 * (n + 1))
    measure(lab, TINY, 20.0, 0.1, rounds=3, spread=0.3)
    assert labels(found(lab))["real time"] == ["minilm-l6 fp32"]


def test_differences_are_adjusted_for_their_number(lab: Store) -> None:
    measure(lab, TEACHER, 400.0, 0.05)
    for model in ("first", "second", "third"):
        measure(lab, manifest(model), 20.0, 0.15)
    differences = found(lab).differences
    assert len(differences) == 3
    least = min(d.f1.p_value for d in differences)
    for difference in differences:
        assert difference.f1.adjusted_p_value >= difference.f1.p_value
        assert difference.f1.significant == (difference.f1.adjusted_p_value < 0.05)
    assert min(d.f1.adjusted_p_value for d in differences) == pytest.approx(3 * least)


def test_rows_that_share_no_question_are_not_ranked(lab: Store) -> None:
    measure(lab, TEACHER, 400.0, 0.02, asked=range(0, QUESTIONS, 2))
    measure(lab, TINY, 15.0, 0.5, asked=range(1, QUESTIONS, 2))
    comparison = found(lab)
    assert comparison.labels == ()
    note = "no 'high accuracy', since bert-large fp32 and minilm-l6 fp32 share fewer than 6 questions; "
    assert all(row.notes["best_for"][0].startswith(note) for row in comparison.rows)


def test_one_round_tells_no_times_apart(lab: Store) -> None:
    measure(lab, TEACHER, 400.0, 0.02, rounds=1)
    measure(lab, TINY, 15.0, 0.5, rounds=1)
    comparison = found(lab)
    assert labels(comparison) == {"high accuracy": ["bert-large fp32"]}
    (note,) = comparison.rows[0].notes["best_for"]
    assert note == (
        "no 'real time', since no test compares the times of bert-large fp32 and minilm-l6 fp32; "
        "'low resource' and 'balance' need both"
    )
