"""Labels the rows of each place, and marks those that have no label by rule."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import msgspec

from collector.comparison.labels.recommendation import (
    BALANCE,
    HIGH_ACCURACY,
    LOW_RESOURCE,
    NOTHING,
    REAL_TIME,
    Candidate,
    Recommendation,
    recommend,
)
from collector.comparison.notes import UNUSUAL, few_questions
from collector.comparison.times import shared_spreads, time_ratio
from collector.comparison_inputs.inputs import Inputs, Rivals
from collector.comparison_inputs.tasks.pairing import Pairing
from collector.findings.accuracy import Label
from collector.findings.between_rows import Place, RowName
from collector.findings.comparison import Row, name_of, place_of
from collector.statistics.accuracy.clusters import FEWEST
from collector.statistics.accuracy.ranking import Pairwise
from collector.statistics.accuracy.scores import MeanDifference
from collector.statistics.timing.spread import Spread
from commandline.standing import FULL

TOO_FEW: Final = "needs two models with an F1 and a time on this hardware and these questions"
_NEED_BOTH: Final = f"{LOW_RESOURCE!r} and {BALANCE!r} need both"
_FEWEST: Final = 2
_PERCENT: Final = 100.0
_Pair = tuple[RowName, RowName]


class Labelled(NamedTuple):
    """The rows of a comparison with their labels."""

    rows: tuple[Row, ...]
    labels: tuple[Label, ...]


def labelled(rows: Sequence[Row], inputs: Inputs) -> Labelled:
    """Label what rows are best for, and mark those that are small or on the Pareto front."""
    by_place: dict[Place, list[Row]] = defaultdict(list)
    for row in rows:
        by_place[place_of(row)].append(row)
    marked: list[Row] = []
    labels: list[Label] = []
    for place, together in by_place.items():
        found = _PlaceRows(together, inputs)
        marked += found.marked()
        labels += found.labels(place)
    return Labelled(tuple(marked), tuple(labels))


class _PlaceRows:
    """The rows of one place."""

    def __init__(self, rows: Sequence[Row], inputs: Inputs) -> None:
        self._rows = rows
        self._inputs = inputs
        self._most = max(row.answered for row in rows)
        scored = [row for row in rows if row.f1 is not None and row.p50_ms]
        large = [row for row in scored if not self._is_small(row)]
        readings = {group.name: group.reading for group in inputs.groups}
        ways = [readings.get(name_of(row)) for row in large]
        usual = max(ways, key=ways.count, default=None)
        self._unlike = {name_of(row) for row, way in zip(large, ways, strict=True) if way != usual}
        self._names = [name_of(row) for row in large if name_of(row) not in self._unlike]
        self._spreads = shared_spreads(dict(self._timed()))
        self._found, self._reason = self._recommended([row for row in large if name_of(row) in self._names])

    def labels(self, place: Place) -> Iterator[Label]:
        """Return the labels of the place."""
        for label, rows in self._holders().items():
            yield Label(place=place, label=label, rows=rows)

    def marked(self) -> Iterator[Row]:
        """Return the rows with their labels, and with notes on those that are missing or shared."""
        front = {self._names[i] for i in self._found.front}
        for row in self._rows:
            name = name_of(row)
            mine = {label: rows for label, rows in self._holders().items() if name in rows}
            notes = (*self._missing(row), *(_not_alone(name, label, rows) for label, rows in mine.items()))
            found = tuple(note for note in notes if note is not None)
            yield msgspec.structs.replace(
                row,
                small=self._is_small(row),
                best_for=tuple(mine),
                pareto=name in front,
                notes={**row.notes, "best_for": found} if found else row.notes,
            )

    def _holders(self) -> dict[str, tuple[RowName, ...]]:
        return {
            label: tuple(self._names[i] for i in positions) for label, positions in self._found.labels.items()
        }

    def _missing(self, row: Row) -> Iterator[str]:
        if self._is_small(row):
            yield few_questions(row.answered, self._most)
        elif name_of(row) in self._unlike:
            yield UNUSUAL
        elif self._reason is not None:
            yield self._reason

    def _is_small(self, row: Row) -> bool:
        return row.answered < FULL * self._most and row.taken_over is None

    def _recommended(self, rows: Sequence[Row]) -> tuple[Recommendation, str | None]:
        """Recommend rows, and say why a label is missing."""
        candidates = [Candidate(row.f1 or 0.0, row.p50_ms or 0.0, row.peak_rss_bytes) for row in rows]
        if len(candidates) < _FEWEST:
            return NOTHING, TOO_FEW
        return recommend(candidates, self._accuracy, self._speed), self._why_missing()

    def _why_missing(self) -> str | None:
        """Say which two rows leave a label without a test; None if there are none."""
        reasons = []
        if (pair := self._untold(self._accuracy)) is not None:
            reasons.append(f"no {HIGH_ACCURACY!r}, since {pair} share fewer than {FEWEST} questions")
        if (pair := self._untold(self._speed)) is not None:
            reasons.append(f"no {REAL_TIME!r}, since no test compares the times of {pair}")
        return "; ".join((*reasons, _NEED_BOTH)) if reasons else None

    def _untold(self, pairwise: Pairwise) -> str | None:
        for left, right in combinations(range(len(self._names)), 2):
            if pairwise(left, right) is None:
                return f"{_named(self._names[left])} and {_named(self._names[right])}"
        return None

    def _accuracy(self, left: int, right: int) -> MeanDifference | None:
        return self._of_pair(left, right, _accuracy)

    def _speed(self, left: int, right: int) -> MeanDifference | None:
        return self._of_pair(left, right, lambda rivals: _speed(rivals, self._spreads, self._inputs))

    def _timed(self) -> Iterator[tuple[_Pair, Pairing]]:
        """Return the times of every two rows whose speeds are compared."""
        for left, right in combinations(self._names, 2):
            between = self._inputs.between(left, right)
            if between is not None:
                yield _pair(between[0]), between[0].times

    def _of_pair(
        self, left: int, right: int, compare: Callable[[Rivals], MeanDifference | None]
    ) -> MeanDifference | None:
        """Compare two rows, of which the inputs have either order."""
        between = self._inputs.between(self._names[left], self._names[right])
        if between is None:
            return None
        rivals, turned = between
        found = compare(rivals)
        return found.turned if turned and found is not None else found


def _not_alone(name: RowName, label: str, rows: Sequence[RowName]) -> str | None:
    """Write which other rows share a label of a row; None if none does."""
    others = [_named(other) for other in rows if other != name]
    return f"{label}: not told apart from {', '.join(others)}" if others else None


def _named(name: RowName) -> str:
    return f"{name.model} {name.precision}"


def _accuracy(rivals: Rivals) -> MeanDifference | None:
    """Compare the F1 of two rows, in percentage points; None if they share too few questions."""
    if rivals.scores is None or rivals.scores.drawn.units < FEWEST:
        return None
    value, low, high, p_value = rivals.scores.f1.difference
    return MeanDifference(_PERCENT * value, _PERCENT * low, _PERCENT * high, p_value)


def _pair(rivals: Rivals) -> _Pair:
    return rivals.left.name, rivals.right.name


def _speed(
    rivals: Rivals, spreads: Mapping[_Pair, Sequence[Spread]], inputs: Inputs
) -> MeanDifference | None:
    """Compare the speed of two rows, as a difference of logarithms; None if there is no test."""
    if not rivals.times.devices:
        return None
    found = time_ratio(rivals.left, rivals.times, inputs, spreads[_pair(rivals)])
    if found.interval is None or found.p_value is None:
        return None
    value, low, high = (math.log(ratio) for ratio in (found.ratio, *found.interval))
    return MeanDifference(value, low, high, found.p_value).turned  # a ratio above 1: the second is faster
