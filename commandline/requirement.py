"""Requirements that a model must meet, in the form of an option's value: `f1>=88,p90_ms<=150`.

The report and the suggestion read the same form; each defines its own fields.
"""

import math
import operator
import re
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

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
    """`>=`, `<=`, `>` or `<`."""
    bound: float
    """A finite number, in the unit of the field."""

    @property
    def is_upper(self) -> bool:
        """Whether the bound is an upper one: `<` or `<=`."""
        return self.operator.startswith("<")

    def met(self, value: float | None) -> bool:
        """Return whether a value meets the condition; an unknown value, None, does not."""
        return value is not None and _OPERATORS[self.operator](value, self.bound)

    def __str__(self) -> str:
        return f"{self.field}{self.operator}{self.bound:g}"


def parse(expression: str, fields: Collection[str], refusal: type[Exception]) -> tuple[Condition, ...]:
    """Parse a requirement.

    Args:
        expression: comparisons of a field with a decimal number, separated by commas; all must be met.
        fields: the fields that can be required.
        refusal: the program's error for bad input.

    Raises:
        Exception: of type `refusal`: a part is not such a comparison, names an unknown field, or has a number
            that is not finite.
    """
    conditions = []
    for part in expression.split(","):
        match = _CONDITION.fullmatch(part)
        if match is None:
            wrong = "is not FIELD>=NUMBER (or <=, >, <)"
        elif match[1] not in fields:
            wrong = f"names the unknown field {match[1]!r}"
        elif not math.isfinite(bound := float(match[3])):
            wrong = f"has the number {match[3]}, which is too large"
        else:
            conditions.append(Condition(match[1], match[2], bound))
            continue
        raise refusal(f"requirement {part.strip()!r} {wrong}; the fields are {', '.join(fields)}")
    return tuple(conditions)
