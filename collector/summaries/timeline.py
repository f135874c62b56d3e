"""The course of a run over its duration, which is lost when its answers are sorted by question."""

from collections import Counter
from itertools import pairwise
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.findings.between_rows import Moment, RunEnds
from collector.statistics.timing.medians import ratio_of_medians
from collector.statistics.timing.outliers import outliers
from collector.statistics.timing.steadiness import steadiness
from collector.store.database import Store
from collector.summaries.columns import ERROR, TIMED
from contract.fields import MAX_INT

RULES: Final = 3
"""Version of the rules of this module; raise it when one changes, and stored timelines are made again."""
MOMENTS: Final = 60
"""How many equal parts the duration of a run is divided into."""
_TENTH: Final = 10
_FEWEST_IN_A_TENTH: Final = 6
"""The fewest values whose range encloses the median with 95 %."""
_THROTTLED: Final = frozenset({"throttled", "frequency_capped", "soft_temperature_limit", "under_voltage"})


class Answered(NamedTuple):
    """The answers of a run in the order in which they were given."""

    at_ns: NDArray[np.int64]
    time_ns: NDArray[np.int64]
    tokens: NDArray[np.int64]
    state: NDArray[np.uint8]
    """As in `columns.Columns`."""
    marks: dict[int, str]
    """The comma-separated marks of each answer that has any, by the answer's position."""


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from the order of a run's answers and samples."""

    rules: int
    """The `RULES` that it was made by."""
    marks: dict[str, int]
    """How many answers each kind of disturbance marked."""
    drift: float | None
    """Time at the end over time at the start, as `steadiness` computes it; None if that may be chance."""
    persistent: float | None
    """Relative standard deviation of changes about as long as a round; None if they may be chance."""
    outliers: int
    """The number that `outliers` computes."""
    ends: RunEnds | None
    """The first and the last tenth of the answers; None if a tenth is fewer than `_FEWEST_IN_A_TENTH`."""
    joules: float | None
    """Energy of all rounds, each from its start to its last reading of the meter. A run without rounds counts
    as one round, whose meter starts with the first question."""
    joules_answers: int
    """How many answers were given in that time."""
    temperature_celsius: float | None
    """Highest temperature of any sample."""
    moments: tuple[Moment, ...]


class _Sample(NamedTuple):
    seq: int
    at_ns: int
    temperature_celsius: float | None
    clock_hz: int | None
    throttle: str | None
    energy_joules: float | None


_SAMPLES: Final = (
    "SELECT seq, at_ns, temperature_celsius, clock_hz, throttle, energy_joules FROM samples "
    "WHERE stream = ? ORDER BY seq"
)
_ROUND_STARTS: Final = "SELECT seq, at_ns FROM round_starts WHERE stream = ? ORDER BY seq"


def timeline(store: Store, stream: int, answers: Answered) -> Timeline:
    """Sum up a run's answers and samples in the order in which they were recorded."""
    starts = list(store.tuples(_ROUND_STARTS, stream))
    samples = [_Sample(*row) for row in store.tuples(_SAMPLES, stream)]
    if starts:
        samples, energy = _of_rounds(samples, starts, answers.at_ns)
    else:
        energy = _of_one_round(samples, answers.at_ns)
    timed = answers.state == TIMED
    times, tokens = answers.time_ns[timed], answers.tokens[timed]
    rounds = np.searchsorted([at_ns for _, at_ns in starts], answers.at_ns[timed], side="right")
    steady = steadiness(times, tokens, rounds)
    marks = Counter(mark for marks in answers.marks.values() for mark in marks.split(","))
    return Timeline(
        rules=RULES,
        marks=dict(sorted(marks.items())),
        drift=steady.drift,
        persistent=steady.persistent,
        outliers=outliers(times, tokens),
        ends=_ends(answers.time_ns[answers.state != ERROR]),
        joules=energy.joules,
        joules_answers=energy.answers,
        temperature_celsius=_highest(samples),
        moments=tuple(_moments(answers, samples)),
    )


def _ends(times_ns: NDArray[np.int64]) -> RunEnds | None:
    tenth = len(times_ns) // _TENTH
    if tenth < _FEWEST_IN_A_TENTH:
        return None
    first, last = times_ns[:tenth], times_ns[-tenth:]
    if not np.median(first):
        return None
    found = ratio_of_medians(last, first)
    return RunEnds(
        answers=tenth,
        first_p50_ms=float(np.median(first)) / 1e6,
        last_p50_ms=float(np.median(last)) / 1e6,
        ratio=found.value,
        interval=(found.low, found.high),
    )


class _Energy(NamedTuple):
    joules: float | None
    answers: int


def _of_one_round(samples: list[_Sample], asked_ns: NDArray[np.int64]) -> _Energy:
    """The energy of a run without rounds: its meter starts with its first question."""
    metered = [s for s in samples if s.energy_joules is not None]
    if not metered:
        return _Energy(None, 0)
    return _Energy(metered[-1].energy_joules, _asked_between(asked_ns, 0, metered[-1].at_ns))


def _of_rounds(
    samples: list[_Sample], starts: list[tuple[int, int]], asked_ns: NDArray[np.int64]
) -> tuple[list[_Sample], _Energy]:
    """Sum up the meter, which counts from zero in each round; the samples get the joules of the run."""
    before, answers, metered = 0.0, 0, False
    summed: list[_Sample] = []
    for (_, start_ns), (end_seq, _) in pairwise([*starts, (MAX_INT, MAX_INT)]):
        last: _Sample | None = None
        for sample in samples[len(summed) :]:
            if sample.seq >= end_seq:
                break
            if sample.energy_joules is not None:
                last = sample
                sample = sample._replace(energy_joules=before + sample.energy_joules)
            summed.append(sample)
        if last is not None:
            metered = True
            before += last.energy_joules or 0.0
            answers += _asked_between(asked_ns, start_ns, last.at_ns)
    return summed, _Energy(before if metered else None, answers)


def _asked_between(asked_ns: NDArray[np.int64], first_ns: int, last_ns: int) -> int:
    return int(np.count_nonzero((asked_ns >= first_ns) & (asked_ns < last_ns)))


def _moments(answers: Answered, samples: list[_Sample]) -> list[Moment]:
    ends = [*answers.at_ns[-1:].tolist(), *(s.at_ns for s in samples[-1:])]
    width = max(ends, default=0) / MOMENTS + 1
    part_of_answer = np.minimum(answers.at_ns // width, MOMENTS - 1).astype(np.int64)
    sampled: list[list[_Sample]] = [[] for _ in range(MOMENTS)]
    for sample in samples:
        sampled[min(int(sample.at_ns // width), MOMENTS - 1)].append(sample)
    marked: list[set[str]] = [set() for _ in range(MOMENTS)]
    throttled = [0] * MOMENTS
    for place, marks in answers.marks.items():
        part, names = part_of_answer[place], marks.split(",")
        marked[part].update(names)
        throttled[part] += not _THROTTLED.isdisjoint(names)
    moments = []
    for i in range(MOMENTS):
        in_part = part_of_answer == i
        if in_part.any() or sampled[i]:
            times = answers.time_ns[in_part & (answers.state != ERROR)]
            counts = int(np.count_nonzero(in_part)), throttled[i]
            moments.append(_moment((i + 0.5) * width / 1e9, times, marked[i], sampled[i], counts))
    return moments


def _moment(
    seconds: float,
    times_ns: NDArray[Any],
    marks: set[str],
    samples: list[_Sample],
    counts: tuple[int, int],
) -> Moment:
    seen = marks.union(*(s.throttle.split(",") for s in samples if s.throttle))
    return Moment(
        seconds=round(seconds, 3),
        p50_ms=float(np.median(times_ns)) / 1e6 if len(times_ns) else None,
        temperature_celsius=_highest(samples),
        clock_hz=min((s.clock_hz for s in samples if s.clock_hz is not None), default=None),
        throttled=not _THROTTLED.isdisjoint(seen),
        answers=counts[0],
        throttled_answers=counts[1],
        energy_joules=next((s.energy_joules for s in reversed(samples) if s.energy_joules is not None), None),
    )


def _highest(samples: list[_Sample]) -> float | None:
    return max((s.temperature_celsius for s in samples if s.temperature_celsius is not None), default=None)
