"""Prediction files, `{"question id": "answer"}`: scored, written for a run, or added for another system."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import msgspec

from collector.errors import BadInput
from collector.scoring.prediction_file import decode_predictions
from collector.scoring.question_sets import question_set_named
from collector.store.database import Store
from collector.store.runs import Run
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from contract import squad_metrics as squad
from contract.questions import MAX_QUESTION_FILE_BYTES, QuestionFile


class Evaluation(NamedTuple):
    """The scores that the official script prints, in percent, and how many questions have no prediction."""

    exact_match: float
    f1: float
    missing: int


def read_predictions(path: Path) -> dict[str, str]:
    """Read a prediction file.

    Raises:
        BadInput: the file cannot be read.
        Malformed: see `prediction_file.decode_predictions`.
    """
    try:
        with path.open("rb") as file:
            return decode_predictions(file.read(MAX_QUESTION_FILE_BYTES + 1))
    except OSError as error:
        raise BadInput(f"prediction file {str(path)!r} cannot be read: {error.strerror}") from None


def evaluate(questions: QuestionFile, predictions: dict[str, str]) -> Evaluation:
    """Score predictions as the official SQuAD v1.1 script does: a question without one counts as wrong.

    Raises:
        BadInput: a question has no gold answer.
    """
    exact_match, f1, missing = 0, 0.0, 0
    for question in questions.questions:
        if not question.golds:
            raise BadInput(
                f"question {question.id!r} has no gold answer to score by: "
                "leave out such questions with --answerable-only"
            )
        prediction = predictions.get(question.id)
        if prediction is None:
            missing += 1
            continue
        score = squad.score(prediction, (gold.text for gold in question.golds))
        exact_match += score.exact_match
        f1 += score.f1
    total = len(questions.questions)
    return Evaluation(100.0 * exact_match / total, 100.0 * f1 / total, missing)


def predictions_of(store: Store, run: Run) -> dict[str, str]:
    """Return a run's first answer to each question, in order of question id; empty if all are errors."""
    rows = store.tuples(
        "SELECT question_id, text FROM answers WHERE stream = ? ORDER BY question_id, error IS NOT NULL, seq",
        run.stream,
    )
    found: dict[str, str] = {}
    for question_id, text in rows:
        found.setdefault(question_id, text)
    return found


def add_predictions(store: Store, path: Path, model: str, questions: str) -> int:
    """Add the predictions of another system to the comparison. Adding them again replaces the old ones.

    Args:
        store: the database, open for writing.
        path: the prediction file.
        model: the system's name.
        questions: name or beginning of the digest of the question file, which was added before.

    Returns:
        How many questions of the file have a prediction.

    Raises:
        BadInput: the file cannot be read, there is no such question file, or the file answers none of its
            questions, or an answer cannot be stored.
    """
    predictions = read_predictions(path)
    question_set = question_set_named(store, questions)
    known = {
        row[0]
        for row in store.tuples("SELECT question_id FROM questions WHERE question_set = ?", question_set)
    }
    rows = sorted((question_id, text) for question_id, text in predictions.items() if question_id in known)
    if not rows:
        raise BadInput(f"prediction file {str(path)!r} answers no question of {questions!r}")
    if with_nul := [question_id for question_id, text in rows if "\0" in text]:
        raise BadInput(f"the answer to question {with_nul[0]!r} has a NUL character, which cannot be stored")
    digest = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()
    with store.writing() as conn:
        system = put_system(conn, model, question_set, digest, utc_now())
        conn.insert("predictions", ("system", "question_id", "text"), ((system, *row) for row in rows))
    return len(rows)


def put_system(conn: Transaction, model: str, question_set: int, sha256: str, added_at: str) -> int:
    """Add a system without predictions, in place of the same system before; returns its number."""
    conn.execute(
        "DELETE FROM predictions WHERE system IN "
        "(SELECT system FROM systems WHERE model = ? AND question_set = ?)",
        (model, question_set),
    )
    conn.execute("DELETE FROM systems WHERE model = ? AND question_set = ?", (model, question_set))
    (system,) = conn.execute(
        "INSERT INTO systems (model, question_set, sha256, added_at) VALUES (?, ?, ?, ?) RETURNING system",
        (model, question_set, sha256, added_at),
    ).fetchone()
    return int(system)
