"""Parses the requirement of a student, such as `f1>=80,p90_ms<=60`, as in `collector report --require`."""

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
"""The kind of each field: latency is predicted, size follows from the shape, accuracy is the teacher's."""


def parse(expression: str) -> tuple[Condition, ...]:
    """Parse the requirement of a student.

    Raises:
        BadInput: it is not a list such as `FIELD>=NUMBER,FIELD<=NUMBER`, or has no upper limit on a latency.
    """
    conditions = requirement.parse(expression, FIELDS, BadInput)
    if not any(FIELDS[c.field] == "latency" and c.is_upper for c in conditions):
        raise BadInput(
            f"requirement {expression!r} has no upper limit on time: add one such as p90_ms<=60, because the "
            "slowest student that meets it is the best"
        )
    return conditions
