"""What the first screen shows if the runs behind it are unlike: an audit's databases, made small."""

import random
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.comparison_inputs.selection import Selection
from collector.errors import BadInput
from collector.findings.comparison import Comparison, Row
from collector.report.formats.render import render
from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Manifest
from contract.device import Device
from contract.questions import decode_questions
from contract.records import QuestionSet
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, sample, started

QUESTIONS = 40
FILE = msgspec.json.encode(
    {
        "data": [
            {
                "title": "Numbers",
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
                    for n in range(QUESTIONS)
                ],
            }
        ]
    }
)
SHA256 = decode_questions(FILE).sha256

PI_A, PI_B = device("pi-a"), device("pi-b")
LAPTOP: dict[str, Any] = {
    "hardware_class": "laptop",
    "architecture": "x86_64",
    "model": "A laptop",
    "cores": 8,
}
I7 = device("lap-a", cpu_model="Intel(R) Core(TM) i7-1260P", **LAPTOP)
ATOM = device("lap-b", cpu_model="Intel(R) N100", **LAPTOP)

BERT, MINILM = manifest("bert-large"), manifest("minilm-l6")


@pytest.fixture
def lab(store: Store, tmp_path: Path) -> Store:
    path = tmp_path / "numbers.json"
    path.write_bytes(FILE)
    add_questions(store, path)
    return store


def measure(
    store: Store,
    bundle: Manifest,
    on: Device = PI_A,
    ms: float = 10.0,
    *,
    asked: Sequence[int] = range(QUESTIONS),
    wrong: int = 4,
    end: str | None = "complete",
    answered: int | None = None,
    noise: float = 0.02,
    **settings: object,
) -> str:
    """Ingest a run.

    Args:
        store: the database.
        bundle: the model.
        on: the device.
        ms: the time of a typical question.
        asked: the numbers of the questions.
        wrong: how many of the first questions are answered wrongly.
        end: how the run ended; None for a run that has not ended.
        answered: how many of the questions the run got to.
        noise: the standard deviation of the logarithms of the times.
        settings: settings other than the usual ones.
    """
    draw = random.Random(f"{bundle.model} {bundle.precision} {on.device_id} {ms}")
    first = started(bundle, on)
    first = replace(
        first,
        questions=QuestionSet(name="numbers", sha256=SHA256, total=QUESTIONS, selected=len(asked)),
        settings=replace(first.settings, **settings),
    )
    answers = [
        answer(
            seq,
            f"n{n}",
            f"Number {n}" if n >= wrong else "nothing",
            ms * (1 + 7 * n % QUESTIONS / QUESTIONS) * draw.lognormvariate(0, noise),
        )
        for seq, n in enumerate(asked[:answered], start=1)
    ]
    last = len(answers) + 1
    records = (first, *answers, sample(last))
    if end is not None:
        records = (
            *records,
            finished(last + 1, len(answers), status=end, reason="" if end == "complete" else "why"),
        )
    run_id = f"{draw.getrandbits(128):032x}"
    take(store, batch(records, run_id, on.device_id))
    return run_id


def found(store: Store, **options: object) -> Comparison:
    score_answers(store)
    return compare(store, **options)  # type: ignore[arg-type]  # those of `compare`


def screen(store: Store, **options: object) -> str:
    return render(found(store, **options), "table", width=200)


def line(text: str, *words: str) -> str:
    """The only line of a text that has all these words."""
    (only,) = [line for line in text.splitlines() if all(word in line for word in words)]
    return only


def row_of(comparison: Comparison, model: str) -> Row:
    (only,) = [row for row in comparison.rows if row.model == model]
    return only


def test_a_smoke_run_after_a_complete_one_is_one_line(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM, wrong=4)
    measure(lab, MINILM, ms=9.0, asked=range(20, 21), wrong=0, threads=1)
    text = screen(lab)
    assert "90.0" in line(text, "MiniLM-L6", "40/40")
    assert "also measured: 1 thread, 1 question" in text
    assert "high accuracy" in line(text, "Raspberry", "BERT-Large", "95.0")


def test_a_smoke_run_with_the_same_settings_is_not_pooled(lab: Store) -> None:
    measure(lab, MINILM)
    measure(lab, MINILM, ms=9.0, asked=range(1))
    row = row_of(found(lab), "minilm-l6")
    assert (row.runs, row.timed) == (1, 40)
    assert row.notes["title"] == ("also measured: 1 question",)


def test_of_complete_settings_with_equal_questions_the_newest_stand(lab: Store) -> None:
    measure(lab, MINILM)
    measure(lab, MINILM, ms=30.0, threads=1)
    text = screen(lab)
    assert "also measured: 4 threads, 40 questions" in text
    assert row_of(found(lab), "minilm-l6").p50_ms == pytest.approx(45.0, rel=0.1)


@pytest.mark.parametrize("end", ["failed", "interrupted", None])
def test_a_run_that_is_not_complete_displaces_nothing(lab: Store, end: str | None) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM)
    newer = manifest("minilm-l6", recipe={"new": "version"})
    measure(lab, newer, ms=9.0, wrong=0, answered=3, end=end)
    text = screen(lab)
    assert "90.0" in line(text, "MiniLM-L6", "40/40")
    assert f"3 of 40 questions, {end or 'running'}" in line(text, "also measured: bundle ")
    assert "partial" not in text


def test_a_row_of_partial_runs_only_is_marked(lab: Store) -> None:
    measure(lab, BERT, ms=100.0, wrong=2)
    measure(lab, MINILM, answered=30, end="interrupted")
    text = screen(lab)
    assert "86.7" in line(text, "MiniLM-L6", "30/40 partial")
    assert "real time" in line(text, "MiniLM-L6 fp32 (partial)")
    assert "is interrupted after 30 answers" in text
    assert "partial" not in line(text, "BERT-Large", "40/40")


def test_two_samples_count_the_questions_of_both(lab: Store) -> None:
    measure(lab, MINILM, asked=range(10))
    measure(lab, MINILM, ms=11.0, asked=range(10, 20), wrong=0)
    row = row_of(found(lab), "minilm-l6")
    assert (row.runs, row.answered, row.selected) == (2, 20, 20)


def test_a_selection_chooses_runs_and_refuses_what_it_does_not_know(lab: Store) -> None:
    first = measure(lab, MINILM)
    second = measure(lab, MINILM, PI_B, ms=20.0)
    measure(lab, BERT, ms=100.0, threads=1)

    def chosen(**values: object) -> set[str]:
        rows = found(lab, selection=msgspec.convert(values, Selection)).provenance
        return {run for row in rows for run in row.runs}

    assert chosen(runs=[first[:8]]) == {first}
    assert chosen(devices=["pi-b"]) == {second}
    assert chosen(models=["MiniLM-L6"], exclude=[first]) == {second}
    assert len(chosen(settings=["threads=1", "threads=4"])) == 3
    assert chosen(settings=["threads=4"], since="2026-11-24") == {first, second}
    for values, sentence in (
        ({"models": ["minilm-6"]}, "there is no model 'minilm-6'; the nearest is 'minilm-l6'"),
        ({"devices": ["pi-c"]}, "there is no device 'pi-c'; the nearest is 'pi-"),
        ({"precisions": ["int8"]}, "there is no precision 'int8'; there are 'fp32'"),
        ({"hardware": ["raspberry-pi-4"]}, "the nearest is"),
        ({"settings": ["thread=1"]}, "there is no setting 'thread'; the nearest is 'threads'"),
        ({"settings": ["threads"]}, "'threads' is not a setting such as 'threads=4'"),
        ({"settings": ["threads=2"]}, "there is no run with threads '2'"),
        ({"runs": ["x"]}, "there is no run 'x'"),
        ({"since": "yesterday"}, "'yesterday' is not a day such as 2026-01-31"),
        ({"since": "2026-12-01"}, "no run matches all of what was selected"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)):
            chosen(**values)
