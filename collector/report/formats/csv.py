"""The report as CSV, with unrounded numbers."""

from collections.abc import Mapping
from typing import Final

from collector.display.csv_text import csv_text
from collector.findings.comparison import Comparison, Row
from collector.findings.scenario_run import COMPARED, Rate, ScenarioRun
from collector.findings.taken_over import TakenOver
from commandline.counted import counted

_WITH_INTERVAL: Final = ("exact_match", "f1", "bertscore_f1", "p50_ms", "p90_ms", "p99_ms", "speed_up")
_OF_SCENARIO_INTERVALS: Final = ("times_one_by_one", "last_over_first")

_NESTED: Final = {"taken_over", "drawn", "marks", "intervals", "notes", "rates", "loadgen", "moments"}

_SCORES: Final = ("exact_match", "f1", "bertscore_f1")
_OF_TAKEN_OVER: Final = tuple(field for field in TakenOver.__struct_fields__ if field not in _SCORES)
_TAKEN_OVER: Final = (
    *(f"taken_over_{field}" for field in _OF_TAKEN_OVER),
    *(f"taken_over_{field}_alone" for field in _SCORES),
    *(f"taken_over_{field}_transfer_{end}" for field in _SCORES for end in ("low", "high")),
)

_FIELDS: Final = tuple(field for field in Row.__struct_fields__ if field not in _NESTED)

_OF_SCENARIOS: Final = tuple(
    field for field in ScenarioRun.__struct_fields__ if field not in {*_NESTED, *_FIELDS}
)


def as_csv(comparison: Comparison) -> str:
    """Write a comparison as CSV with a header line: its rows, then the runs of other scenarios.

    The column `scenario` distinguishes them. An unknown value is an empty cell, and `notes` explains why. An
    interval is two columns, `FIELD_low` and `FIELD_high`. `drawn` is what those of accuracy take as drawn at
    random. `marks` counts answers by what disturbed them; `rates` and `loadgen` hold the details of those
    scenarios. The columns `taken_over_…` say where an accuracy was taken over from, and what the questions
    asked here give alone.
    """
    ends = [f"{field}_{end}" for field in _WITH_INTERVAL for end in ("low", "high")]
    more = [f"{field}_{end}" for field in _OF_SCENARIO_INTERVALS for end in ("low", "high")]
    header = (
        *_FIELDS,
        *ends,
        "drawn",
        "marks",
        "notes",
        *_OF_SCENARIOS,
        "rates",
        "loadgen",
        *more,
        *_TAKEN_OVER,
    )
    return csv_text(header, map(_values, comparison.entries))


def _values(row: Row | ScenarioRun) -> list[object]:
    marks = _pairs(row.marks) if isinstance(row, Row) else None
    notes = "; ".join(f"{field}: {text}" for field, texts in row.notes.items() for text in texts)
    return [
        *(getattr(row, field, None) for field in _FIELDS),
        *_ends(row, _WITH_INTERVAL),
        None if row.drawn is None else counted(row.drawn.units, row.drawn.unit),
        marks,
        notes,
        *(_of_scenario(row, field) for field in _OF_SCENARIOS),
        None if isinstance(row, Row) else "; ".join(map(_rate, row.rates)),
        None if isinstance(row, Row) else _pairs(row.loadgen),
        *_ends(row, _OF_SCENARIO_INTERVALS),
        *_taken_over(row.taken_over if isinstance(row, Row) else None),
    ]


def _taken_over(found: TakenOver | None) -> list[object]:
    if found is None:
        return [None] * len(_TAKEN_OVER)
    parts = (found.exact_match, found.f1, found.bertscore_f1)
    return [
        *(getattr(found, field) for field in _OF_TAKEN_OVER),
        *(None if part is None else part.alone for part in parts),
        *(end for part in parts for end in (part.transfer if part is not None else (None, None))),
    ]


def _ends(row: Row | ScenarioRun, fields: tuple[str, ...]) -> list[float | None]:
    return [end for field in fields for end in row.intervals.get(field, (None, None))]


def _of_scenario(row: Row | ScenarioRun, field: str) -> object:
    if isinstance(row, Row) and field == "scenario":
        return COMPARED if row.runs else None
    return getattr(row, field, None)


def _rate(rate: Rate) -> str:
    return f"{rate.per_second} per second: p99 {rate.p99_ms} ms, {rate.verdict}"


def _pairs(values: Mapping[str, object]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in values.items())
