import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.stopping.percentile_bounds import needed
from collector.comparison.compare import compare
from collector.comparison.labels.rows import TOO_FEW
from collector.comparison.notes import (
    NO_BASELINE,
    NO_BERTSCORE,
    NO_TIME,
    NOT_TOLD_APART,
    ONE_COMMAND,
)
from collector.errors import BadInput
from collector.findings.comparison import Comparison, Row
from collector.report.formats.render import render
from collector.scoring import withholding as accuracy
from collector.scoring.question_sets import add_questions
from collector.statistics.percentiles import FEWEST
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from contract.bundle import Weights
from contract.records import QuestionSet, Record
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    device,
    finished,
    manifest,
    run_records,
    sample,
    started,
)

RANDOM = Weights(origin="random", source="seed 1")


def only(comparison: Comparison) -> Row:
    (row,) = comparison.rows
    return row


def by_name(comparison: Comparison) -> dict[str, Row]:
    return {f"{row.model} {row.precision}": row for row in comparison.rows}


def test_times_are_few_for_a_percentile_if_the_agent_cannot_bound_it_by_them() -> None:
    assert (needed(90), needed(99)) == (FEWEST[0.9], FEWEST[0.99])


def test_numbers_by_hand(store_with_golds: Store) -> None:
    big = (("q1", "x", 100.0), ("q2", "x", 200.0), ("q3", "x", 300.0), ("q4", "x", 400.0), ("q1", "x", 900.0))
    take(store_with_golds, batch(run_records(big, manifest("bert-large", weights=RANDOM))))
    take(store_with_golds, batch(run_records()))
    score_answers(store_with_golds)
    rows = by_name(compare(store_with_golds))
    row = rows["minilm-l6 fp32"]
    # "the North Sea" EM 1 F1 1; "1,094" of "1,094 km" 0, 2/3; "Hamburg" of "Dresden and Hamburg" 0, 1/2; 1, 1
    assert row.exact_match == pytest.approx(50.0)
    assert row.f1 == pytest.approx(100 * (1 + 2 / 3 + 1 / 2 + 1) / 4)
    assert (row.p50_ms, row.p90_ms) == (12.0, 30.0)  # of 10, 12, 14, 30 by nearest rank
    # per question BERT-Large takes 500 (of 100 and 900), 200, 300, 400
    assert row.speed_up == pytest.approx((500 * 200 * 300 * 400 / (10 * 12 * 14 * 30)) ** (1 / 4))
    assert (row.speed_up_of, row.speed_up_significant) == ("different times", None)
    assert row.speed_up_questions == 4
    assert (row.answered, row.selected, row.timed, row.untimed) == (4, 4, 4, 0)
    assert (row.size_bytes, row.peak_rss_bytes) == (90_700_000, 180_000_000)
    assert rows["bert-large fp32"].speed_up == 1.0
    assert [r.model for r in compare(store_with_golds).rows] == ["bert-large", "minilm-l6"]


def test_random_weights_never_show_an_accuracy(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records(bundle=manifest(weights=RANDOM))))
    assert score_answers(store_with_golds) == 0
    row = only(compare(store_with_golds))
    assert (row.exact_match, row.f1, row.bertscore_f1) == (None, None, None)
    for field in ("exact_match", "f1", "bertscore_f1"):
        assert row.notes[field] == (accuracy.RANDOM_WEIGHTS,)


def test_without_golds_there_is_no_accuracy(store: Store) -> None:
    take(store, batch(run_records()))
    assert score_answers(store) == 0
    assert only(compare(store)).notes["f1"] == (accuracy.NO_GOLDS,)


def test_golds_that_come_later_are_used(store: Store, questions_file: Path) -> None:
    take(store, batch(run_records()))
    assert add_questions(store, questions_file).changed
    assert not add_questions(store, questions_file).changed
    assert score_answers(store) == 4
    assert score_answers(store) == 0
    assert only(compare(store)).exact_match == 50.0


def test_other_golds_replace_the_scores_made_with_the_old_ones(store: Store, questions_file: Path) -> None:
    take(store, batch(run_records()))
    add_questions(store, questions_file)
    score_answers(store)
    text = questions_file.read_text()
    questions_file.write_text(
        text.replace('"Dresden and Hamburg","answer_start":0', '"Hamburg","answer_start":12')
    )
    assert add_questions(store, questions_file).changed
    assert score_answers(store) == 4
    assert only(compare(store)).exact_match == 75.0


def test_a_model_is_not_scored_on_what_it_was_trained_on(store: Store, tmp_path: Path) -> None:
    articles = [
        {
            "title": title,
            "paragraphs": [
                {
                    "context": "Denver won.",
                    "qas": [
                        {"id": title, "question": "Who?", "answers": [{"text": "Denver", "answer_start": 0}]}
                    ],
                }
            ],
        }
        for title in ("Super_Bowl_50", "Kenya")
    ]
    path = tmp_path / "renamed.json"
    path.write_text(json.dumps({"data": articles}))
    added = add_questions(store, path)
    asked = QuestionSet(name=added.name, sha256=added.sha256, total=2, selected=1)
    for model, training in (("ours", ("Kenya", "Rhine")), ("theirs", ("Rhine",)), ("unknown", ())):
        weights = Weights(origin="adapter", source="s", training_articles=training)
        first = replace(started(manifest(model, weights=weights)), questions=asked)
        take(store, batch((first, answer(1, "Super_Bowl_50", "Denver"), finished(2, 1))))
    score_answers(store)
    rows = by_name(compare(store))
    assert rows["theirs fp32"].exact_match == rows["unknown fp32"].exact_match == 100.0
    assert rows["ours fp32"].exact_match is None
    assert rows["ours fp32"].notes["f1"] == (
        "the model was trained on 1 of the 2 articles of these questions (Kenya), so its accuracy on them "
        "would mean nothing",
    )
    assert store.value("SELECT count(*) FROM scores") == 2


def test_marked_answers_and_errors_have_no_time_and_are_counted(store_with_golds: Store) -> None:
    answers = (
        answer(1, "q1", "North Sea", 10.0),
        answer(2, "q2", "1,094 km", 999.0, marks=("throttled", "agent_busy")),
        answer(3, "q3", "", 999.0, error="no window fits"),
    )
    take(store_with_golds, batch((started(), *answers, finished(4, 3, errors=1))))
    score_answers(store_with_golds)
    row = only(compare(store_with_golds))
    assert (row.timed, row.untimed, row.p90_ms) == (1, 2, 10.0)
    assert row.answered == 2
    assert row.exact_match == pytest.approx(200 / 3), "an error is a wrong answer"
    assert "1 answer was disturbed, and its time is" in row.notes["p50_ms"][0]
    assert "1 answer is an error; it counts" in row.notes["answered"][0]


def test_what_is_missing_has_a_note(store: Store) -> None:
    take(store, batch((started(), sample(1)), "0" * 32))
    row = only(compare(store))
    assert (row.p50_ms, row.speed_up, row.answered) == (None, None, 0)
    assert row.notes["p50_ms"] == row.notes["speed_up"] == (NO_TIME,)
    assert row.notes["bertscore_f1"] == (accuracy.NO_GOLDS,)
    assert row.notes["best_for"] == (TOO_FEW,)
    assert row.notes["answered"] == (
        "run 00000000 of pi-5 is still running after 0 answers: its last record is from 1 s after its start",
    )


def test_the_largest_fp32_stands_in_where_the_baseline_was_not_measured(store_with_golds: Store) -> None:
    for model, precision, ms in (
        ("minilm-l6", "fp32", 10.0),
        ("distilbert", "fp32", 30.0),
        ("minilm-l6", "int8", 5.0),
    ):
        records = run_records([("q1", "sea", ms), ("q2", "x", ms)], manifest(model, precision))
        take(store_with_golds, batch(records))
    other = device("server", "server")
    take(store_with_golds, batch(run_records(bundle=manifest("bert-large"), on=other), device_id="server"))
    score_answers(store_with_golds)
    comparison = compare(store_with_golds)
    rows = by_name(comparison)
    assert rows["minilm-l6 fp32"].speed_up == pytest.approx(3.0)
    assert rows["minilm-l6 int8"].speed_up == pytest.approx(6.0)
    assert rows["minilm-l6 int8"].notes["speed_up"] == (
        "over DistilBERT fp32, the largest fp32 model measured on this hardware with these questions: "
        "BERT-Large fp32 was not measured there",
        NOT_TOLD_APART,
        ONE_COMMAND,
    )
    assert rows["bert-large fp32"].speed_up == 1.0 and "speed_up" not in rows["bert-large fp32"].notes
    assert rows["minilm-l6 fp32"].notes["bertscore_f1"] == (NO_BERTSCORE,)
    assert (
        "Speed-ups on Raspberry Pi 5 Model B, 4 cores are over DistilBERT fp32, the largest fp32 model "
        "measured there: BERT-Large fp32 was not." in render(comparison, "table")
    )
    against = {(d.row.model, d.row.precision): d.against.model for d in comparison.differences}
    assert against["minilm-l6", "fp32"] == "distilbert"


def test_without_fp32_there_is_no_speed_up(store: Store) -> None:
    take(store, batch(run_records(bundle=manifest(precision="int8"))))
    row = only(compare(store))
    assert (row.speed_up, row.notes["speed_up"]) == (None, (NO_BASELINE,))


def test_a_baseline_goes_by_its_name_or_its_title(store: Store) -> None:
    for model in ("bert-large", "distilbert", "minilm-l6"):
        take(store, batch(run_records([("q1", "x", 10.0)], manifest(model))))
    take(store, batch(run_records([("q1", "x", 10.0)], manifest("tiny", "int8"))))
    for wanted in ("minilm-l6", "MiniLM-L6", "minilm-L6 "):
        comparison = compare(store, wanted)
        assert (comparison.baseline, comparison.baselines[0].row.model) == ("minilm-l6", "minilm-l6")
    for wanted, advice in (
        ("bert", "did you mean 'bert-large'?"),
        ("bert-lage", "did you mean 'bert-large'?"),
        ("distillbert", "did you mean 'distilbert'?"),
        ("tiny", "the models measured in it are bert-large, distilbert, minilm-l6"),
    ):
        with pytest.raises(BadInput) as refused:
            compare(store, wanted)
        assert str(refused.value) == f"no model {wanted!r} was measured in fp32: {advice}"


def test_a_title_of_two_models_names_no_baseline(store: Store) -> None:
    for model in ("first", "second"):
        take(store, batch(run_records([("q1", "x", 10.0)], manifest(model, title="Reader"))))
    with pytest.raises(BadInput, match="several models are called 'reader': name one of first, second"):
        compare(store, "reader")


def test_the_newest_of_equal_bundles_counts_and_a_note_lists_the_other(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records([("q4", "Hamburg", 50.0)])))
    take(store_with_golds, batch(run_records([("q4", "Dresden", 5.0)], manifest(recipe={"seed": 2}))))
    score_answers(store_with_golds)
    row = only(compare(store_with_golds))
    assert (row.runs, row.p50_ms, row.exact_match) == (1, 5.0, 100.0)
    older = store_with_golds.value("SELECT bundle_sha256 FROM runs ORDER BY stream LIMIT 1")
    assert row.notes["title"] == (f"also measured: bundle {older[:8]}, 1 question",)


def test_equal_runs_are_one_row(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    on = device("pi-5-b")
    take(store_with_golds, batch(run_records(on=on), device_id="pi-5-b"))
    row = only(compare(store_with_golds))
    assert (row.runs, row.devices, row.answered, row.timed) == (2, 2, 4, 8)


def test_only_a_disturbed_machine_has_outliers(store: Store) -> None:
    def answers(disturbed: int) -> list[Record]:
        return [
            answer(
                seq,
                f"q{seq}",
                ms=seq * (1 + 0.01 * (seq % 7)) * (3 if seq % 100 < disturbed else 1),
                tokens=40 * seq,  # the longest takes 300 times what the shortest does
                windows=1 + seq // 10,
            )
            for seq in range(1, 301)
        ]

    for name, disturbed in (("quiet", 0), ("loud", 4)):
        take(store, batch((started(manifest(name)), *answers(disturbed), finished(301, 300))))
    notes = {row.model: row.notes.get("p99_ms", ()) for row in compare(store).rows}
    assert not any("outlier" in note for note in notes["quiet"])
    (note,) = [note for note in notes["loud"] if "outlier" in note]
    assert note.startswith("12 outliers in run ")
