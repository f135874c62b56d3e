"""Chooses models by a requirement such as `f1>=88,p90_ms<=150,rss_mb<=400`."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from collector.errors import BadInput
from collector.findings.between_rows import Choice, Place, Requirement
from collector.findings.comparison import Row, name_of
from commandline import requirement
from commandline.requirement import Condition

_MEGA: Final = 1e6

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


def parse(expression: str) -> tuple[Condition, ...]:
    """Parse a requirement of rows.

    Raises:
        BadInput: it does not consist of comparisons such as `FIELD>=NUMBER`, separated by commas.
    """
    return requirement.parse(expression, FIELDS, BadInput)


def choose(expression: str, rows: Sequence[Row]) -> Requirement:
    """Find the rows that meet a requirement in each place, or the row that comes nearest.

    Rows that are small for their place take no part.

    Raises:
        BadInput: see `parse`.
    """
    conditions = parse(expression)
    places: dict[Place, list[Row]] = {}
    for row in rows:
        if row.small:
            continue
        place = Place(
            hardware_class=row.hardware_class,
            machine=row.machine,
            questions=row.questions,
            questions_sha256=row.questions_sha256,
        )
        places.setdefault(place, []).append(row)
    return Requirement(
        expression=expression,
        choices=tuple(_choice(place, together, conditions) for place, together in places.items()),
    )


def _choice(place: Place, rows: Sequence[Row], conditions: Sequence[Condition]) -> Choice:
    met = [row for row in rows if all(c.met(FIELDS[c.field](row)) for c in conditions)]
    if met:
        met.sort(key=lambda row: (-(row.f1 or 0.0), row.p50_ms or math.inf))
        return Choice(place=place, met_by=tuple(map(name_of, met)), nearest=None, misses=())
    nearest = min(rows, key=lambda row: _distance(row, conditions))
    misses = tuple(_misses(nearest, conditions))
    return Choice(place=place, met_by=(), nearest=name_of(nearest), misses=misses)


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
            yield f"{condition.field} is {value:,.4g}, not {condition.operator} {condition.bound:g}"
