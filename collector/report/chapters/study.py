"""The comparative summary: the report's rows below the numbers of the study that distilbench follows."""

from collections.abc import Sequence
from typing import Final

from collector.display.numbers import decimals, megabytes, times
from collector.findings.comparison import Comparison, Row
from collector.report.columns import accuracy
from collector.report.names import full_name
from collector.report.page import Cell, Chapter, Heading, Section, Table, cells
from collector.report.shared_labels import LabelTexts
from commandline.counted import counted
from contract.study import METHODS, STUDY, Study

CAVEATS: Final = (
    'The rows "the study" show the study\'s own numbers. It measured them with the defaults of the Hugging '
    "Face pipeline on the 87,599 questions of SQuAD v1.1 train, which these checkpoints were trained on. So "
    "they are not comparable with an accuracy on questions that a model has not seen.",
    "The study prints 6 layers for MiniLM, but 33 million parameters belong to the MiniLM with 12 layers "
    "and a hidden size of 384.",
    "A dash means that a number does not exist or would mislead; the table of that hardware explains why. ≈ "
    "marks an accuracy that was not measured there but taken over from another machine.",
)

_BASELINE: Final = 1.0
"""The speed-up of the study's own baseline. It is exact; the study's other speed-ups are approximate."""

_HEADINGS: Final = (
    Heading("source", number=False),
    Heading("model", number=False),
    Heading("parameters M"),
    Heading("layers"),
    Heading("distillation", number=False),
    Heading("EM %"),
    Heading("F1 %"),
    Heading("speed-up"),
    Heading("best for", number=False),
)


def study(comparison: Comparison) -> Chapter:
    """Show parameters, layers, distillation, EM, F1, speed-up and "best for", here and in the study."""
    return Chapter(
        "study", "Model comparative summary", (Section("", CAVEATS, (summary(comparison, comparison.rows),)),)
    )


def summary(comparison: Comparison, rows: Sequence[Row]) -> Table:
    """Make the table of the study's numbers, and below them those of some rows of a comparison."""
    labels = LabelTexts(comparison)
    theirs = [_theirs(row, METHODS[model]) for model, row in STUDY.items()]
    return Table(
        "The study and this report", _HEADINGS, (*theirs, *(_ours(row, labels.of(row)) for row in rows))
    )


def _theirs(row: Study, method: str) -> tuple[Cell, ...]:
    about = "~" if row.speed_up != _BASELINE else ""
    return cells(
        "the study",
        row.title,
        f"~{row.parameters_millions}",
        str(row.layers),
        method,
        decimals(row.exact_match, 1),
        decimals(row.f1, 1),
        f"{about}{row.speed_up:.1f}x",
        row.best_for,
    )


def _ours(row: Row, best_for: str | None) -> tuple[Cell, ...]:
    return cells(
        row.machine,
        full_name(row.title, row.precision),
        megabytes(row.parameters),
        None if row.layers is None else str(row.layers),
        row.distillation,
        accuracy(row, row.exact_match, 1),
        accuracy(row, row.f1, 1),
        _speed_up(row),
        best_for,
    )


def _speed_up(row: Row) -> str | None:
    if row.speed_up is None:
        return None
    return f"{times(row.speed_up)} on {counted(row.speed_up_questions, 'question')}"
