"""The comparative summary, beside the numbers of the study that distilbench follows."""

from typing import Final, NamedTuple

from collector.display.numbers import decimals, megabytes, times
from collector.findings.comparison import Comparison, Row
from collector.report.names import full_name, hardware
from collector.report.page import Cell, Chapter, Heading, Section, Table, cells


class Published(NamedTuple):
    """A row of the study's summary, as it is printed there."""

    model: str
    title: str
    parameters: str
    layers: str
    method: str
    exact_match: str
    f1: str
    speed_up: str
    best_for: str


STUDY: Final = (
    Published("bert-large", "BERT-Large", "~340", "24", "teacher", "83.2", "92.8", "1.0x", "high accuracy"),
    Published(
        "distilbert",
        "DistilBERT",
        "~66",
        "6",
        "logits, hidden states and attention; task-agnostic",
        "77.4",
        "89.0",
        "~5.8x",
        "real time, low resource",
    ),
    Published(
        "minilm",
        "MiniLM",
        "~33",
        "6",
        "self-attention and value matrices; task-specific",
        "79.4",
        "90.7",
        "~4.6x",
        "balance",
    ),
)

CAVEATS: Final = (
    "The study's rows are its own numbers, measured on the 87,599 questions of SQuAD v1.1 train, on which "
    "these checkpoints were fitted, with the defaults of the Hugging Face pipeline. They are not comparable "
    "with an accuracy on questions that a model has not seen.",
    "It prints 6 layers for MiniLM; 33 million parameters are those of the model with 12 layers and a hidden "
    "size of 384.",
    "A dash is a number that does not exist or would mislead; the table of that hardware says why.",
)

_HEADINGS: Final = (
    Heading("source", number=False),
    Heading("model", number=False),
    Heading("parameters M"),
    Heading("layers"),
    Heading("distilled", number=False),
    Heading("EM %"),
    Heading("F1 %"),
    Heading("speed-up"),
    Heading("best for", number=False),
)


def study(comparison: Comparison) -> Chapter:
    """Model, parameters, layers, method, EM and F1, speed-up and best for: here and in the study."""
    theirs = [
        cells(
            "the study",
            row.title,
            row.parameters,
            row.layers,
            row.method,
            row.exact_match,
            row.f1,
            row.speed_up,
            row.best_for,
        )
        for row in STUDY
    ]
    ours = [_ours(row) for row in comparison.rows]
    return Chapter(
        "study",
        "Model comparative summary",
        (Section("", CAVEATS, (Table("Here and in the study", _HEADINGS, (*theirs, *ours)),)),),
    )


def _ours(row: Row) -> tuple[Cell, ...]:
    return cells(
        hardware(row.hardware_class),
        full_name(row.title, row.precision),
        megabytes(row.parameters),
        None if row.layers is None else str(row.layers),
        row.distillation,
        decimals(row.exact_match, 1),
        decimals(row.f1, 1),
        times(row.speed_up),
        ", ".join(row.best_for) or None,
    )
