"""The questions in data that is SQuAD in all but a detail.

Such data is a file of articles, a list of articles, paragraphs or rows, or JSON lines of these. Rows are
what the library `datasets` makes of SQuAD: each has its own context, and its answers are a list of texts and
a list of places. Null means that a field is absent, and a number may stand for its text.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from contract.codec import decode_json, printable
from contract.errors import Malformed

WHAT: Final = "question file (SQuAD v1.1)"

_Scalar = str | int | float


class _Answers(msgspec.Struct, frozen=True):
    """One answer, or the texts and the places of all of them."""

    text: _Scalar | list[_Scalar | None] | None = None
    answer_start: _Scalar | list[_Scalar | None] | None = None


class _Asked(msgspec.Struct, frozen=True):
    id: _Scalar | None = None
    question: str | None = None
    answers: _Answers | list[_Answers | str | None] | None = None
    is_impossible: bool | int | float | None = None
    context: str | None = None
    title: _Scalar | None = None


class _Paragraph(_Asked, frozen=True):
    qas: list[_Asked] | None = None


class _Article(_Paragraph, frozen=True):
    paragraphs: list[_Paragraph] | None = None


class _File(_Article, frozen=True):
    data: list[_Article] | None = None


class SquadRow(NamedTuple):
    """One question as a file has it."""

    place: str
    """Where it is in the file, such as `$.data[0].paragraphs[2].qas[1]` or `line 7`."""
    id: str
    question: str
    context: str
    title: str
    golds: list[tuple[str, int | None]]
    """Text and stated place of each gold answer."""
    impossible: bool
    """Marked as unanswerable, or given as a row without an answer: the two ways of SQuAD 2.0."""


_DECODER: Final = msgspec.json.Decoder(_File | list[_Article])
_LINE_DECODER: Final = msgspec.json.Decoder(_Article)
_LARGEST_PLACE: Final = 2**53
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_FIRST_OF_LINES: Final = re.compile(rb"\s*([^\n]+)\n\s*\S")


def decode_rows(data: bytes) -> Iterator[SquadRow]:
    """Decode UTF-8 JSON or JSON lines, in the order of the file.

    Raises:
        Malformed: the data is not JSON, or a question lacks its text, its context or its id.
    """
    if are_json_lines(data):
        for number, line in enumerate(data.split(b"\n"), start=1):
            if line.strip():
                record = decode_json(line, _LINE_DECODER, f"line {number} of the {WHAT}")
                yield from _of_article(record, f"line {number}")
        return
    file = decode_json(data, _DECODER, WHAT)
    if isinstance(file, list):
        for place, article in enumerate(file):
            yield from _of_article(article, f"$[{place}]")
    elif file.data is not None:
        for place, article in enumerate(file.data):
            yield from _of_article(article, f"$.data[{place}]")
    elif file.paragraphs is file.qas is file.question is None:
        raise Malformed(f"{WHAT} has neither `data`, the list of its articles, nor rows with `question`")
    else:
        yield from _of_article(file, "$")


def convert_rows(rows: Iterable[dict[str, Any]]) -> Iterator[SquadRow]:
    """Convert the rows of a table.

    Raises:
        Malformed: a row lacks a text, a context or an id, or has a value of another type.
    """
    for number, row in enumerate(rows, start=1):
        try:
            asked = msgspec.convert(row, _Asked)
        except msgspec.ValidationError as error:
            raise Malformed(f"row {number} does not fit the format: {printable(str(error))}") from None
        yield _row(asked, asked, asked, f"row {number}")


def are_json_lines(data: bytes) -> bool:
    """Whether data has several lines, of which the first is JSON by itself."""
    found = _FIRST_OF_LINES.match(data)
    if found is None:
        return False
    try:
        _RAW.decode(found[1])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _of_article(article: _Article, place: str) -> Iterator[SquadRow]:
    """The questions of an article, or of a paragraph or row in its place."""
    for j, paragraph in enumerate([article] if article.paragraphs is None else article.paragraphs):
        where = place if paragraph is article else f"{place}.paragraphs[{j}]"
        for k, asked in enumerate([paragraph] if paragraph.qas is None else paragraph.qas):
            yield _row(asked, paragraph, article, where if asked is paragraph else f"{where}.qas[{k}]")


def _row(asked: _Asked, paragraph: _Asked, article: _Asked, place: str) -> SquadRow:
    context = paragraph.context if asked.context is None else asked.context
    title = next((one.title for one in (asked, paragraph, article) if one.title is not None), "")
    for name, value in (("question", asked.question), ("context", context), ("id", asked.id)):
        if value is None:
            raise Malformed(f"{WHAT} has no `{name}` at {place}")
    assert asked.question is not None and context is not None and asked.id is not None
    golds = list(_golds(asked.answers, place))
    impossible = bool(asked.is_impossible) or (isinstance(asked.answers, _Answers) and not golds)
    return SquadRow(place, as_text(asked.id), asked.question, context, as_text(title), golds, impossible)


def _golds(
    answers: _Answers | list[_Answers | str | None] | None, place: str
) -> Iterator[tuple[str, int | None]]:
    for entry in answers if isinstance(answers, list) else [answers]:
        if entry is None:
            continue
        if isinstance(entry, str):
            yield entry, None
            continue
        texts = entry.text if isinstance(entry.text, list) else [entry.text]
        starts = entry.answer_start if isinstance(entry.answer_start, list) else [entry.answer_start]
        if entry.answer_start is None:
            starts = [None] * len(texts)
        if len(starts) != len(texts):
            raise Malformed(f"{WHAT} has {len(texts)} answers with {len(starts)} places at {place}")
        for text, start in zip(texts, starts, strict=True):
            if text is not None:
                yield as_text(text), _whole(start)


def as_text(value: str | int | float) -> str:
    """A number as the official script sees it in a key of JSON, which is text."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas makes floats of whole numbers if one is absent
    return str(value)


def _whole(start: _Scalar | None) -> int | None:
    if start is None:
        return None
    try:
        return min(max(int(start), -1), _LARGEST_PLACE)
    except (ValueError, OverflowError):
        return None
