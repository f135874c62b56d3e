"""How things are called in a report, and how its numbers are written."""

from collections.abc import Set
from typing import Final, TypeVar

import msgspec

from collector.comparison import Comparison, Row
from collector.findings import RowName
from collector.report.plain import plain
from collector.scenario_run import ScenarioRun

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


def decimals(value: float | None, digits: int) -> str | None:
    """A number with so many decimals; None stays None."""
    return None if value is None else f"{value:,.{digits}f}"


def span(interval: tuple[float, float] | None, digits: int) -> str | None:
    """An interval: `72.8 to 81.1`; None for one without width, such as a row against itself."""
    return (
        None
        if interval is None or interval[0] == interval[1]
        else f"{interval[0]:,.{digits}f} to {interval[1]:,.{digits}f}"
    )


def times(ratio: float | None) -> str | None:
    """A ratio: `6.69x`."""
    return None if ratio is None else f"{ratio:,.2f}x"


def megabytes(count: int | None) -> str | None:
    """Millions, of bytes or of parameters."""
    return None if count is None else f"{count / 1e6:,.1f}"


def signed(value: float, digits: int) -> str:
    """A difference: `+0.4`, `−13.2`, and `0.0` for what rounds to it."""  # noqa: RUF002  # a minus sign
    if not round(value, digits):
        return f"{0:.{digits}f}"
    return f"{value:+,.{digits}f}".replace("-", "−")  # noqa: RUF001  # a minus sign


def percent(value: float | None) -> str | None:
    """A share that is given in percent: `97.5 %`."""
    return None if value is None else f"{value:,.1f} %"
