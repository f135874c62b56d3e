"""What is required of a student: `f1>=80,p90_ms<=60`, in the words of `collector report --require`."""

from typing import Final, Literal

from commandline import requirement
from commandline.requirement import Condition
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


def parse(expression: str) -> tuple[Condition, ...]:
    """Take a requirement of a student apart.

    Raises:
        BadInput: it is not `FIELD>=NUMBER` and the like, separated by commas, or limits no latency.
    """
    conditions = requirement.parse(expression, FIELDS, BadInput)
    if not any(FIELDS[c.field] == "latency" and c.is_upper for c in conditions):
        raise BadInput(
            f"requirement {expression!r} says nothing about time: add one such as p90_ms<=60, since the "
            "slowest student that meets it is the best"
        )
    return conditions
