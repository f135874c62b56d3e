"""The mean scores and times of each question of a row: rows are compared by these and not by their answers.

They take 20 to 40 bytes per question in the database, whatever the number of answers.
"""

import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.summaries.columns import (
    ERROR,
    MARKED,
    TIMED,
    Columns,
    PerQuestion,
    first_texts,
    groups,
    joined,
    mean_scores,
    median_times,
)

_COMPRESSION: Final = 1
_PAIR: Final = 2
_TYPES: Final = {
    "exact_match": "<f8",
    "f1": "<f8",
    "bertscore_f1": "<f8",
    "time_ns": "<i8",
    "devices": "<i4",
    "middle_log": "<f8",
}
"""The arrays of `QuestionMeans` that are compressed; hashes of questions cannot be."""


class Packed(msgspec.Struct, frozen=True, kw_only=True):
    """A `QuestionMeans`, as it is remembered."""

    answered: int
    errors: int
    timed: int
    marked: int
    of_devices: int
    question: bytes
    """Little-endian."""
    values: bytes
    """The other arrays: of each, the first bytes of all numbers, then the second ones; deflated together."""


class QuestionMeans(NamedTuple):
    """The answers of a row, question by question. The arrays have one entry per question that was asked."""

    answered: int
    """How many questions have at least one answer that is not an error."""
    errors: int
    """How many answers are errors."""
    timed: int
    """How many answers have a time that counts."""
    marked: int
    """How many answers have a time that does not count."""
    of_devices: int
    """How many devices the answers are of; 0 for imported predictions."""
    question: NDArray[np.uint64]
    """Hashes of the questions in ascending order."""
    exact_match: NDArray[np.float64]
    """Mean over the answers, errors included, 0 to 1; NaN if one of them is not scored."""
    f1: NDArray[np.float64]
    """The same of F1."""
    bertscore_f1: NDArray[np.float64]
    """The same of BERTScore F1."""
    time_ns: NDArray[np.int64]
    """Median over the times that count; over devices, the geometric mean of their medians. 0 without a time.
    """
    devices: NDArray[np.int32]
    """How many devices have a time that counts."""
    middle_log: NDArray[np.float64]
    """Median over the devices of the logarithm of their times; NaN if fewer than two have one."""

    @property
    def times(self) -> PerQuestion:
        """The times of the questions that have one: on all devices, unless they have none in common."""
        everywhere = self.devices == max(self.of_devices, 1)
        kept = everywhere if everywhere.any() else self.devices > 0
        return PerQuestion(self.question[kept], self.time_ns[kept])

    @property
    def middle_logs(self) -> PerQuestion:
        """The median logarithms of the questions for which two devices have a time."""
        known = ~np.isnan(self.middle_log)
        return PerQuestion(self.question[known], self.middle_log[known])

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Join means of ranges of questions, in ascending order."""
        if len(parts) == 1:
            return parts[0]
        answered, errors, timed, marked, devices, *arrays = zip(*parts, strict=True)
        counts = (sum(answered), sum(errors), sum(timed), sum(marked), devices[0])
        return cls(*counts, *(np.concatenate(array) for array in arrays))

    def packed(self) -> Packed:
        """Pack the means to be remembered."""
        arrays = {name: getattr(self, name).astype(kind) for name, kind in _TYPES.items()}
        shuffled = b"".join(_bytewise(array).T.tobytes() for array in arrays.values())
        return Packed(
            answered=self.answered,
            errors=self.errors,
            timed=self.timed,
            marked=self.marked,
            of_devices=self.of_devices,
            question=self.question.astype("<u8").tobytes(),
            values=zlib.compress(shuffled, _COMPRESSION),
        )

    @classmethod
    def unpacked(cls, packed: Packed) -> Self:
        """Read means that `packed` wrote; the arrays are read-only."""
        question = np.frombuffer(packed.question, "<u8")
        shuffled, start = np.frombuffer(zlib.decompress(packed.values), np.uint8), 0
        arrays: list[NDArray[Any]] = []
        for kind in map(np.dtype, _TYPES.values()):
            stop = start + len(question) * kind.itemsize
            bytewise = shuffled[start:stop].reshape(kind.itemsize, len(question))
            arrays.append(np.frombuffer(bytewise.T.tobytes(), kind))
            start = stop
        return cls(
            packed.answered, packed.errors, packed.timed, packed.marked, packed.of_devices, question, *arrays
        )


class Judged(NamedTuple):
    """The fields of answers that means are made of, as in `Columns` and in the same order."""

    question: NDArray[np.uint64]
    time_ns: NDArray[np.int64]
    state: NDArray[np.uint8]
    exact_match: NDArray[np.float32]
    f1: NDArray[np.float64]
    bertscore_f1: NDArray[np.float64]

    @classmethod
    def of(cls, columns: Columns) -> Self:
        """Take the fields of whole columns."""
        return cls(*(getattr(columns, name) for name in cls._fields))


def question_means(runs: Sequence[Judged], devices: Sequence[Sequence[int]]) -> QuestionMeans:
    """Sum up the answers of runs to the same range of questions, question by question.

    Args:
        runs: the answers of each run, in order of time.
        devices: the positions in `runs` of each device's runs; none for imported predictions.
    """
    together = joined(runs)
    scores = [
        mean_scores(together, values) for values in (together.exact_match, together.f1, together.bertscore_f1)
    ]
    question = scores[0].question
    # One device at a time: no more than one is joined while the answers of all are in memory.
    times = [median_times(joined([runs[place] for place in places])) for places in devices]
    time_ns, count, middle_log = _over_devices(question, times)
    return QuestionMeans(
        answered=len(first_texts(together).question),
        errors=int(np.count_nonzero(together.state == ERROR)),
        timed=int(np.count_nonzero(together.state == TIMED)),
        marked=int(np.count_nonzero(together.state == MARKED)),
        of_devices=len(devices),
        question=question,
        exact_match=scores[0].value,
        f1=scores[1].value,
        bertscore_f1=scores[2].value,
        time_ns=time_ns,
        devices=count,
        middle_log=middle_log,
    )


def _over_devices(
    question: NDArray[np.uint64], devices: Sequence[PerQuestion]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Average the times of devices: returns `time_ns`, `devices` and `middle_log` of each question."""
    time_ns, count = np.zeros(len(question), np.int64), np.zeros(len(question), np.int32)
    middle_log = np.full(len(question), np.nan)
    if len(devices) == 1:
        places = np.searchsorted(question, devices[0].question)
        time_ns[places], count[places] = devices[0].value, 1
        return time_ns, count, middle_log
    timed = np.concatenate([np.empty(0, np.uint64), *(device.question for device in devices)])
    if len(timed):
        logs = np.log(np.maximum(np.concatenate([device.value for device in devices]), 1))
        order = np.argsort(timed, kind="stable")
        starts, counts = groups(timed[order])
        places = np.searchsorted(question, timed[order][starts])
        time_ns[places] = np.rint(np.exp(np.add.reduceat(logs[order], starts) / counts)).astype(np.int64)
        count[places] = counts
        ordered = logs[np.lexsort((logs, timed))]
        middle = (ordered[starts + (counts - 1) // 2] + ordered[starts + counts // 2]) / 2
        middle_log[places] = np.where(counts < _PAIR, np.nan, middle)
    return time_ns, count, middle_log


def _bytewise(array: NDArray[Any]) -> NDArray[np.uint8]:
    return array.view(np.uint8).reshape(len(array), array.itemsize)
