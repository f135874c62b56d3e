"""Whether differences are more than chance: to the baseline, to fp32, and between processors."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple

from collector.display.numbers import decimals, percent, signed, signed_span, span
from collector.display.verdicts import written
from collector.findings.accuracy import Difference, Gate, ScoreDifference
from collector.findings.between_rows import Disagreement, Divergence, RowName
from collector.findings.comparison import Comparison, Row, name_of
from collector.findings.taken_over import TakenOver
from collector.report.columns import TAKEN_OVER, accuracy
from collector.report.names import Names, such
from collector.report.page import Chapter, Column, Section, Table, table_of

_SMALLEST_P: Final = 0.001


class _Scored(NamedTuple):
    """One score of a difference."""

    difference: Difference
    score: ScoreDifference
    scale: float
    """Percentage points per unit of the score."""


def evidence(comparison: Comparison) -> Chapter:
    """Show the significance of differences, the accuracy gates of each precision, and diverging answers."""
    names = Names(comparison)
    sections = [
        Section(
            "Accuracy compared with the baseline and with fp32",
            (
                "Each comparison uses the questions that both rows answered. Where an accuracy was taken "
                "over, it is an estimate for all questions of the file, marked ≈. Its 95 % interval is "
                f"{such(d.drawn for d in comparison.differences)}. p is that of the sign-flip test, and of "
                "Student's t for ≈, adjusted for the number of comparisons of this score on one hardware "
                "and question file (Holm). A difference that may be chance is marked not significant.",
            ),
            tuple(_differences(names, sorted(comparison.differences, key=lambda d: names.place(d.row)))),
        ),
        Section(
            "F1 of each precision relative to fp32",
            (
                "MLPerf requires 99 % or 99.9 % of the accuracy of fp32. A gate is passed or failed if the "
                f"95 % interval, {such(gate.drawn for gate in comparison.gates)}, leaves it out.",
            ),
            (_gates(names, sorted(comparison.gates, key=lambda gate: names.place(gate.row))),),
        ),
        _taken_over(names, comparison.rows),
        *_divergences(names, comparison.divergences),
    ]
    kept = tuple(section for section in sections if any(table.rows for table in section.tables))
    return Chapter("evidence", "Do the differences hold?", kept)


def _taken_over(names: Names, rows: Sequence[Row]) -> Section:
    """Show which accuracies were taken over from another machine, and what that is based on."""
    columns: tuple[Column[tuple[Row, TakenOver]], ...] = (
        Column("hardware", lambda x: x[0].machine, number=False),
        Column("model", lambda x: names.row(name_of(x[0])), number=False),
        Column("taken over from", lambda x: f"{x[1].machine} (run {x[1].run_id[:8]})", number=False),
        Column("asked here", lambda x: f"{x[1].asked:,} of {x[1].questions:,}"),
        Column("other answers", lambda x: f"{x[1].asked - x[1].alike:,}"),
        Column("of all, at most", lambda x: f"{x[1].at_most_differ:,}"),
        Column("F1 % of these alone", lambda x: decimals(x[1].f1.alone, 1)),
        Column("95 %", lambda x: span(x[1].f1.alone_interval, 1)),
        Column("F1 % taken over", lambda x: accuracy(x[0], x[0].f1, 1)),
        Column("95 % of the transfer", lambda x: span(x[1].f1.transfer, 1)),
        Column("95 % in all", lambda x: span(x[0].intervals.get("f1"), 1)),
    )
    found = [(row, row.taken_over) for row in rows if row.taken_over is not None]
    drawn = [row.drawn for row, _ in found]
    return Section(
        "Accuracy that was taken over",
        (
            "These rows asked a random part of the questions. Another machine answered all of them with the "
            "same bundle, decoding and windows. Its mean score, corrected by the mean difference of the "
            "questions that both answered, is an estimate for all of them. The interval of the transfer is "
            f"for the questions of this file on this hardware; the one in all is {such(drawn)}.",
        ),
        (table_of("Taken over", columns, found),),
    )


def _differences(names: Names, found: Sequence[Difference]) -> Iterator[Table]:
    scores: tuple[tuple[str, float, Callable[[Difference], ScoreDifference | None]], ...] = (
        ("EM", 1.0, lambda d: d.exact_match),
        ("F1", 1.0, lambda d: d.f1),
        ("BERTScore F1", 100.0, lambda d: d.bertscore_f1),
    )
    for name, scale, score in scores:
        scored = [_Scored(d, one, scale) for d in found if (one := score(d)) is not None]
        columns: tuple[Column[_Scored], ...] = (
            Column("hardware", lambda x: x.difference.row.machine, number=False),
            Column("model", lambda x: names.row(x.difference.row), number=False),
            Column("against", lambda x: names.row(x.difference.against), number=False),
            Column("questions", lambda x: _questions(x.difference)),
            Column(f"{name} points", lambda x: signed(x.scale * x.score.difference, 1)),
            Column("95 %", _span),
            Column("p", lambda x: _p_value(x.score.adjusted_p_value)),
            Column(
                "verdict",
                lambda x: "significant" if x.score.significant else "not significant",
                number=False,
            ),
        )
        if scored:
            yield table_of(f"Differences of {name}", columns, scored, names=3)


def _questions(found: Difference | Gate) -> str:
    """Write how many questions a comparison is of, with a mark if an accuracy was taken over."""
    return f"{found.questions}{TAKEN_OVER if found.asked < found.questions else ''}"


def _span(scored: _Scored) -> str:
    low, high = scored.score.interval
    return signed_span((scored.scale * low, scored.scale * high), 1)


def _p_value(p: float) -> str:
    return f"{p:.3f}" if p >= _SMALLEST_P else f"< {_SMALLEST_P}"


def _gates(names: Names, found: Sequence[Gate]) -> Table:
    columns: tuple[Column[Gate], ...] = (
        Column("hardware", lambda gate: gate.row.machine, number=False),
        Column("model", lambda gate: names.row(gate.row), number=False),
        Column("questions", lambda gate: _questions(gate)),
        Column("% of fp32's F1", lambda gate: f"{gate.percent_of_fp32:.2f}"),
        Column("95 %", lambda gate: span(gate.interval, 2)),
        Column("99 %", lambda gate: written(gate.gate_99), number=False),
        Column("99.9 %", lambda gate: written(gate.gate_99_9), number=False),
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
        Column(
            "gates that one passes and one fails",
            lambda d: ", ".join(d.gates_flipped) or "none",
            number=False,
        ),
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
