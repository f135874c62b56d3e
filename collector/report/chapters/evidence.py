"""Whether differences hold: against the baseline, against fp32, and between processors."""

from collections.abc import Sequence
from typing import Final

from collector.display.numbers import percent, signed, span
from collector.findings.between_rows import Difference, Disagreement, Divergence, Gate
from collector.findings.comparison import Comparison
from collector.report.names import Names, hardware
from collector.report.page import Cell, Chapter, Heading, Section, Table, cells

_SMALLEST_P: Final = 0.001


def evidence(comparison: Comparison) -> Chapter:
    """Significance of the differences, the gates that a precision has to pass, and diverging answers."""
    names = Names(comparison)
    sections = [
        Section(
            "Answers against another row's",
            (
                "On the questions that both answered. EM: exact McNemar test, two-sided. F1: 95 % interval "
                "of the difference by paired bootstrap over questions. A difference that may be chance is "
                "called not significant.",
            ),
            (_differences(names, sorted(comparison.differences, key=lambda d: names.place(d.row))),),
        ),
        Section(
            "What a precision keeps of fp32's F1",
            (
                "MLPerf asks for 99 % or 99.9 %. With few questions the interval is wider than that, and a "
                "pass or a failure is not certain.",
            ),
            (_gates(names, sorted(comparison.gates, key=lambda gate: names.place(gate.row))),),
        ),
        *_divergences(names, comparison.divergences),
    ]
    kept = tuple(section for section in sections if any(table.rows for table in section.tables))
    return Chapter("evidence", "Do the differences hold?", kept)


def _differences(names: Names, found: Sequence[Difference]) -> Table:
    return Table(
        "Differences",
        (
            Heading("hardware", number=False),
            Heading("model", number=False),
            Heading("against", number=False),
            Heading("questions"),
            Heading("EM points"),
            Heading("p"),
            Heading("EM", number=False),
            Heading("F1 points"),
            Heading("F1 95 %"),
            Heading("F1", number=False),
        ),
        tuple(
            cells(
                hardware(d.row.hardware_class),
                names.row(d.row),
                names.row(d.against),
                str(d.questions),
                signed(d.exact_match, 1),
                f"{d.p_value:.3f}" if d.p_value >= _SMALLEST_P else f"< {_SMALLEST_P}",
                _significance(d.exact_match_significant),
                signed(d.f1, 1),
                f"{signed(d.f1_interval[0], 1)} to {signed(d.f1_interval[1], 1)}",
                _significance(d.f1_significant),
            )
            for d in found
        ),
        names=3,
    )


def _significance(significant: bool) -> str:
    return "significant" if significant else "not significant"


def _gates(names: Names, found: Sequence[Gate]) -> Table:
    return Table(
        "Gates",
        (
            Heading("hardware", number=False),
            Heading("model", number=False),
            Heading("questions"),
            Heading("% of fp32's F1"),
            Heading("95 %"),
            Heading("99 %", number=False),
            Heading("99.9 %", number=False),
        ),
        tuple(
            cells(
                hardware(gate.row.hardware_class),
                names.row(gate.row),
                str(gate.questions),
                f"{gate.percent_of_fp32:.2f}",
                span(gate.interval, 2),
                "passes" if gate.passes_99 else "fails",
                "passes" if gate.passes_99_9 else "fails",
            )
            for gate in found
        ),
    )


def _divergences(names: Names, found: tuple[Divergence, ...]) -> list[Section]:
    sections = []
    for kind, title, words in (
        ("precision", "Answers that change with the precision", "A precision of a model against its fp32."),
        (
            "hardware",
            "Answers that change with the processor",
            "One bundle, the same bytes, on processors with different instruction sets.",
        ),
    ):
        alike = sorted((d for d in found if d.kind == kind), key=lambda d: names.place(d.left))
        sections.append(Section(title, (words,), (_rates(names, alike), *_examples(names, alike))))
    return sections


def _rates(names: Names, found: Sequence[Divergence]) -> Table:
    return Table(
        "Divergence",
        (
            Heading("one side", number=False),
            Heading("other side", number=False),
            Heading("questions"),
            Heading("differ"),
            Heading("equal"),
            Heading("gates that flip", number=False),
        ),
        tuple(
            cells(
                f"{names.row(d.left)}, {hardware(d.left.hardware_class)}",
                f"{names.row(d.right)}, {hardware(d.right.hardware_class)}",
                str(d.questions),
                str(d.differ),
                percent(d.percent_equal),
                ", ".join(d.gates_flipped) or "none",
            )
            for d in found
        ),
    )


def _examples(names: Names, found: Sequence[Divergence]) -> tuple[Table, ...]:
    rows = [
        _example(names, d, example) for d in found for example in d.examples[:1] if d.left.model == d.model
    ]
    if not rows:
        return ()
    return (
        Table(
            "For example",
            (
                Heading("model", number=False),
                Heading("question", number=False),
                Heading("one side answers", number=False),
                Heading("other side answers", number=False),
            ),
            tuple(rows),
        ),
    )


def _example(names: Names, found: Divergence, example: Disagreement) -> tuple[Cell, ...]:
    return cells(
        f"{names.model(found.model)}, {hardware(found.right.hardware_class)}",
        example.question_id,
        example.left or "(nothing)",
        example.right or "(nothing)",
    )
