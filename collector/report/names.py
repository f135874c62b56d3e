"""How things are called in a report, and how its numbers are written."""

from collections.abc import Set
from typing import Final, TypeVar

import msgspec

from collector.display.plain import plain
from collector.findings.between_rows import RowName
from collector.findings.comparison import Comparison, Row
from collector.findings.scenario_run import ScenarioRun

Entry = TypeVar("Entry", Row, ScenarioRun)

_HARDWARE: Final = {
    "raspberry-pi-5": "Raspberry Pi 5",
    "raspberry-pi-4": "Raspberry Pi 4",
    "raspberry-pi-3": "Raspberry Pi 3",
    "raspberry-pi-zero-2": "Raspberry Pi Zero 2",
    "jetson": "Jetson",
    "phone": "Phone",
    "laptop": "Laptop",
    "desktop": "Desktop",
    "server": "Server",
    "virtual-machine": "Virtual machine",
    "emulated": "Emulated hardware",
    "unknown": "Unknown hardware",
}


class Names:
    """Titles of rows, as one comparison has them."""

    def __init__(self, comparison: Comparison) -> None:
        self._titles = {entry.model: entry.title for entry in comparison.entries}
        self._places = {
            (r.hardware_class, r.questions_sha256, r.model, r.precision): number
            for number, r in enumerate(comparison.rows)
        }

    def row(self, name: RowName) -> str:
        """`MiniLM-L6 int8`."""
        return full_name(self.model(name.model), name.precision)

    def place(self, name: RowName) -> int:
        """Where a row stands in the report, to sort by."""
        key = (name.hardware_class, name.questions_sha256, name.model, name.precision)
        return self._places.get(key, len(self._places))

    def model(self, model: str) -> str:
        """`MiniLM-L6`."""
        return self._titles.get(model, model)


def full_name(title: str, precision: str) -> str:
    """`MiniLM-L6 int8`; predictions from elsewhere have no precision."""
    return f"{title} {precision}".strip()


def told_apart(comparison: Comparison) -> Comparison:
    """The same, but where several models have one title, the name of each is behind it."""
    models: dict[str, set[str]] = {}
    for entry in comparison.entries:
        models.setdefault(plain(entry.title), set()).add(entry.model)
    alike = {title for title, named in models.items() if len(named) > 1}
    return msgspec.structs.replace(
        comparison,
        rows=tuple(_told_apart(row, alike) for row in comparison.rows),
        scenarios=tuple(_told_apart(run, alike) for run in comparison.scenarios),
    )


def _told_apart(entry: Entry, alike: Set[str]) -> Entry:
    if plain(entry.title) not in alike or entry.title == entry.model:
        return entry
    return msgspec.structs.replace(entry, title=f"{entry.title} ({entry.model})")


def hardware(hardware_class: str) -> str:
    """A class of the contract in words; one that a user named, as it is."""
    return _HARDWARE.get(hardware_class, hardware_class)
