import gzip
import json
import random
from pathlib import Path

import pytest

from collector.comparison.compare import compare
from collector.comparison_inputs.systems import ANY_HARDWARE
from collector.errors import BadInput
from collector.scoring.prediction_file import decode_predictions
from collector.scoring.predictions import add_predictions, evaluate, predictions_of, read_predictions
from collector.store.database import Store
from collector.store.runs import all_runs
from collector.summaries.refresh import score_answers
from contract.errors import Malformed
from contract.questions import Gold, Question, QuestionFile, questions_sha256
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import QUESTION_FILE, answer, batch, finished, manifest, run_records, started
from tests.contract.test_squad_metrics import official_f1_score, official_normalize_answer


def official_evaluate(predictions: dict[str, str]) -> dict[str, float]:
    """As evaluate-v1.1.py has it, on this file."""
    f1 = exact_match = total = 0.0
    for qa in QUESTION_FILE.questions:
        total += 1
        if qa.id not in predictions:
            continue
        truths, prediction = [gold.text for gold in qa.golds], predictions[qa.id]
        exact_match += max(
            official_normalize_answer(prediction) == official_normalize_answer(truth) for truth in truths
        )
        f1 += max(official_f1_score(prediction, truth) for truth in truths)
    return {"exact_match": 100.0 * exact_match / total, "f1": 100.0 * f1 / total}


def test_any_prediction_file_is_scored_as_the_official_script_does() -> None:
    rng = random.Random(1)
    words = [word for q in QUESTION_FILE.questions for word in q.context.split()] + ["the", "a", "", "é", "."]
    for _ in range(200):
        asked = rng.sample([q.id for q in QUESTION_FILE.questions], rng.randint(0, 4))
        predictions = {id_: " ".join(rng.choices(words, k=rng.randint(0, 4))) for id_ in (*asked, "unknown")}
        found = evaluate(QUESTION_FILE, predictions)
        expected = official_evaluate(predictions)
        assert found.exact_match == pytest.approx(expected["exact_match"], abs=1e-9)
        assert found.f1 == pytest.approx(expected["f1"], abs=1e-9)
        assert found.missing == 4 - len(asked)


def test_an_article_within_typographic_quotes_goes_as_in_the_official_script() -> None:
    asked = Question("1", "?", "", (Gold("team", 0),), "")
    found = evaluate(QuestionFile((asked,), questions_sha256((asked,))), {"1": "the “a” team"})
    assert found == (0.0, 50.0, 0)


def test_a_run_scores_alike_in_the_report_and_as_a_prediction_file(
    store_with_golds: Store, questions_file: Path, tmp_path: Path, database: Path
) -> None:
    take(store_with_golds, batch(run_records(), "a" * 32))
    score_answers(store_with_golds)
    row = compare(store_with_golds).rows[0]
    target = tmp_path / "predictions.json"
    done = invoked("predictions", "aaaa", "--to", target, "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote 4 predictions to {target}\n")
    assert json.loads(printed("predictions", "aaaa", "--db", database)) == read_predictions(target)
    found = json.loads(printed("evaluate", questions_file, target))
    assert found == pytest.approx({"exact_match": row.exact_match, "f1": row.f1})


def test_the_first_answer_that_is_no_error_is_the_prediction(store: Store) -> None:
    answers = (
        answer(1, "q1", "", error="no"),
        answer(2, "q1", "Elbe", repeat=1),
        answer(3, "q2", "", error="no"),
    )
    take(store, batch((started(), *answers, finished(4, 2, errors=2))))
    assert predictions_of(store, all_runs(store)[0]) == {"q1": "Elbe", "q2": ""}


def test_missing_predictions_count_as_wrong_and_are_counted(questions_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"q4": "Dresden"}')
    done = invoked("evaluate", questions_file, path)
    assert json.loads(done.stdout) == {"exact_match": 25.0, "f1": 25.0}
    assert done.stderr == "3 questions have no prediction and count as wrong\n"


def test_a_system_from_elsewhere_is_compared_by_accuracy(store_with_golds: Store, tmp_path: Path) -> None:
    take(store_with_golds, batch(run_records(bundle=manifest("bert-large"))))
    score_answers(store_with_golds)
    path = tmp_path / "p.json"
    path.write_text(json.dumps({"q1": "North Sea", "q2": "1,094 km", "q3": "x", "elsewhere": "y"}))
    for _ in range(2):  # adding it again replaces it
        assert add_predictions(store_with_golds, path, "Gizmo", "rivers") == 3
    measured, added = sorted(compare(store_with_golds).rows, key=lambda row: row.hardware_class, reverse=True)
    assert (added.title, added.hardware_class) == ("Gizmo", ANY_HARDWARE)
    assert (added.exact_match, added.answered, added.selected) == (50.0, 3, 4)
    assert (added.p50_ms, added.speed_up, added.best_for, added.timed) == (None, None, (), 0)
    assert "only their accuracy" in added.notes["p50_ms"][0]
    (difference,) = compare(store_with_golds).differences
    assert (difference.row.model, difference.against.model) == ("Gizmo", "bert-large")
    assert (difference.only_row, difference.only_against, difference.exact_match.p_value) == (1, 1, 1.0)
    assert measured.model == "bert-large"


def test_one_prediction_is_not_one_predictions(
    store_with_golds: Store, tmp_path: Path, database: Path
) -> None:
    take(store_with_golds, batch((started(), answer(1, "q1", "Elbe"), finished(2, 1)), "a" * 32))
    path = tmp_path / "p.json"
    done = invoked("predictions", "aaaa", "--to", path, "--db", database)
    assert done.stderr == f"wrote 1 prediction to {path}\n"
    added = printed("predictions", "add", path, "--model", "Gizmo", "--questions", "rivers", "--db", database)
    assert added == "added Gizmo, 1 prediction\n"


@pytest.mark.parametrize(
    ("content", "questions", "sentence"),
    [
        ('{"q1": "x"}', "lakes", "no question file is called 'lakes'"),
        ('{"z": "x"}', "rivers", "answers no question of 'rivers'"),
        ('["x"]', "rivers", "prediction file"),
    ],
)
def test_predictions_that_fit_nothing_are_refused(
    store_with_golds: Store, tmp_path: Path, content: str, questions: str, sentence: str
) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    with pytest.raises((BadInput, Malformed), match=sentence):
        add_predictions(store_with_golds, path, "m", questions)


@pytest.mark.parametrize(
    "data",
    [
        b'{"q1": "Elbe", "q2": null}',
        b'\xef\xbb\xbf{"q1": "Elbe"}\r\n',
        '{"q1": "Elbe"}'.encode("utf-16"),
        gzip.compress(b'{"q1": "Elbe"}'),
        b'[{"id": "q1", "prediction_text": "Elbe"}]',
        b'{"id": "q1", "prediction_text": "Elbe"}\n\n{"id": "q2", "prediction_text": null}\n',
    ],
)
def test_predictions_are_read_from_any_encoding_and_null_is_no_answer(data: bytes) -> None:
    assert decode_predictions(data) == {"q1": "Elbe"}


def test_numbers_are_their_texts() -> None:
    assert decode_predictions(b'{"q1": 1932, "q2": 1.5, "q3": 7.0}') == {"q1": "1932", "q2": "1.5", "q3": "7"}
    assert decode_predictions(b'[{"id": 51870, "prediction_text": 2}]') == {"51870": "2"}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (
            b'{"q1": "Elbe", "q2": ["a", "b"]}',
            r'has \["a","b"\] as the answer to question \'q2\', not a text',
        ),
        (b'{"q1": {"text": "Elbe"}}', "'q1', not a text"),
        (b'{"q1": true}', "'q1', not a text"),
        (b'{"q1": "Elbe",\n"q2": }', "not valid JSON: .* in line 2"),
        (b'{"q1": "Elbe",\n"q2": "', "not valid JSON: .* in line 2"),
        (b'{"id": 1, "prediction_text": "a"}\n{"id": 2, "prediction_text": []}', "^line 2 of the prediction"),
        (b'[{"prediction_text": "a"}]', r"missing required field `id` - at `\$\[0\]`"),
        (b'{"q1": "M\xfcller"}', "is not UTF-8 text .byte 0xfc in line 1.: save it as UTF-8"),
        (b"PAR1", "prediction file is a Parquet file"),
        (b"", "prediction file is empty"),
    ],
)
def test_a_wrong_prediction_file_names_the_question_or_the_line(data: bytes, sentence: str) -> None:
    with pytest.raises(Malformed, match=sentence):
        decode_predictions(data)


def test_null_counts_as_missing(questions_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text('{"q4": "Dresden", "q1": null}')
    done = invoked("evaluate", questions_file, path)
    assert json.loads(done.stdout) == {"exact_match": 25.0, "f1": 25.0}
    assert done.stderr == "3 questions have no prediction and count as wrong\n"


def squad_file(path: Path, *asked: tuple[str, str, int], **more: object) -> Path:
    """A question file on one bridge: ids, gold answers and their places."""
    qas = [
        {"id": id_, "question": "When?", "answers": [{"text": text, "answer_start": start}], **more}
        for id_, text, start in asked
    ]
    paragraph = {"context": "The bridge opened in 1932, the Müller in 1933.", "qas": qas}
    path.write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    return path


def test_a_wrong_place_does_not_change_a_score_and_is_reported(tmp_path: Path) -> None:
    asked = squad_file(
        tmp_path / "q.json", ("q1", "1932", 20), ("q2", "1933", 41), ("q3", "Mu\u0308ller", 31)
    )
    (tmp_path / "p.json").write_text('{"q1": "1932", "q2": "1933", "q3": "Mu\u0308ller"}')
    done = invoked("evaluate", asked, tmp_path / "p.json")
    assert json.loads(done.stdout) == {"exact_match": 100.0, "f1": 100.0}
    moved, formed = done.stderr.splitlines()
    assert "'1932' of question 'q1' at character 21, not 20" in moved
    assert (
        "'Müller' of question 'q3' at character 31, where the context has NFC".replace("ü", "u\u0308")
        in formed
    )


def test_squad_2_is_scored_and_added_by_its_answerable_questions(tmp_path: Path, database: Path) -> None:
    asked = tmp_path / "q.json"
    squad_file(asked, ("q1", "1932", 21), ("q2", "1933", 41))
    file = json.loads(asked.read_text())
    file["data"][0]["paragraphs"][0]["qas"][1] |= {"is_impossible": True, "answers": []}
    asked.write_text(json.dumps(file))
    (tmp_path / "p.json").write_text('{"q1": "1932", "q2": ""}')
    commands: tuple[tuple[str | Path, ...], ...] = (
        ("evaluate", asked, tmp_path / "p.json"),
        ("questions", "add", asked, "--db", database),
    )
    for command in commands:
        refused = invoked(*command)
        assert refused.returncode == 1
        assert "question 'q2' is unanswerable (SQuAD 2.0)" in refused.stderr
        assert "--answerable-only" in refused.stderr
        assert not database.exists()
        done = invoked(*command, "--answerable-only")
        assert done.returncode == 0
        assert "left out 1 of 2 questions, which have no answer\n" in done.stderr
    assert "added q, 1 question, 1 gold answer\n" in done.stdout
