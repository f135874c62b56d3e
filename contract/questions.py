"""Question files: SQuAD v1.1 JSON as published, with or without gold answers.

The format is not distilbench's own, so fields that SQuAD v1.1 does not have are ignored, not refused.
"""

import hashlib
from typing import Final, NamedTuple

import msgspec

from contract.codec import decode_json, quoted
from contract.errors import Malformed

MAX_QUESTION_FILE_BYTES: Final = 512 * 1_048_576


class Gold(msgspec.Struct, frozen=True):
    """One person's answer; `answer_start` counts characters (code points) from the context's beginning."""

    text: str
    answer_start: int


class _Qa(msgspec.Struct, frozen=True):
    id: str
    question: str
    answers: list[Gold] = []
    is_impossible: bool = False


class _Paragraph(msgspec.Struct, frozen=True):
    context: str
    qas: list[_Qa]


class _Article(msgspec.Struct, frozen=True):
    paragraphs: list[_Paragraph]
    title: str = ""


class _File(msgspec.Struct, frozen=True):
    data: list[_Article]


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


_DECODER = msgspec.json.Decoder(_File)


def decode_questions(data: bytes) -> QuestionFile:
    """Decode a SQuAD v1.1 file.

    Raises:
        Malformed: the file is not SQuAD v1.1 or has no question, an id twice, a gold answer that is not in
            its context, or an unanswerable question (SQuAD 2.0).
    """
    if len(data) > MAX_QUESTION_FILE_BYTES:
        raise Malformed(
            f"question file has {len(data)} bytes, and at most {MAX_QUESTION_FILE_BYTES} are allowed"
        )
    file = decode_json(data, _DECODER, "question file (SQuAD v1.1)")
    questions = tuple(
        _question(qa, paragraph.context, article.title)
        for article in file.data
        for paragraph in article.paragraphs
        for qa in paragraph.qas
    )
    if not questions:
        raise Malformed(f"question file holds no question: {quoted(data)}")
    seen: set[str] = set()
    for question in questions:
        if question.id in seen:
            raise Malformed(f"question file has the id {question.id!r} twice")
        seen.add(question.id)
    return QuestionFile(questions, questions_sha256(questions))


def questions_sha256(questions: tuple[Question, ...]) -> str:
    """Return the digest of ids, questions and contexts in order of id; see `QuestionFile`."""
    digest = hashlib.sha256()
    for q in sorted(questions, key=lambda q: q.id):
        digest.update(msgspec.json.encode((q.id, q.question, q.context)))
        digest.update(b"\n")
    return digest.hexdigest()


def _question(qa: _Qa, context: str, title: str) -> Question:
    if not 1 <= len(qa.id) <= 200:
        raise Malformed(f"question id {qa.id[:80]!r} must have 1 to 200 characters")
    if qa.is_impossible:
        raise Malformed(f"question {qa.id!r} is unanswerable (SQuAD 2.0); distilbench reads SQuAD v1.1")
    for gold in qa.answers:
        end = gold.answer_start + len(gold.text)
        if gold.answer_start < 0 or context[gold.answer_start : end] != gold.text:
            raise Malformed(
                f"question {qa.id!r} has the gold answer {gold.text[:80]!r}, which is not in its context "
                f"at character {gold.answer_start}"
            )
    return Question(qa.id, qa.question, context, tuple(qa.answers), title)
