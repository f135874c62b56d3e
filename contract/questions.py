"""Question files: SQuAD v1.1 or what is SQuAD in all but a detail, with or without gold answers.

The format is not distilbench's own, so fields that SQuAD v1.1 does not have are ignored, not refused.
"""

import hashlib
from collections.abc import Iterable
from typing import Annotated, Any, Final, NamedTuple

import msgspec

from contract.codec import decode_json
from contract.errors import Malformed
from contract.fields import Name, Sha256
from contract.foreign.encodings import as_utf8
from contract.foreign.gold_places import Misplaced, in_another_form, nearest, remarks
from contract.foreign.squad import SquadRow, convert_rows, decode_rows

MAX_QUESTION_FILE_BYTES: Final = 512 * 1_048_576
MOST_CANARIES: Final = 100
"""How many questions a file of canaries names at most."""
MOST_CANARY_BYTES: Final = 1_048_576
"""How much of a file of canaries is read."""


class Gold(msgspec.Struct, frozen=True):
    """One person's answer."""

    text: str
    answer_start: int
    """Where the text is in the context, in code points. If it is not in it, what the file says, or -1."""

    def is_in(self, context: str) -> bool:
        """Whether the text is in the context, and thus at its place."""
        return self.answer_start >= 0 and context.startswith(self.text, self.answer_start)


class Question(NamedTuple):
    """One question with its context; `golds` is empty if the file has no gold answers for it."""

    id: str
    question: str
    context: str
    golds: tuple[Gold, ...]
    title: str


class QuestionFile(NamedTuple):
    """The questions of a file, in the order of the file.

    `sha256` is the digest of what a model sees: ids, questions and contexts, in order of id. It does not
    depend on gold answers, titles and the order of the file, so a device's file without gold answers and the
    collector's file with them have the same digest.
    """

    questions: tuple[Question, ...]
    sha256: str
    misplaced: tuple[Misplaced, ...] = ()
    """The gold answers that are not where the file says."""
    left_out: int = 0
    """How many unanswerable questions were left out."""

    def remarks(self) -> list[str]:
        """Sentences about what was left out, and about gold answers that are not where the file says."""
        said = remarks(self.misplaced)
        if self.left_out:
            left = f"{self.left_out} of {self.left_out + len(self.questions)} questions"
            said.insert(0, f"left out {left}, which have no answer")
        return said


class HasUnanswerable(Malformed):
    """The file is SQuAD 2.0: it has questions that its own contexts do not answer."""


class CanaryFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The questions of a file on which machines are likeliest to differ.

    `collector canaries` writes it, and `agent run --canary` asks them.
    """

    questions_sha256: Sha256
    """The digest of the question file that they are of."""
    question_ids: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=MOST_CANARIES)]


_CANARIES: Final = msgspec.json.Decoder(CanaryFile)


def decode_canaries(data: bytes) -> CanaryFile:
    """Decode a file of canaries.

    Raises:
        Malformed: it is no such file.
    """
    return decode_json(data, _CANARIES, "canary file")


def decode_questions(data: bytes, *, answerable_only: bool = False) -> QuestionFile:
    """Decode a question file: SQuAD v1.1, or what `contract.foreign` makes of other files.

    Args:
        data: the file as it is.
        answerable_only: leave out the questions that have no gold answer, as SQuAD 2.0 has them, and count
            them.

    Raises:
        HasUnanswerable: a question is unanswerable, and `answerable_only` is not set.
        Malformed: the file is no question file, or has no question or an id twice.
    """
    content = as_utf8(data, "question file", MAX_QUESTION_FILE_BYTES)
    return _collected(decode_rows(content), answerable_only)


def questions_of(rows: Iterable[dict[str, Any]], *, answerable_only: bool = False) -> QuestionFile:
    """The questions of a table's rows, with the columns that the library `datasets` makes of SQuAD.

    Raises:
        HasUnanswerable, Malformed: see `decode_questions`.
    """
    return _collected(convert_rows(rows), answerable_only)


def questions_sha256(questions: tuple[Question, ...]) -> str:
    """Return the digest of ids, questions and contexts in order of id; see `QuestionFile`."""
    digest = hashlib.sha256()
    for q in sorted(questions, key=lambda q: q.id):
        digest.update(msgspec.json.encode((q.id, q.question, q.context)))
        digest.update(b"\n")
    return digest.hexdigest()


def place_in_order(seed: int, question_id: str) -> bytes:
    """Return what the questions of a run are ordered by: SHA-256 of seed and id.

    So the order does not depend on the file's, and a run with a smaller limit asks the first questions of one
    with a larger limit. The first ones are a random choice.

    Args:
        seed: the seed of the run's settings.
        question_id: the id of a question.
    """
    return hashlib.sha256(f"{seed}\0{question_id}".encode()).digest()


def _collected(rows: Iterable[SquadRow], answerable_only: bool) -> QuestionFile:
    found: dict[str, Question] = {}
    contexts: dict[str, str] = {}  # Rows of one paragraph have a copy of it each: one is enough.
    misplaced: list[Misplaced] = []
    left_out = 0
    for row in rows:
        if not 1 <= len(row.id) <= 200:
            raise Malformed(f"question id {row.id[:80]!r} must have 1 to 200 characters, at {row.place}")
        if row.id in found:
            raise Malformed(f"question file has the id {row.id!r} twice, again at {row.place}")
        if answerable_only and (row.impossible or not row.golds):
            left_out += 1
            continue
        if row.impossible:
            raise HasUnanswerable(
                f"question {row.id!r} is unanswerable (SQuAD 2.0), and distilbench asks what has an answer: "
                "leave out such questions with --answerable-only"
            )
        context = contexts.setdefault(row.context, row.context)
        golds = tuple(_gold(row, text, stated, misplaced) for text, stated in row.golds)
        found[row.id] = Question(row.id, row.question, context, golds, row.title)
    if not found:
        raise Malformed(f"question file holds no {'answerable ' if left_out else ''}question")
    questions = tuple(found.values())
    return QuestionFile(questions, questions_sha256(questions), tuple(misplaced), left_out)


def _gold(row: SquadRow, text: str, stated: int | None, misplaced: list[Misplaced]) -> Gold:
    start = -1 if stated is None else stated
    if start >= 0 and row.context.startswith(text, start):
        return Gold(text, start)
    if (found := nearest(row.context, text, start)) is not None:
        if stated is not None:
            misplaced.append(Misplaced(row.id, text, start, found))
        return Gold(text, found)
    place, form = in_another_form(row.context, text, start) or (None, None)
    misplaced.append(Misplaced(row.id, text, start, place, form))
    return Gold(text, start)
