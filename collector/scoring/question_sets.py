"""Question files in the database: questions and gold answers, identified by the contract's digest."""

from pathlib import Path
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.scoring.golds import drop_scores
from collector.store.database import Store
from collector.store.transaction import Transaction
from commandline.clock import utc_now
from contract.codec import printable
from contract.questions import MAX_QUESTION_FILE_BYTES, QuestionFile, decode_questions

_RUNS: Final = "SELECT stream FROM runs WHERE questions_sha256 = ?"


class Added(NamedTuple):
    """The result of adding a question file."""

    name: str
    sha256: str
    questions: int
    golds: int
    changed: bool
    """False if the database had the same questions and gold answers already."""


def add_questions(store: Store, path: Path, name: str | None = None) -> Added:
    """Read and add a question file; see `put_questions`.

    Args:
        store: the database, open for writing.
        path: the file.
        name: the name of the question set; the file's name without its ending if None.

    Raises:
        BadInput, Malformed: see `read_questions` and `put_questions`.
    """
    return put_questions(store, read_questions(path), name or name_of(path))


def name_of(path: Path) -> str:
    """The name of a file's question set: the file's name without its ending."""
    return printable(path.name.removesuffix(".gz").rsplit(".", 1)[0] or path.name)


def read_questions(path: Path, *, answerable_only: bool = False) -> QuestionFile:
    """Read a question file; see `contract.questions.decode_questions`.

    Raises:
        BadInput: the file cannot be read.
        Malformed: it is no question file.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_QUESTION_FILE_BYTES + 1)
    except OSError as error:
        raise BadInput(f"question file {str(path)!r} cannot be read: {error.strerror}") from None
    return decode_questions(data, answerable_only=answerable_only)


def put_questions(store: Store, file: QuestionFile, name: str) -> Added:
    """Add the questions of a file. Adding them again changes nothing.

    A file with the same questions and other gold answers replaces the old gold answers, and the scores that
    were computed with them are dropped. A file without gold answers replaces none.

    Raises:
        BadInput: a text in the file cannot be stored.
    """
    _check_storable(file)
    golds = sorted(
        (q.id, position, gold.text, gold.answer_start)
        for q in file.questions
        for position, gold in enumerate(q.golds)
    )
    with store.deriving():
        before = _golds(store, file.sha256)
        differ = bool(golds) and golds != before
        if differ and before:
            for (stream,) in list(store.tuples(_RUNS, file.sha256)):
                drop_scores(store, stream)
        with store.writing() as conn:
            question_set = _question_set(conn, file.sha256)
            changed = question_set is None or differ
            if question_set is None:
                question_set = _insert(conn, file, name)
            if differ:
                conn.execute("DELETE FROM golds WHERE question_set = ?", (question_set,))
                columns = ("question_set", "question_id", "position", "text", "answer_start")
                conn.insert("golds", columns, ((question_set, *gold) for gold in golds))
            if changed:
                conn.execute(f"DELETE FROM run_columns WHERE stream IN ({_RUNS})", (file.sha256,))  # noqa: S608  # our own words
                conn.execute("DELETE FROM findings")
    return Added(name, file.sha256, len(file.questions), len(golds or before), changed)


def _check_storable(file: QuestionFile) -> None:
    for question in file.questions:
        texts = (question.id, question.title, question.context, question.question)
        if any("\0" in text for text in (*texts, *(gold.text for gold in question.golds))):
            raise BadInput(f"question {question.id!r} has a NUL character, which cannot be stored")


def question_set_named(store: Store, name: str) -> int:
    """Return the number of the question file with a name or a beginning of its digest.

    Raises:
        BadInput: there is no such file, or several.
    """
    found = list(
        store.tuples(
            "SELECT question_set FROM question_sets WHERE name = ?1 OR substr(sha256, 1, length(?1)) = ?1",
            name,
        )
    )
    if not name or len(found) != 1:
        many = "several question files are" if found else "no question file is"
        raise BadInput(f"{many} called {name!r}: see collector questions list")
    return int(found[0][0])


def _golds(store: Store, sha256: str) -> list[tuple[str, int, str, int]]:
    return list(
        store.tuples(
            "SELECT question_id, position, text, answer_start FROM golds "
            "JOIN question_sets USING (question_set) WHERE sha256 = ? ORDER BY 1, 2",
            sha256,
        )
    )


def _question_set(conn: Transaction, sha256: str) -> int | None:
    row = conn.execute("SELECT question_set FROM question_sets WHERE sha256 = ?", (sha256,)).fetchone()
    return None if row is None else int(row[0])


def _insert(conn: Transaction, file: QuestionFile, name: str) -> int:
    (question_set,) = conn.execute(
        "INSERT INTO question_sets (sha256, name, added_at) VALUES (?, ?, ?) RETURNING question_set",
        (file.sha256, name, utc_now()),
    ).fetchone()
    passages = list(dict.fromkeys((q.title, q.context) for q in file.questions))
    places = {passage: place for place, passage in enumerate(passages)}
    conn.insert(
        "passages",
        ("question_set", "passage", "title", "context"),
        ((question_set, place, *passage) for passage, place in places.items()),
    )
    conn.insert(
        "questions",
        ("question_set", "question_id", "passage", "question"),
        ((question_set, q.id, places[q.title, q.context], q.question) for q in file.questions),
    )
    return int(question_set)
