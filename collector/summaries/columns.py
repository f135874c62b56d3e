"""The answers of runs as columns of numbers, from which statistics are computed.

Rows are in order of question, so those of two runs of the same questions match. Questions and texts are
identified by 64 bits of a hash: among 100,000 of them, two share a hash with a probability of 3 in 10^10.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

A = TypeVar("A", bound="tuple[NDArray[Any], ...]")

TIMED: Final = 0
MARKED: Final = 1
ERROR: Final = 2

_TYPES: Final = {
    "question": "<u8",
    "seq": "<i8",
    "time_ns": "<i8",
    "tokens": "<i8",
    "state": "|u1",
    "text": "<u8",
    "exact_match": "<f4",
    "f1": "<f8",
    "bertscore_f1": "<f8",
}
_KEY_BYTES: Final = 8
KEYS_HELD: Final = 1_000_000
"""How many keys are kept in memory."""


class Columns(NamedTuple):
    """Answers, in order of (question, seq)."""

    question: NDArray[np.uint64]
    seq: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    """Time to tokenise, infer and decode."""
    tokens: NDArray[np.int64]
    """Tokens of the question and its passage, over all windows; 0 where they are not known."""
    state: NDArray[np.uint8]
    """`TIMED`, or why the time does not count: `MARKED` or `ERROR`."""
    text: NDArray[np.uint64]
    exact_match: NDArray[np.float32]
    """0 or 1; NaN for an answer that is not scored."""
    f1: NDArray[np.float64]
    """0 to 1; NaN for an answer that is not scored."""
    bertscore_f1: NDArray[np.float64]
    """As the BERTScore model computed it; NaN for an answer that is not scored."""

    @classmethod
    def of(cls, rows: Iterable[Sequence[Any]], keys: "Keys") -> Self:
        """Make columns from rows with the same fields, in which questions and texts are strings."""
        fields: list[Sequence[Any]] = list(zip(*rows, strict=True)) or [()] * len(cls._fields)
        values = dict(zip(cls._fields, fields, strict=True))
        values["question"] = keys.of(values["question"])
        values["text"] = keys.of(values["text"])
        arrays: list[NDArray[Any]] = [np.array(values[name], dtype=kind) for name, kind in _TYPES.items()]
        order = np.lexsort((arrays[1], arrays[0]))
        return cls(*(array[order] for array in arrays))

    @classmethod
    def from_bytes(cls, parts: Iterable[Sequence[bytes]]) -> Self:
        """Read columns from consecutive parts written by `to_bytes`; the arrays are read-only."""
        return cls(*arrays(parts, cls._fields))

    def to_bytes(self, answers: slice = slice(None)) -> list[bytes]:
        """Encode each column, or a slice of its answers, as little-endian bytes."""
        return [column[answers].tobytes() for column in self]

    def where(self, chosen: NDArray[np.bool_]) -> Self:
        """Return some of the answers, in the same order."""
        arrays: list[NDArray[Any]] = [column[chosen] for column in self]
        return type(self)(*arrays)


def arrays(parts: Iterable[Sequence[bytes]], fields: Sequence[str]) -> Iterator[NDArray[Any]]:
    """Read some fields of columns from consecutive parts written by `to_bytes`, as read-only arrays."""
    blobs = list(zip(*parts, strict=True)) or [()] * len(fields)
    for field, pieces in zip(fields, blobs, strict=True):
        yield np.frombuffer(b"".join(pieces), _TYPES[field])


class ByQuestion(Protocol):
    """The fields of answers that every function here needs, in order of (question, seq)."""

    @property
    def question(self) -> NDArray[np.uint64]:
        """See `Columns`."""

    @property
    def time_ns(self) -> NDArray[np.int64]:
        """See `Columns`."""

    @property
    def state(self) -> NDArray[np.uint8]:
        """See `Columns`."""


def joined(parts: Sequence[A]) -> A:
    """Join the answers of several runs, each a tuple of arrays of which the first is `question`."""
    if len(parts) == 1:
        return parts[0]
    columns: list[NDArray[Any]] = [np.concatenate(column) for column in zip(*parts, strict=True)]
    order = np.argsort(columns[0], kind="stable")
    make: Callable[..., A] = type(parts[0])
    return make(*(column[order] for column in columns))


class PerQuestion(NamedTuple):
    """A number for each question."""

    question: NDArray[np.uint64]
    """Hashes of the questions in ascending order."""
    value: NDArray[Any]
    """The number of each question."""


class Keys:
    """Hashes texts to keys, and remembers many keys because every run repeats the questions."""

    def __init__(self) -> None:
        self._known: dict[str, int] = {}

    def of(self, texts: Iterable[str]) -> list[int]:
        """Return the keys of texts, in the same order."""
        known = self._known
        if len(known) >= KEYS_HELD:
            known.clear()
        found = []
        for text in texts:
            key = known.get(text)
            if key is None:
                digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES)
                key = known[text] = int.from_bytes(digest.digest(), "little")
            found.append(key)
        return found


def median_times(answers: ByQuestion) -> PerQuestion:
    """Compute, for each question with times that count, their median in whole nanoseconds.

    The median of an even number of times is the mean of the middle two. With the lower one of the two, a row
    whose questions were asked twice would seem faster than a row whose questions were asked once.
    """
    counted = answers.state == TIMED
    question, time_ns = answers.question[counted], answers.time_ns[counted]
    starts, counts = groups(question)
    if len(starts) < len(question):
        time_ns = time_ns[np.lexsort((time_ns, question))]
    lower, upper = time_ns[starts + (counts - 1) // 2], time_ns[starts + counts // 2]
    return PerQuestion(question[starts], lower + (upper - lower) // 2)


def mean_scores(answers: ByQuestion, scores: NDArray[Any]) -> PerQuestion:
    """Average a score over the answers of each question, so a repeated question does not weigh more."""
    starts, counts = groups(answers.question)
    if not len(starts):
        return PerQuestion(answers.question, np.empty(0))
    return PerQuestion(answers.question[starts], np.add.reduceat(scores, starts, dtype=np.float64) / counts)


def first_texts(answers: ByQuestion) -> PerQuestion:
    """Find the position of each question's first answer that is not an error."""
    places = np.flatnonzero(answers.state != ERROR)
    question = answers.question[places]
    starts, _ = groups(question)
    return PerQuestion(question[starts], places[starts])


def shared(left: PerQuestion, right: PerQuestion) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values of the questions that both have, in the same order."""
    if np.array_equal(left.question, right.question):
        return left.value, right.value
    _, at_left, at_right = np.intersect1d(
        left.question, right.question, assume_unique=True, return_indices=True
    )
    return left.value[at_left], right.value[at_right]


def common(left: NDArray[np.uint64], right: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the questions that both sides have; each has its own once, and in ascending order."""
    return left if np.array_equal(left, right) else np.intersect1d(left, right, assume_unique=True)


def distinct(question: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return each question once; they are in ascending order. NumPy's own function would not use that."""
    return question[groups(question)[0]]


def groups(question: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find where the answers to each question start and how many there are; they are in order of question."""
    starts = np.flatnonzero(np.concatenate(([True], question[1:] != question[:-1]))[: len(question)])
    return starts, np.diff(np.append(starts, len(question)))
