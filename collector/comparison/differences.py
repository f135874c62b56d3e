"""Compares the accuracy of rows, and decides the accuracy gates of each precision."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from collector.comparison_inputs.baseline import REFERENCE_PRECISION
from collector.comparison_inputs.groups import Entrant
from collector.comparison_inputs.inputs import Contrast
from collector.comparison_inputs.standing import FULL
from collector.findings.between_rows import Difference, Gate, Place
from collector.statistics.confidence import SIGNIFICANCE, is_significant


def differences(contrasts: Sequence[Contrast]) -> Iterator[Difference]:
    """Compare each row with the baseline of its place, and each precision with fp32 of its model."""
    for left, right, scores in contrasts:
        low, high = scores.f1_interval
        yield Difference(
            row=left.name,
            against=right.name,
            questions=scores.questions,
            exact_match=100 * (scores.only_left - scores.only_right) / scores.questions,
            only_row=scores.only_left,
            only_against=scores.only_right,
            p_value=scores.p_value,
            exact_match_significant=scores.p_value < SIGNIFICANCE,
            f1=100 * scores.f1,
            f1_interval=(100 * low, 100 * high),
            f1_significant=is_significant(scores.f1_interval, 0.0),
        )


def gates(contrasts: Sequence[Contrast], entrants: Sequence[Entrant]) -> Iterator[Gate]:
    """Compute how much of fp32's F1 every other precision keeps.

    Args:
        contrasts: the rows that are compared.
        entrants: all rows; those with less than `FULL` of the questions of the largest in their place have no
            gate, and are no reference of one.
    """
    most: dict[Place, int] = defaultdict(int)
    for entrant in entrants:
        most[entrant.place] = max(most[entrant.place], entrant.measured.answered)
    for left, right, scores in contrasts:
        of_fp32 = (right.name.model, right.name.precision) == (left.name.model, REFERENCE_PRECISION)
        large = all(side.measured.answered >= FULL * most[side.place] for side in (left, right))
        if left.is_measured and of_fp32 and large and scores.of_reference is not None:
            low, high = scores.of_reference_interval
            yield Gate(
                row=left.name,
                questions=scores.questions,
                percent_of_fp32=100 * scores.of_reference,
                interval=(100 * low, 100 * high),
                passes_99=scores.of_reference >= 0.99,
                passes_99_9=scores.of_reference >= 0.999,
            )
