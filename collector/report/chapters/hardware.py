"""A chapter for each place: one machine type and one question file, within which numbers are comparable."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.display.numbers import signed
from collector.findings.between_rows import RowName, Unit
from collector.findings.comparison import Comparison, Row, name_of
from collector.report.charts.comparison_figures import figures
from collector.report.columns import COLUMNS, noted_table
from collector.report.names import Names, such
from collector.report.page import Chapter, Heading, Section, Table, cells

DEVICES: Final = (
    "How much the time per question on each device differs from the median of all devices, as the median "
    "over the questions; above 0 is slower. --by device shows each device in rows of its own."
)

ADJUSTED: Final = (
    "{count} speed-ups are tested here. Their p values are adjusted for that number by Holm's method, so at "
    "most 5 % of such sections call a speed-up significant that is none."
)
_EXPECTED: Final = {"exact_match", "f1", "bertscore_f1", "p50_ms", "speed_up"}
"""Columns that readers look for: they are shown even if every cell is a dash with a footnote."""


def places(comparison: Comparison) -> Iterator[Chapter]:
    """Lay out one chapter per place, in the order of the comparison's rows."""
    together: dict[tuple[str, str], list[Row]] = {}
    for row in comparison.rows:
        together.setdefault((row.machine, row.questions_sha256), []).append(row)
    for number, rows in enumerate(together.values(), start=1):
        table, footnotes = place_table(rows)
        title = f"{rows[0].machine}, {rows[0].questions}"
        drawn = tuple(figures(comparison, rows))
        words = (*_intervals(rows), *_adjusted(rows))
        sections = [Section("", words, (table,), drawn, footnotes)]
        names = {name_of(row) for row in rows}
        units = [unit for unit in comparison.units if unit.row in names]
        if units:
            sections.append(_devices(Names(comparison), units))
        yield Chapter(f"place-{number}", title, tuple(sections), first_screen=True)


def _intervals(rows: Sequence[Row]) -> Iterator[str]:
    """Write what the intervals of accuracy are for, above the table that has them."""
    if any(row.drawn is not None for row in rows):
        yield f"95 % intervals of accuracy are {such(row.drawn for row in rows)}."


def _adjusted(rows: Sequence[Row]) -> Iterator[str]:
    """Write for how many comparisons the tests of a section are adjusted."""
    tested = sum(row.speed_up_p_value is not None for row in rows)
    if tested > 1:
        yield ADJUSTED.format(count=tested)


def _devices(names: Names, units: Sequence[Unit]) -> Section:
    """Show each device with each model; a device that is off differs in all of them."""
    models = sorted({unit.row for unit in units}, key=names.place)
    found = {(unit.device_id, unit.row): unit for unit in units}

    def deviation(device_id: str, model: RowName) -> str | None:
        unit = found.get((device_id, model))
        return None if unit is None else f"{signed(unit.deviation, 1)} %"

    table = Table(
        "Device by model",
        (Heading("device", number=False), *(Heading(names.row(model)) for model in models)),
        tuple(
            cells(device_id, *(deviation(device_id, model) for model in models))
            for device_id in sorted({unit.device_id for unit in units})
        ),
        names=1,
    )
    return Section("Devices of this type", (DEVICES,), (table,), first_screen=False)


def place_table(rows: Sequence[Row]) -> tuple[Table, tuple[str, ...]]:
    """Make the table of all models of one place, and its footnotes."""
    return noted_table("All models", COLUMNS, rows, _EXPECTED)
