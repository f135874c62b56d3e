"""Picks models by what is required of them: `f1>=88,p90_ms<=150,rss_mb<=400`."""

import math
import operator
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.findings.between_rows import Choice, Place, Requirement, RowName
from collector.findings.comparison import Row

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
"""What can be required, and the row's number for it; megabytes and millions are 10^6."""

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?)\s*", re.ASCII)


class Condition(NamedTuple):
    """One comparison of a field with a bound."""

    field: str
    operator: str
    bound: float

    def met(self, row: Row) -> bool:
        """Whether a row meets it; one without the number does not."""
        value = FIELDS[self.field](row)
        return value is not None and _OPERATORS[self.operator](value, self.bound)

    def distance(self, row: Row) -> float:
        """By which part of the bound a row misses it; infinite without the number."""
        value = FIELDS[self.field](row)
        if self.met(row):
            return 0.0
        return math.inf if value is None else abs(value - self.bound) / max(abs(self.bound), 1e-9)

    def missed(self, row: Row) -> str:
        """How a row misses it."""
        value = FIELDS[self.field](row)
        if value is None:
            return f"{self.field} is not known"
        return f"{self.field} is {value:,.4g}, not {self.operator} {self.bound:g}"


def parse(expression: str) -> tuple[Condition, ...]:
    """Take a requirement apart.

    Raises:
        BadInput: it is not `FIELD>=NUMBER` and the like, separated by commas.
    """
    conditions = []
    for part in expression.split(","):
        match = _CONDITION.fullmatch(part)
        if match is None or match[1] not in FIELDS:
            wrong = "is not FIELD>=NUMBER (or <=, >, <)" if match is None else f"names no field {match[1]!r}"
            raise BadInput(f"requirement {part.strip()!r} {wrong}; the fields are {', '.join(FIELDS)}")
        conditions.append(Condition(match[1], match[2], float(match[3])))
    return tuple(conditions)


def choose(expression: str, rows: Sequence[Row]) -> Requirement:
    """Find what meets a requirement in each place, or what is nearest to it.

    Raises:
        BadInput: see `parse`.
    """
    conditions = parse(expression)
    places: dict[Place, list[Row]] = {}
    for row in rows:
        place = Place(
            hardware_class=row.hardware_class, questions=row.questions, questions_sha256=row.questions_sha256
        )
        places.setdefault(place, []).append(row)
    return Requirement(
        expression=expression,
        choices=tuple(_choice(place, together, conditions) for place, together in places.items()),
    )


def _choice(place: Place, rows: Sequence[Row], conditions: Sequence[Condition]) -> Choice:
    met = [row for row in rows if all(condition.met(row) for condition in conditions)]
    if met:
        met.sort(key=lambda row: (-(row.f1 or 0.0), row.p50_ms or math.inf))
        return Choice(place=place, met_by=tuple(map(_name, met)), nearest=None, misses=())
    nearest = min(rows, key=lambda row: _distance(row, conditions))
    misses = tuple(_misses(nearest, conditions))
    return Choice(place=place, met_by=(), nearest=_name(nearest), misses=misses)


def _distance(row: Row, conditions: Sequence[Condition]) -> tuple[int, float]:
    """Numbers that are not known first, then the parts by which the others are missed."""
    distances = [condition.distance(row) for condition in conditions]
    known = [distance for distance in distances if math.isfinite(distance)]
    return len(distances) - len(known), sum(known)


def _misses(row: Row, conditions: Sequence[Condition]) -> Iterator[str]:
    return (condition.missed(row) for condition in conditions if not condition.met(row))


def _name(row: Row) -> RowName:
    return RowName(
        hardware_class=row.hardware_class,
        questions_sha256=row.questions_sha256,
        model=row.model,
        precision=row.precision,
    )
