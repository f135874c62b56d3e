"""The names of models and rows in a report."""

from collections.abc import Iterable, Set
from typing import TypeVar

import msgspec

from collector.display.untrusted_text import plain
from collector.findings.accuracy import Drawn
from collector.findings.between_rows import RowName
from collector.findings.comparison import Comparison, Row
from collector.findings.scenario_run import ScenarioRun

Entry = TypeVar("Entry", Row, ScenarioRun)


class Names:
    """The titles of the rows of one comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self._titles = {entry.model: entry.title for entry in comparison.entries}
        self._places = {
            (r.machine, r.questions_sha256, r.model, r.precision): number
            for number, r in enumerate(comparison.rows)
        }

    def row(self, name: RowName) -> str:
        """Return a row's title and precision, as in `MiniLM-L6 int8`."""
        return full_name(self.model(name.model), name.precision)

    def place(self, name: RowName) -> int:
        """Return a row's position in the report, to sort by."""
        key = (name.machine, name.questions_sha256, name.model, name.precision)
        return self._places.get(key, len(self._places))

    def model(self, model: str) -> str:
        """Return a model's title, as in `MiniLM-L6`."""
        return self._titles.get(model, model)


def full_name(title: str, precision: str) -> str:
    """Join a title and a precision, as in `MiniLM-L6 int8`; imported predictions have no precision."""
    return f"{title} {precision}".strip()


def such(drawn: Iterable[Drawn | None]) -> str:
    """Write what intervals of accuracy are for, as in `for articles like these 17`.

    Args:
        drawn: what each of the intervals takes as drawn at random; None for no interval.
    """
    units: dict[str, set[int]] = {}
    for one in drawn:
        if one is not None:
            units.setdefault(one.unit, set()).add(one.units)
    texts = [f"{unit}s like these" + f" {max(n):,}" * (len(n) == 1) for unit, n in sorted(units.items())]
    return f"for {' or '.join(texts)}" if texts else "for questions like these"


def with_distinct_titles(comparison: Comparison) -> Comparison:
    """Append the model's name to every title that several models of a comparison share."""
    models: dict[str, set[str]] = {}
    for entry in comparison.entries:
        models.setdefault(plain(entry.title), set()).add(entry.model)
    shared = {title for title, named in models.items() if len(named) > 1}
    return msgspec.structs.replace(
        comparison,
        rows=tuple(_with_distinct_title(row, shared) for row in comparison.rows),
        scenarios=tuple(_with_distinct_title(run, shared) for run in comparison.scenarios),
    )


def _with_distinct_title(entry: Entry, shared: Set[str]) -> Entry:
    if plain(entry.title) not in shared or entry.title == entry.model:
        return entry
    return msgspec.structs.replace(entry, title=f"{entry.title} ({entry.model})")
