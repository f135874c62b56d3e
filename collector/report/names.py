"""The names of models and rows in a report."""

from collections import Counter
from collections.abc import Iterable, Sequence, Set
from typing import Final, TypeVar

import msgspec

from collector.display.untrusted_text import plain
from collector.findings.accuracy import Drawn
from collector.findings.between_rows import RowName
from collector.findings.comparison import Comparison, Row, name_of, place_key
from collector.findings.scenario_run import ScenarioRun

Entry = TypeVar("Entry", Row, ScenarioRun)
_DIGITS: Final = 8


class Names:
    """The titles of the rows of one comparison."""

    def __init__(self, comparison: Comparison) -> None:
        self._titles = {entry.model: entry.title for entry in comparison.entries}
        self._positions = {name_of(row): number for number, row in enumerate(comparison.rows)}
        places = {place_key(entry): _place_title(entry) for entry in comparison.entries}
        self._shared = {title for title, count in Counter(places.values()).items() if count > 1}

    def row(self, name: RowName) -> str:
        """Return a row's title and precision, as in `MiniLM-L6 int8`."""
        return full_name(self.model(name.model), name.precision)

    def place(self, name: RowName) -> int:
        """Return a row's position in the report, to sort by."""
        return self._positions.get(name, len(self._positions))

    def place_title(self, entry: Row | ScenarioRun) -> str:
        """Return the title of an entry's place, as in `Raspberry Pi 5 Model B, 4 cores, dev-v1.1`.

        If another place has the same, the class of the hardware and the digest of the questions follow.
        """
        title = _place_title(entry)
        if title not in self._shared:
            return title
        return f"{title} ({entry.hardware_class}, {entry.questions_sha256[:_DIGITS]})"

    def model(self, model: str) -> str:
        """Return a model's title, as in `MiniLM-L6`."""
        return self._titles.get(model, model)


def _place_title(entry: Row | ScenarioRun) -> str:
    return f"{entry.machine}, {entry.questions}"


def full_name(title: str, precision: str) -> str:
    """Join a title and a precision, as in `MiniLM-L6 int8`; imported predictions have no precision."""
    return f"{title} {precision}".strip()


def listed(texts: Sequence[str]) -> str:
    """Join texts, as in `A, B and C`."""
    return " and ".join((", ".join(texts[:-1]), texts[-1])) if len(texts) > 1 else texts[0]


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
