"""Whether differences are more than chance: to the baseline, to fp32, and between processors."""

from collections.abc import Sequence
from typing import Final

from collector.display.numbers import percent, signed, span
from collector.findings.between_rows import Difference, Disagreement, Divergence, Gate, RowName
from collector.findings.comparison import Comparison
from collector.report.names import Names
from collector.report.page import Chapter, Column, Section, Table, table_of

_SMALLEST_P: Final = 0.001


def evidence(comparison: Comparison) -> Chapter:
    """Show the significance of differences, the accuracy gates of each precision, and diverging answers."""
    names = Names(comparison)
    sections = [
        Section(
            "Accuracy compared with the baseline and with fp32",
            (
                "Each comparison uses the questions that both rows answered. EM: exact McNemar test, "
                "two-sided. F1: 95 % interval of the difference, by paired bootstrap over questions. A "
                "difference that may be chance is marked not significant.",
            ),
            (_differences(names, sorted(comparison.differences, key=lambda d: names.place(d.row))),),
        ),
        Section(
            "F1 of each precision relative to fp32",
            (
                "MLPerf requires 99 % or 99.9 % of the accuracy of fp32. If the interval includes a gate, "
                "the result may be different with other questions.",
            ),
            (_gates(names, sorted(comparison.gates, key=lambda gate: names.place(gate.row))),),
        ),
        *_divergences(names, comparison.divergences),
    ]
    kept = tuple(section for section in sections if any(table.rows for table in section.tables))
    return Chapter("evidence", "Do the differences hold?", kept)


def _differences(names: Names, found: Sequence[Difference]) -> Table:
    columns: tuple[Column[Difference], ...] = (
        Column("hardware", lambda d: d.row.machine, number=False),
        Column("model", lambda d: names.row(d.row), number=False),
        Column("against", lambda d: names.row(d.against), number=False),
        Column("questions", lambda d: str(d.questions)),
        Column("EM points", lambda d: signed(d.exact_match, 1)),
        Column("p", lambda d: f"{d.p_value:.3f}" if d.p_value >= _SMALLEST_P else f"< {_SMALLEST_P}"),
        Column("EM", lambda d: _significance(d.exact_match_significant), number=False),
        Column("F1 points", lambda d: signed(d.f1, 1)),
        Column("F1 95 %", lambda d: f"{signed(d.f1_interval[0], 1)} to {signed(d.f1_interval[1], 1)}"),
        Column("F1", lambda d: _significance(d.f1_significant), number=False),
    )
    return table_of("Differences", columns, found, names=3)


def _significance(significant: bool) -> str:
    return "significant" if significant else "not significant"


def _gates(names: Names, found: Sequence[Gate]) -> Table:
    columns: tuple[Column[Gate], ...] = (
        Column("hardware", lambda gate: gate.row.machine, number=False),
        Column("model", lambda gate: names.row(gate.row), number=False),
        Column("questions", lambda gate: str(gate.questions)),
        Column("% of fp32's F1", lambda gate: f"{gate.percent_of_fp32:.2f}"),
        Column("95 %", lambda gate: span(gate.interval, 2)),
        Column("99 %", lambda gate: "passes" if gate.passes_99 else "fails", number=False),
        Column("99.9 %", lambda gate: "passes" if gate.passes_99_9 else "fails", number=False),
    )
    return table_of("Gates", columns, found)


def _divergences(names: Names, found: tuple[Divergence, ...]) -> list[Section]:
    sections = []
    for kind, title, words in (
        (
            "precision",
            "Answers that change with the precision",
            "Each precision of a model is compared with its fp32.",
        ),
        (
            "hardware",
            "Answers that change with the processor",
            "The same bundle ran on processors with different instruction sets. Every two of them are "
            "compared, by the newest run on each.",
        ),
    ):
        alike = sorted((d for d in found if d.kind == kind), key=lambda d: names.place(d.left))
        sections.append(Section(title, (words,), (_rates(names, alike), *_examples(names, alike))))
    return sections


def _rates(names: Names, found: Sequence[Divergence]) -> Table:
    def side(d: Divergence, row: RowName, cpu: str, on: str) -> str:
        named = f"{names.row(row)}, {row.machine}"
        return f"{named}, {cpu} ({on})" if d.kind == "hardware" else named

    columns: tuple[Column[Divergence], ...] = (
        Column("one side", lambda d: side(d, d.left, d.left_cpu, d.left_on), number=False),
        Column("other side", lambda d: side(d, d.right, d.right_cpu, d.right_on), number=False),
        Column("questions", lambda d: str(d.questions)),
        Column("different answers", lambda d: str(d.differ)),
        Column("equal answers", lambda d: percent(d.percent_equal)),
        Column("gates that only one passes", lambda d: ", ".join(d.gates_flipped) or "none", number=False),
    )
    return table_of("Divergence", columns, found)


def _examples(names: Names, found: Sequence[Divergence]) -> tuple[Table, ...]:
    shown = [(d, example) for d in found for example in d.examples[:1] if d.left.model == d.model]
    columns: tuple[Column[tuple[Divergence, Disagreement]], ...] = (
        Column(
            "model",
            lambda x: f"{names.model(x[0].model)}, {x[0].right.machine}",
            number=False,
        ),
        Column("question", lambda x: x[1].question_id, number=False),
        Column("answer of one side", lambda x: x[1].left or "(empty)", number=False),
        Column("answer of the other side", lambda x: x[1].right or "(empty)", number=False),
    )
    return (table_of("Examples", columns, shown),) if shown else ()
