"""Prediction files, `{"question id": "answer"}`: scored, written for a run, added from elsewhere."""

import hashlib
import sqlite3
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from collector import squad
from collector.columns import ERROR, MARKED, Columns, Keys
from collector.errors import BadInput
from collector.findings import RowName
from collector.golds import Golds
from collector.groups import Entrant
from collector.memory import Memory
from collector.runs import Run
from collector.store import Store, utc_now
from contract.codec import decode_json
from contract.questions import MAX_QUESTION_FILE_BYTES, QuestionFile, decode_questions

ANY_HARDWARE: Final = "any hardware"
"""Stands for a hardware class in the rows of systems that were not measured."""
ORIGIN: Final = "predictions"
_PREDICTIONS: Final = msgspec.json.Decoder(dict[str, str])
_BERTSCORES: Final = """
SELECT predictions.question_id, max(bertscores.f1)
FROM predictions JOIN systems USING (system)
JOIN golds ON golds.question_set = systems.question_set AND golds.question_id = predictions.question_id
JOIN bertscores ON candidate = predictions.text AND reference = golds.text
WHERE system = ? AND scorer = ? GROUP BY predictions.question_id
"""


class Evaluation(NamedTuple):
    """What the official script prints, in percent, and how many questions have no prediction."""

    exact_match: float
    f1: float
    missing: int


def read_predictions(path: Path) -> dict[str, str]:
    """Read a prediction file.

    Raises:
        BadInput: it cannot be read.
        Malformed: it is not one JSON object of strings.
    """
    return decode_json(_read(path, "prediction file"), _PREDICTIONS, "prediction file")


def read_questions(path: Path) -> QuestionFile:
    """Read a question file; errors as `read_predictions`."""
    return decode_questions(_read(path, "question file"))


def evaluate(questions: QuestionFile, predictions: dict[str, str]) -> Evaluation:
    """Score predictions as the official SQuAD v1.1 script does: a question without one counts as wrong.

    Raises:
        BadInput: a question has no gold answer.
    """
    exact_match, f1, missing = 0, 0.0, 0
    for question in questions.questions:
        if not question.golds:
            raise BadInput(f"question {question.id!r} has no gold answer to score by")
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
    """The first answer of a run to each question, in order of question id; empty where it is an error."""
    rows = store.tuples(
        "SELECT question_id, text FROM answers WHERE stream = ? ORDER BY question_id, error IS NOT NULL, seq",
        run.stream,
    )
    found: dict[str, str] = {}
    for question_id, text in rows:
        found.setdefault(question_id, text)
    return found


def add_predictions(store: Store, path: Path, model: str, questions: str) -> int:
    """Bring a system from elsewhere into the comparison. Adding it again replaces what was there.

    Args:
        store: open for writing.
        path: the prediction file.
        model: what to call the system.
        questions: name or beginning of the digest of the question file, which was added before.

    Returns:
        How many questions of the file have a prediction.

    Raises:
        BadInput: no file, no such question file, or no prediction of any of its questions.
    """
    predictions = read_predictions(path)
    question_set = _question_set(store, questions)
    known = {
        row[0]
        for row in store.tuples("SELECT question_id FROM questions WHERE question_set = ?", question_set)
    }
    rows = sorted((question_id, text) for question_id, text in predictions.items() if question_id in known)
    if not rows:
        raise BadInput(f"prediction file {str(path)!r} answers no question of {questions!r}")
    digest = hashlib.sha256(msgspec.json.encode(rows)).hexdigest()
    with store.writing() as conn:
        system = put_system(conn, model, question_set, digest, utc_now())
        conn.executemany("INSERT INTO predictions VALUES (?, ?, ?)", ((system, *row) for row in rows))
    return len(rows)


def put_system(conn: sqlite3.Connection, model: str, question_set: int, sha256: str, added_at: str) -> int:
    """Make room for a system's predictions in place of those that were there; returns its number."""
    conn.execute(
        "DELETE FROM predictions WHERE system IN "
        "(SELECT system FROM systems WHERE model = ? AND question_set = ?)",
        (model, question_set),
    )
    conn.execute("DELETE FROM systems WHERE model = ? AND question_set = ?", (model, question_set))
    system = conn.execute(
        "INSERT INTO systems (model, question_set, sha256, added_at) VALUES (?, ?, ?, ?)",
        (model, question_set, sha256, added_at),
    ).lastrowid
    assert system is not None
    return system


class System(Entrant):
    """Predictions from elsewhere as they take part in a comparison: with answers, without times."""

    is_measured = False

    def __init__(self, store: Store, golds: Golds, memory: Memory, system: int, scorer: int | None) -> None:
        """Look at what was added.

        Args:
            store: the database.
            golds: of its question files.
            memory: of what was computed before.
            system: its number.
            scorer: whose BERTScores it gets; None for none.
        """
        super().__init__(memory)
        self._scorer = scorer
        self._store = store
        self._golds = golds
        self._system = system
        ((model, self._question_set, digest, self.questions, questions_sha256),) = store.tuples(
            "SELECT model, question_set, systems.sha256, name, question_sets.sha256 FROM systems "
            "JOIN question_sets USING (question_set) WHERE system = ?",
            system,
        )
        self.name = RowName(
            hardware_class=ANY_HARDWARE,
            questions_sha256=questions_sha256,
            model=model,
            precision="",
        )
        self.withheld = None
        used = store.value(
            "SELECT hash || ' ' || last_used_at FROM bertscore_models WHERE scorer = ?", scorer
        )
        self.digests = (ORIGIN, digest, questions_sha256, *(() if used is None else (used,)))

    @cached_property
    def columns(self) -> Columns:
        """The answers and their scores."""
        predicted = dict(
            self._store.tuples("SELECT question_id, text FROM predictions WHERE system = ?", self._system)
        )
        return Columns.of(self._rows(predicted), Keys())

    def _rows(self, predicted: dict[str, str]) -> Iterator[tuple[object, ...]]:
        bertscores = dict(self._store.tuples(_BERTSCORES, self._system, self._scorer))
        nan = float("nan")
        for seq, (question_id, texts) in enumerate(self._golds.of(self._question_set).items()):
            text = predicted.get(question_id)
            score = squad.Score(False, 0.0) if text is None else squad.score(text, texts)
            state = ERROR if text is None else MARKED  # an answer, and no time
            alike = nan if self._scorer is None else 0.0 if text is None else bertscores.get(question_id, nan)
            yield question_id, seq, 0, state, text or "", *map(float, score), alike


def systems(store: Store, golds: Golds, memory: Memory, scorer: int | None) -> list[System]:
    """Every system that was added for a question file with gold answers, in order of name."""
    numbers = store.tuples(
        "SELECT system FROM systems WHERE question_set IN (SELECT question_set FROM golds) "
        "ORDER BY model, system"
    )
    return [System(store, golds, memory, number, scorer) for (number,) in list(numbers)]


def _question_set(store: Store, name: str) -> int:
    found = list(
        store.tuples(
            "SELECT question_set FROM question_sets WHERE name = ?1 OR substr(sha256, 1, length(?1)) = ?1",
            name,
        )
    )
    if not name or len(found) != 1:
        many = "several question files are" if found else "no question file is"
        raise BadInput(f"{many} called {name!r}: collector questions list")
    return int(found[0][0])


def _read(path: Path, what: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_QUESTION_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"{what} {str(path)!r} cannot be read: {error.strerror}") from None
