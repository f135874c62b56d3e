"""What is required of a student: `f1>=80,p90_ms<=60`, in the words of `collector report --require`."""

import operator
import re
from collections.abc import Callable
from typing import Final, Literal

import msgspec

from export.errors import BadInput

Kind = Literal["latency", "size", "accuracy"]

FIELDS: Final[dict[str, Kind]] = {
    "p50_ms": "latency",
    "p90_ms": "latency",
    "p99_ms": "latency",
    "size_mb": "size",
    "parameters_m": "size",
    "f1": "accuracy",
    "exact_match": "accuracy",
}
"""Latency is predicted, size follows from the shape, accuracy is compared with the teacher's."""

_OPERATORS: Final[dict[str, Callable[[float, float], bool]]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}
_CONDITION: Final = re.compile(r"\s*(\w+)\s*(>=|<=|>|<)\s*(\d+(?:\.\d*)?)\s*", re.ASCII)


class Condition(msgspec.Struct, frozen=True):
    """One comparison of a field with a bound."""

    field: str
    operator: str
    bound: float

    @property
    def kind(self) -> Kind:
        """How it can be judged."""
        return FIELDS[self.field]

    @property
    def is_upper(self) -> bool:
        """Whether it bounds from above: `<` and `<=`."""
        return self.operator.startswith("<")

    def met(self, value: float) -> bool:
        """Whether a value meets it."""
        return _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.bound:g}"


def parse(expression: str) -> tuple[Condition, ...]:
    """Take a requirement apart.

    Raises:
        BadInput: it is not `FIELD>=NUMBER` and the like, separated by commas, or limits no latency.
    """
    conditions = []
    for part in expression.split(","):
        match = _CONDITION.fullmatch(part)
        if match is None or match[1] not in FIELDS:
            wrong = "is not FIELD>=NUMBER (or <=, >, <)" if match is None else f"names no field {match[1]!r}"
            raise BadInput(f"requirement {part.strip()!r} {wrong}; the fields are {', '.join(FIELDS)}")
        conditions.append(Condition(match[1], match[2], float(match[3])))
    if not any(c.kind == "latency" and c.is_upper for c in conditions):
        raise BadInput(
            f"requirement {expression!r} says nothing about time: add one such as p90_ms<=60, since the "
            "slowest student that meets it is the best"
        )
    return tuple(conditions)
