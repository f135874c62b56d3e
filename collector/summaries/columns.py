"""The answers of runs as columns, a number each: what statistics are computed from.

Rows are in order of question, so two runs of the same questions lie side by side. Questions and texts are
named by 64 bits of a hash: among 100,000 of them, two share one with a probability of 3 in 10^10.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

TIMED: Final = 0
MARKED: Final = 1
ERROR: Final = 2

_TYPES: Final = {
    "question": "<u8",
    "seq": "<i8",
    "time_ns": "<i8",
    "state": "|u1",
    "text": "<u8",
    "exact_match": "<f4",
    "f1": "<f8",
    "bertscore_f1": "<f8",
}
_KEY_BYTES: Final = 8


class Columns(NamedTuple):
    """Answers, in order of (question, seq)."""

    question: NDArray[np.uint64]
    seq: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    """tokenize + infer + decode."""
    state: NDArray[np.uint8]
    """`TIMED`, or why the time does not count: `MARKED` or `ERROR`."""
    text: NDArray[np.uint64]
    exact_match: NDArray[np.float32]
    """0 or 1; NaN where it is not scored."""
    f1: NDArray[np.float64]
    """0 to 1; NaN where it is not scored."""
    bertscore_f1: NDArray[np.float64]
    """Raw; NaN where it is not scored."""

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]], keys: "Keys") -> Self:
        """Make columns of rows with the same fields, questions and texts being strings."""
        fields: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(cls._fields)
        values = dict(zip(cls._fields, fields, strict=True))
        values["question"] = keys.of(values["question"])
        values["text"] = keys.of(values["text"])
        arrays: list[NDArray[Any]] = [np.array(values[name], dtype=kind) for name, kind in _TYPES.items()]
        order = np.lexsort((arrays[1], arrays[0]))
        return cls(*(array[order] for array in arrays))

    @classmethod
    def from_bytes(cls, parts: Iterable[Sequence[bytes]]) -> Self:
        """The inverse of `to_bytes`, of parts that follow each other; the arrays cannot be written to."""
        columns = list(zip(*parts, strict=True)) or [()] * len(cls._fields)
        blobs = (b"".join(column) for column in columns)
        return cls(*(np.frombuffer(blob, kind) for blob, kind in zip(blobs, _TYPES.values(), strict=True)))

    def to_bytes(self, answers: slice = slice(None)) -> list[bytes]:
        """Each column, or those answers of it, as little-endian bytes."""
        return [column[answers].tobytes() for column in self]

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The answers of several runs together."""
        if len(parts) == 1:
            return parts[0]
        arrays: list[NDArray[Any]] = [np.concatenate(column) for column in zip(*parts, strict=True)]
        order = np.argsort(arrays[0], kind="stable")
        return cls(*(array[order] for array in arrays))


class PerQuestion(NamedTuple):
    """A number for each question."""

    question: NDArray[np.uint64]
    """Ascending."""
    value: NDArray[Any]


class Keys:
    """Remembers the keys of the texts it has seen: questions come again in every run."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> list[int]:
        """The keys of texts, in their order."""
        known = self._known
        found = []
        for text in texts:
            key = known.get(text)
            if key is None:
                digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES)
                key = known[text] = int.from_bytes(digest.digest(), "little")
            found.append(key)
        return found


def median_times(answers: Columns) -> PerQuestion:
    """The nearest-rank median of the times that count, of each question that has one."""
    counted = answers.state == TIMED
    question, time_ns = answers.question[counted], answers.time_ns[counted]
    starts, counts = _groups(question)
    if len(starts) < len(question):
        time_ns = time_ns[np.lexsort((time_ns, question))]
    return PerQuestion(question[starts], time_ns[starts + (counts + 1) // 2 - 1])


def mean_scores(answers: Columns, scores: NDArray[Any]) -> PerQuestion:
    """The mean of a score over each question's answers: one asked more often does not weigh more."""
    starts, counts = _groups(answers.question)
    if not len(starts):
        return PerQuestion(answers.question, np.empty(0))
    return PerQuestion(answers.question[starts], np.add.reduceat(scores, starts, dtype=np.float64) / counts)


def first_texts(answers: Columns) -> PerQuestion:
    """The place of each question's first answer that is not an error."""
    places = np.flatnonzero(answers.state != ERROR)
    question = answers.question[places]
    starts, _ = _groups(question)
    return PerQuestion(question[starts], places[starts])


def shared(left: PerQuestion, right: PerQuestion) -> tuple[NDArray[Any], NDArray[Any]]:
    """The values of the questions that both have, in the same order."""
    if np.array_equal(left.question, right.question):
        return left.value, right.value
    _, at_left, at_right = np.intersect1d(
        left.question, right.question, assume_unique=True, return_indices=True
    )
    return left.value[at_left], right.value[at_right]


def _groups(question: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each question's answers start, and how many there are."""
    starts = np.flatnonzero(np.concatenate(([True], question[1:] != question[:-1]))[: len(question)])
    return starts, np.diff(np.append(starts, len(question)))
