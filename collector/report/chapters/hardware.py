"""A chapter for each place: one machine type and one question file, within which numbers are comparable."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Final

from collector.comparison.labels.rows import TOO_FEW
from collector.display.numbers import signed
from collector.findings.between_rows import Place, RowName, Unit
from collector.findings.comparison import Comparison, Row, name_of, place_key, place_of
from collector.report.charts.comparison_figures import figures
from collector.report.columns import COLUMNS, NotedColumn, noted_table
from collector.report.names import Names, full_name, such
from collector.report.page import Chapter, Heading, Section, Table, cells
from collector.report.shared_labels import holders, one_of
from commandline.counted import counted

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
_MAIN: Final = (
    NotedColumn[Row]("title", "model", lambda row: full_name(row.title, row.precision), number=False),
    *(
        column
        for column in COLUMNS
        if not column.detail and column.key not in {"title", "precision", "best_for"}
    ),
)


def places(comparison: Comparison) -> Iterator[Chapter]:
    """Lay out one chapter per place, in the order of the comparison's rows."""
    names_of_all, labels = Names(comparison), holders(comparison)
    for number, rows in enumerate(_together(comparison), start=1):
        table, footnotes = place_table(rows)
        title = names_of_all.place_title(rows[0])
        drawn = tuple(figures(comparison, rows))
        words = (*_intervals(rows), *_adjusted(rows))
        sections = [Section("", words, (table,), drawn, footnotes)]
        names = {name_of(row) for row in rows}
        units = [unit for unit in comparison.units if unit.row in names]
        if units:
            sections.append(_devices(names_of_all, units, _devices_not_shown(comparison, names)))
        yield Chapter(f"place-{number}", title, tuple(sections), _gist(labels, rows))


def main_sections(comparison: Comparison) -> Iterator[Section]:
    """Lay out one section per place for a terminal's first screen: the main columns, without the labels."""
    names = Names(comparison)
    for rows in _together(comparison):
        words = [*_intervals(rows), *_adjusted(rows)]
        columns = list(_MAIN)
        common = {row.speed_up_questions for row in rows if row.speed_up is not None}
        if len(common) == 1:
            columns = [column for column in columns if column.key != "speed_up_questions"]
            words.append(f"Speed-ups are over {counted(common.pop(), 'question')}.")
        words += _without_label(comparison, rows)
        table, footnotes = noted_table("All models", columns, rows, _EXPECTED, names=1)
        yield Section(names.place_title(rows[0]), tuple(words), (table,), footnotes=footnotes)


def _together(comparison: Comparison) -> list[list[Row]]:
    """The rows of each place, in the order of the comparison's rows."""
    together: dict[tuple[str, str, str], list[Row]] = {}
    for row in comparison.rows:
        together.setdefault(place_key(row), []).append(row)
    return list(together.values())


def _gist(labels: Mapping[tuple[Place, str], Sequence[Row]], rows: Sequence[Row]) -> str:
    """Write a place in one line: how many rows it has, and what is best for what."""
    parts = [counted(len(rows), "row")]
    for (place, label), sharing in labels.items():
        if place == place_of(rows[0]):
            name = full_name(sharing[0].title, sharing[0].precision)
            parts.append(f"{label}: {name}{one_of(len(sharing))}")
    return " · ".join(parts)


def _intervals(rows: Sequence[Row]) -> Iterator[str]:
    """Write what the intervals of accuracy are for, above the table that has them."""
    if any(row.drawn is not None for row in rows):
        yield f"95 % intervals of accuracy are {such(row.drawn for row in rows)}."


def _adjusted(rows: Sequence[Row]) -> Iterator[str]:
    """Write for how many comparisons the tests of a section are adjusted."""
    tested = sum(row.speed_up_p_value is not None for row in rows)
    if tested > 1:
        yield ADJUSTED.format(count=tested)


def _without_label(comparison: Comparison, rows: Sequence[Row]) -> Iterator[str]:
    """Write why rows have no label. A row's notes on the labels that it shares with others come last."""
    why: dict[str, list[str]] = {}
    for row in rows:
        notes = row.notes.get("best_for", ())
        shared = sum(name_of(row) in label.rows for label in comparison.labels if len(label.rows) > 1)
        for note in notes[: len(notes) - shared]:
            if note == TOO_FEW:  # the answer says so
                continue
            why.setdefault(note, []).append(full_name(row.title, row.precision))
    for note, names in why.items():
        of = "" if len(names) == len(rows) else f" ({', '.join(names)})"
        yield f"best for{of}: {note}"


def _devices_not_shown(comparison: Comparison, rows: Collection[RowName]) -> int:
    """Return how many devices of a place are not shown: the most of one row."""
    return max((found.units for found in comparison.not_shown if found.row in rows), default=0)


def _devices(names: Names, units: Sequence[Unit], left_out: int) -> Section:
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
    words = [DEVICES]
    if left_out:
        words.append(
            f"These devices differ most; {counted(left_out, 'other device')} of this type differ less and "
            "are not shown."
        )
    return Section("Devices of this type", tuple(words), (table,))


def place_table(rows: Sequence[Row]) -> tuple[Table, tuple[str, ...]]:
    """Make the table of all models of one place, and its footnotes."""
    return noted_table("All models", COLUMNS, rows, _EXPECTED)
