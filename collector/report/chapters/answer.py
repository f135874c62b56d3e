"""The first chapter, which answers the main question: which model to use on which hardware."""

import math
from collections.abc import Callable
from functools import partial
from typing import Final

from collector.display.numbers import decimals, megabytes, times
from collector.display.verdicts import what_would_decide
from collector.findings.between_rows import Choice, OpenCondition, OpenRow, PairTime, Place, TimeSplit
from collector.findings.comparison import Comparison, Row
from collector.report.chapters.verdict import verdict
from collector.report.charts.machine_map import machine_maps
from collector.report.columns import TAKEN_OVER, accuracy
from collector.report.names import Names, full_name, listed
from collector.report.page import Chapter, Column, Heading, Section, Table, cells, table_of
from collector.report.shared_labels import LabelTexts
from commandline.counted import counted

NOTHING_TO_CHOOSE: Final = (
    "No hardware has two models with both an F1 and a time, so no model can be recommended."
)


def answer(comparison: Comparison) -> Chapter:
    """Show the best models on each hardware, those that meet a requirement, and the times of all pairs."""
    names = Names(comparison)
    best = _best(comparison)
    words = (
        *verdict(comparison),
        *(() if best.rows else (NOTHING_TO_CHOOSE,)),
        *taken_over(comparison),
        *_shared(names, comparison),
        *stand_ins(names, comparison, partial(_on, comparison)),
    )
    sections = [Section("Best for what", words, (best,), tuple(machine_maps(comparison)))]
    if comparison.requirement is not None:
        sections.append(
            Section(
                f"What meets {comparison.requirement.expression}",
                tables=(_choices(names, comparison.requirement.choices),),
            )
        )
    if comparison.splits:
        sections.append(_all_pairs(names, comparison.splits))
    return Chapter("answer", "Which model on which hardware", tuple(sections))


def model_of(row: Row) -> str:
    """Return the title and precision of a row, which say if no run of it is complete."""
    return full_name(row.title, row.precision) + " (partial)" * row.partial


def stand_ins(names: Names, comparison: Comparison, on: Callable[[list[Place]], str]) -> list[str]:
    """Write which model stands in for the baseline on which hardware; `on` names several places."""
    where: dict[str, list[Place]] = {}
    for found in comparison.baselines:
        if found.stands_in:
            where.setdefault(names.row(found.row), []).append(found.place)
    wanted = names.model(comparison.baseline)
    return [
        f"Speed-ups on {on(places)} are over {row}, the largest fp32 model measured there: "
        f"{wanted} fp32 was not."
        for row, places in where.items()
    ]


def _on(comparison: Comparison, places: list[Place]) -> str:
    """Name places one by one."""
    one_file = len({found.place.questions_sha256 for found in comparison.baselines}) == 1
    return ", ".join(
        place.machine if one_file else f"{place.machine} ({place.questions})" for place in places
    )


def taken_over(comparison: Comparison) -> list[str]:
    """Explain the mark of an accuracy that was taken over, if a row with a label has one."""
    if not any(row.taken_over is not None and row.best_for for row in comparison.rows):
        return []
    return [
        "≈ marks an accuracy that was not measured there but taken over from another machine; the table of "
        "that hardware says from which."
    ]


def _shared(names: Names, comparison: Comparison) -> list[str]:
    """Write which rows share a label because nothing tells them apart."""
    one_file = _one_file(comparison)
    one_place = one_file and len({row.machine for row in comparison.rows}) == 1
    words = []
    for found in comparison.labels:
        if len(found.rows) > 1:
            where = _where(found.place.machine, None if one_file else found.place.questions)
            rows = listed([names.row(row) for row in found.rows])
            words.append(f"{'' if one_place else f'{where}, '}{found.label}: {rows} are not told apart.")
    return words


def _one_file(comparison: Comparison) -> bool:
    return len({row.questions_sha256 for row in comparison.rows}) == 1


def _where(machine: str, questions: str | None) -> str:
    return machine if questions is None else f"{machine}, {questions}"


def _best(comparison: Comparison) -> Table:
    one_file = _one_file(comparison)
    columns: tuple[Column[Row], ...] = (
        Column(
            "hardware", lambda row: _where(row.machine, None if one_file else row.questions), number=False
        ),
        Column("best for", LabelTexts(comparison).of, number=False),
        Column(
            "model",
            model_of,
            number=False,
        ),
        Column("F1 %", lambda row: accuracy(row, row.f1, 1)),
        Column("p50 ms", lambda row: decimals(row.p50_ms, 1)),
        Column("speed-up", lambda row: times(row.speed_up)),
        Column("on questions", lambda row: None if row.speed_up is None else f"{row.speed_up_questions:,}"),
        Column("memory MB", lambda row: megabytes(row.peak_rss_bytes)),
    )
    return table_of("Recommended models", columns, (row for row in comparison.rows if row.best_for), names=3)


def open_conditions(names: Names, found: OpenRow) -> str:
    """Write the conditions that a row's intervals leave open, and what would decide them."""
    return f"{names.row(found.row)}: {', '.join(map(_condition, found.open))}"


def _condition(open_one: OpenCondition) -> str:
    interval = "no interval" if open_one.interval is None else "{:,.4g} to {:,.4g}".format(*open_one.interval)
    wanted = what_would_decide(open_one.verdict)
    value = f"{open_one.value:,.4g}{TAKEN_OVER * open_one.taken_over}"
    return f"{open_one.condition} is {value} ({interval})" + (f", {wanted}" if wanted else "")


def _choices(names: Names, choices: tuple[Choice, ...]) -> Table:
    columns: tuple[Column[Choice], ...] = (
        Column("hardware", lambda choice: choice.place.machine, number=False),
        Column("questions", lambda choice: choice.place.questions, number=False),
        Column(
            "met by, best first",
            lambda choice: ", ".join(map(names.row, choice.met_by)) or "nothing",
            number=False,
        ),
        Column(
            "not decided",
            lambda choice: "; ".join(open_conditions(names, row) for row in choice.not_decided) or None,
            number=False,
        ),
        Column(
            "nearest",
            lambda choice: None if choice.nearest is None else names.row(choice.nearest),
            number=False,
        ),
        Column("what it misses", lambda choice: "; ".join(choice.misses) or None, number=False),
    )
    return table_of("What meets the requirement", columns, choices)


def _all_pairs(names: Names, splits: tuple[TimeSplit, ...]) -> Section:
    words = [
        "Geometric mean of the time per question, in milliseconds. The factors in the last row and the last "
        "column are the effects of each hardware and each model on the overall mean.",
    ]
    predicted = [split for split in splits if any(cell.measured_ms is None for cell in split.cells)]
    off = [
        f"{_off(split.typical_error)} ({split.precision})"
        for split in predicted
        if split.typical_error is not None
    ]
    if predicted:
        error = f" Predictions are off by about {' and '.join(off)}." if off else ""
        words.append(
            f"≈ marks a pair that was not measured; its time is predicted from the two factors.{error}"
        )
    words += [_left_out(names, split) for split in splits if split.left_out]
    tables = tuple(_matrix(names, split) for split in splits)
    return Section("Every model on every hardware", tuple(words), tables)


def _left_out(names: Names, split: TimeSplit) -> str:
    rows = ", ".join(
        f"{names.row(x.row)} on {x.row.machine} ({counted(x.questions, 'question')})" for x in split.left_out
    )
    return (
        f"Left out, although measured: {rows}. A row needs at least half of the {split.most_questions} "
        "questions of the largest row, since all times here are of the same questions."
    )


def _off(factor: float) -> str:
    return f"{max(1, math.ceil(100 * (factor - 1)))} %"


def _matrix(names: Names, split: TimeSplit) -> Table:
    pairs = {(cell.model, cell.machine): cell for cell in split.cells}
    rows = [
        cells(
            names.model(model.name),
            *(_pair(pairs[model.name, machine.name]) for machine in split.hardware),
            times(model.factor),
        )
        for model in split.models
    ]
    rows.append(cells("all models", *(times(machine.factor) for machine in split.hardware), ""))
    return Table(
        f"{split.precision}, {split.questions}",
        (
            Heading("model", number=False),
            *(Heading(machine.name) for machine in split.hardware),
            Heading("all hardware"),
        ),
        tuple(rows),
        names=1,
    )


def _pair(cell: PairTime) -> str | None:
    if cell.measured_ms is not None:
        return decimals(cell.measured_ms, 1)
    return None if cell.predicted_ms is None else f"≈ {cell.predicted_ms:,.1f}"
