"""The rows that share a label: which of them is named first, and how the label says that it is shared."""

from collections.abc import Callable

from collector.comparison.labels.recommendation import REAL_TIME
from collector.findings.between_rows import Place
from collector.findings.comparison import Comparison, Row, name_of, place_of


def first_by(label: str) -> str:
    """Write by what the first of the rows that share a label is chosen."""
    return "highest F1" if label == REAL_TIME else "lowest p50"


def holders(comparison: Comparison) -> dict[tuple[Place, str], tuple[Row, ...]]:
    """Return the rows of each label in each place; the one that is named first comes first.

    It has the lowest p50, or for `real time` the highest F1. That is a choice of what to show and no finding:
    the data cannot tell the rows apart.
    """
    rows = {name_of(row): row for row in comparison.rows}
    return {
        (found.place, found.label): tuple(
            sorted((rows[name] for name in found.rows), key=_order(found.label))
        )
        for found in comparison.labels
    }


def _order(label: str) -> Callable[[Row], float]:
    return lambda row: -(row.f1 or 0.0) if label == REAL_TIME else row.p50_ms or 0.0


def one_of(count: int) -> str:
    """Write behind a label that several rows share it, as in ` (one of 2)`; nothing for a single row."""
    return f" (one of {count})" if count > 1 else ""


class LabelTexts:
    """Writes the labels of the rows of one comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self._counts = {key: len(rows) for key, rows in holders(comparison).items()}

    def of(self, row: Row) -> str | None:
        """Write the labels of a row, as in `high accuracy (one of 2), balance`; None without any."""
        place = place_of(row)
        return (
            ", ".join(label + one_of(self._counts.get((place, label), 1)) for label in row.best_for) or None
        )
