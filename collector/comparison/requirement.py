"""Chooses models by a requirement such as `f1>=88,p90_ms<=150,rss_mb<=400`.

A number that has an interval meets a condition if both ends do, and fails it if neither does. Otherwise it
is not decided, and so is a percentile or a speed-up that the data give no interval for. All other numbers are
taken as they are.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.findings.between_rows import Choice, OpenCondition, OpenRow, Place, Requirement
from collector.findings.comparison import Row, name_of, place_of
from collector.findings.verdict import FAILS, NOT_DECIDED, Verdict, passes
from collector.statistics.confidence import Mean
from collector.statistics.decision import decide
from commandline import requirement
from commandline.requirement import Condition

_MEGA: Final = 1e6
_ACCURACIES: Final = {"exact_match", "f1", "bertscore_f1"}
_TIMES: Final = {"p50_ms", "p90_ms", "p99_ms", "speed_up"}

FIELDS: Final[dict[str, Callable[[Row], float | None]]] = {
    "exact_match": lambda r: r.exact_match,
    "f1": lambda r: r.f1,
    "bertscore_f1": lambda r: r.bertscore_f1,
    "p50_ms": lambda r: r.p50_ms,
    "p90_ms": lambda r: r.p90_ms,
    "p99_ms": lambda r: r.p99_ms,
    "questions_per_second": lambda r: r.questions_per_second,
    "speed_up": lambda r: r.speed_up,
    "f1_per_ms": lambda r: r.f1_per_ms,
    "joules_per_question": lambda r: r.joules_per_question,
    "joules_per_correct": lambda r: r.joules_per_correct,
    "load_ms": lambda r: r.load_ms,
    "first_ms": lambda r: r.first_ms,
    "temperature_celsius": lambda r: r.temperature_celsius,
    "rss_mb": lambda r: None if r.peak_rss_bytes is None else r.peak_rss_bytes / _MEGA,
    "size_mb": lambda r: None if r.size_bytes is None else r.size_bytes / _MEGA,
    "parameters_m": lambda r: None if r.parameters is None else r.parameters / _MEGA,
}
"""The fields of a requirement, and the number of a row that each refers to; mega means 10^6."""


class _Judged(NamedTuple):
    """A row with the verdict of each condition."""

    row: Row
    verdicts: tuple[tuple[Condition, Verdict], ...]

    def has(self, outcome: str) -> bool:
        """Whether any condition has this outcome."""
        return any(verdict.outcome == outcome for _, verdict in self.verdicts)


def parse(expression: str) -> tuple[Condition, ...]:
    """Parse a requirement of rows.

    Raises:
        BadInput: it does not consist of comparisons such as `FIELD>=NUMBER`, separated by commas.
    """
    return requirement.parse(expression, FIELDS, BadInput)


def choose(expression: str, rows: Sequence[Row]) -> Requirement:
    """Find the rows that meet a requirement in each place and those that may, or the row that comes nearest.

    Rows that are small for their place take no part.

    Raises:
        BadInput: see `parse`.
    """
    conditions = parse(expression)
    places: dict[Place, list[_Judged]] = {}
    for row in rows:
        if row.small:
            continue
        judged = _Judged(row, tuple((condition, _verdict(row, condition)) for condition in conditions))
        places.setdefault(place_of(row), []).append(judged)
    return Requirement(
        expression=expression,
        choices=tuple(_choice(place, together, conditions) for place, together in places.items()),
    )


def _verdict(row: Row, condition: Condition) -> Verdict:
    value, interval = FIELDS[condition.field](row), row.intervals.get(condition.field)
    if value is not None and interval is not None:
        accurate = condition.field in _ACCURACIES
        count, unit = (row.answered, "question") if accurate else (row.speed_up_rounds or row.runs, "round")
        most = row.taken_over.questions if accurate and row.taken_over is not None else None
        return decide(condition.met, Mean(value, *interval), condition.bound, count, unit, most=most)
    if value is not None and condition.field in _TIMES:
        return Verdict(outcome=NOT_DECIDED, unit="round")
    return passes(condition.met(value))


def _choice(place: Place, judged: Sequence[_Judged], conditions: Sequence[Condition]) -> Choice:
    best_first = sorted(judged, key=lambda one: (-(one.row.f1 or 0.0), one.row.p50_ms or math.inf))
    possible = [one for one in best_first if not one.has(FAILS)]
    met = tuple(name_of(one.row) for one in possible if not one.has(NOT_DECIDED))
    open_rows = tuple(_open(one) for one in possible if one.has(NOT_DECIDED))
    if possible:
        return Choice(place=place, met_by=met, not_decided=open_rows, nearest=None, misses=())
    nearest = min((one.row for one in judged), key=lambda row: _distance(row, conditions))
    misses = tuple(_misses(nearest, conditions))
    return Choice(place=place, met_by=(), not_decided=(), nearest=name_of(nearest), misses=misses)


def _open(judged: _Judged) -> OpenRow:
    row = judged.row
    return OpenRow(
        row=name_of(row),
        open=tuple(
            OpenCondition(
                condition=str(condition),
                value=FIELDS[condition.field](row) or 0.0,
                interval=row.intervals.get(condition.field),
                taken_over=_is_taken_over(row, condition),
                verdict=verdict,
            )
            for condition, verdict in judged.verdicts
            if verdict.outcome == NOT_DECIDED
        ),
    )


def _distance(row: Row, conditions: Sequence[Condition]) -> tuple[int, float]:
    """Count the unknown numbers, and sum up how far the others miss, each as a share of its bound."""
    unknown, missed = 0, 0.0
    for condition in conditions:
        value = FIELDS[condition.field](row)
        if value is None:
            unknown += 1
        elif not condition.met(value):
            missed += abs(value - condition.bound) / max(abs(condition.bound), 1e-9)
    return unknown, missed


def _misses(row: Row, conditions: Sequence[Condition]) -> Iterator[str]:
    for condition in conditions:
        value = FIELDS[condition.field](row)
        if value is None:
            yield f"{condition.field} is not known"
        elif not condition.met(value):
            how = ", taken over from another machine," if _is_taken_over(row, condition) else ","
            yield f"{condition.field} is {value:,.4g}{how} not {condition.operator} {condition.bound:g}"


def _is_taken_over(row: Row, condition: Condition) -> bool:
    return condition.field in _ACCURACIES and row.taken_over is not None
