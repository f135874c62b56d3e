"""One simulated situation: how often a statement of the report was right, and how often it has to be."""

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

HEAD: Final = (
    "| situation | what is counted | draws | found | ± | required |  |\n|---|---|--:|--:|--:|--:|---|"
)
"""Head of the table that `row` belongs to."""
SUMMARY_HEAD: Final = "| what is counted | situations | found | required |\n|---|--:|--:|--:|"
"""Head of the table of `summary`."""
_ERRORS_ALLOWED: Final = 2


class Required(NamedTuple):
    """What a number has to be. A share is a number from 0 to 1."""

    at_least: float | None = None
    at_most: float | None = None

    def __str__(self) -> str:
        return "" if self == NOTHING else f"≥ {self.at_least:g}" if self.at_least else f"≤ {self.at_most:g}"


NOTHING: Final = Required()
"""The number is only shown."""


class Cell(NamedTuple):
    """One line of the table."""

    name: str
    """The situation, such as `5 rounds, 334 questions, spread between rounds 2 %`."""
    claims: str
    """What is counted, such as `two runs of the same are called different`."""
    draws: int
    observed: float
    """A share from 0 to 1, or a factor."""
    error: float
    """Monte-Carlo standard error of `observed`; 0 if it is unknown."""
    required: Required = NOTHING

    @property
    def holds(self) -> bool:
        """Whether `observed` is what is required, with two Monte-Carlo errors allowed."""
        slack = _ERRORS_ALLOWED * self.error
        least, most = self.required
        return (least is None or self.observed >= least - slack) and (
            most is None or self.observed <= most + slack
        )

    @property
    def row(self) -> str:
        """The cell as a line of a Markdown table."""
        verdict = "" if self.required == NOTHING else "holds" if self.holds else "BROKEN"
        return (
            f"| {self.name} | {self.claims} | {self.draws:,} | {self.observed:.3f} | {self.error:.3f} "
            f"| {self.required} | {verdict} |"
        )


def summary(cells: Sequence[Cell]) -> list[str]:
    """Write one line of a table per statement: its number of situations, and the extremes found."""
    together: dict[tuple[str, Required], list[Cell]] = {}
    for cell in cells:
        together.setdefault((cell.claims, cell.required), []).append(cell)
    lines = []
    for (claims, required), alike in together.items():
        low, high = (f"{pick(cell.observed for cell in alike):.3f}" for pick in (min, max))
        found = low if low == high else f"{low} to {high}"
        lines.append(f"| {claims} | {len(alike)} | {found} | {required} |")
    return lines


def share(name: str, claims: str, outcomes: Iterable[bool], required: Required = NOTHING) -> Cell:
    """Make the cell of a share of draws.

    Args:
        name: the situation.
        claims: what is counted.
        outcomes: of every draw, whether it was counted; at least one.
        required: what the share has to be.
    """
    counted = [bool(outcome) for outcome in outcomes]
    draws = len(counted)
    observed = sum(counted) / draws
    # Agresti and Coull's two more of each: a share of 0 or 1 has a standard error too
    smoothed = (sum(counted) + 2) / (draws + 4)
    return Cell(name, claims, draws, observed, math.sqrt(smoothed * (1 - smoothed) / (draws + 4)), required)


def factor(name: str, claims: str, values: NDArray[np.float64], required: Required = NOTHING) -> Cell:
    """Make the cell of a median of draws.

    Args:
        name: the situation.
        claims: what the median is of.
        values: one per draw, at least one.
        required: what the median has to be.
    """
    error = 1.2533 * float(np.std(values)) / math.sqrt(len(values))  # of the median of a normal distribution
    return Cell(name, claims, len(values), float(np.median(values)), error, required)
