"""Compares the accuracy of rows, and decides the accuracy gates of each precision."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from collector.comparison_inputs.baseline import REFERENCE_PRECISION
from collector.comparison_inputs.groups import Entrant
from collector.comparison_inputs.inputs import Contrast
from collector.comparison_inputs.tasks.contrast import PairedScore, PairedScores
from collector.findings.accuracy import Difference, Gate, ScoreDifference
from collector.findings.between_rows import Place
from collector.findings.verdict import Verdict
from collector.statistics.confidence import SIGNIFICANCE, Mean
from collector.statistics.decision import decide
from collector.statistics.multiple import holm
from commandline.standing import FULL

_Score = Callable[[PairedScores], PairedScore | None]
_PERCENT: Final = 100.0


def differences(contrasts: Sequence[Contrast]) -> Iterator[Difference]:
    """Compare each row with the baseline of its place, and each precision with fp32 of its model.

    The p values of one score in one place are adjusted for their number.
    """
    by_place: dict[Place, list[Contrast]] = defaultdict(list)
    for contrast in contrasts:
        by_place[contrast.left.place].append(contrast)
    for together in by_place.values():
        exact_match = _adjusted(together, lambda scores: scores.exact_match, _PERCENT)
        f1 = _adjusted(together, lambda scores: scores.f1, _PERCENT)
        bertscore_f1 = _adjusted(together, lambda scores: scores.bertscore_f1, 1.0)
        for number, (left, right, scores) in enumerate(together):
            yield Difference(
                row=left.name,
                against=right.name,
                questions=scores.questions,
                asked=scores.asked,
                drawn=scores.drawn,
                only_row=scores.only_left,
                only_against=scores.only_right,
                exact_match=exact_match[number],
                f1=f1[number],
                bertscore_f1=bertscore_f1.get(number),
            )


def _adjusted(contrasts: Sequence[Contrast], score: _Score, scale: float) -> dict[int, ScoreDifference]:
    """Find the differences of a score, by the position of the contrast that has one."""
    found = {
        number: paired.difference
        for number, contrast in enumerate(contrasts)
        if (paired := score(contrast.scores)) is not None
    }
    adjusted = holm([difference.p_value for difference in found.values()])
    return {
        number: ScoreDifference(
            difference=scale * difference.value,
            interval=(scale * difference.low, scale * difference.high),
            p_value=difference.p_value,
            adjusted_p_value=p_value,
            significant=p_value < SIGNIFICANCE,
        )
        for (number, difference), p_value in zip(found.items(), adjusted, strict=True)
    }


def gates(contrasts: Sequence[Contrast], entrants: Sequence[Entrant]) -> Iterator[Gate]:
    """Compute how much of fp32's F1 every other precision keeps.

    Args:
        contrasts: the rows that are compared.
        entrants: all rows; those with less than `FULL` of the questions of the largest in their place have no
            gate, and are no reference of one, unless their accuracy was taken over.
    """
    most: dict[Place, int] = defaultdict(int)
    for entrant in entrants:
        most[entrant.place] = max(most[entrant.place], entrant.measured.answered)
    for left, right, scores in contrasts:
        of_fp32 = (right.name.model, right.name.precision) == (left.name.model, REFERENCE_PRECISION)
        large = all(
            side.measured.answered >= FULL * most[side.place] or side.inherited is not None
            for side in (left, right)
        )
        kept = scores.f1_kept
        if left.is_measured and of_fp32 and large and kept is not None:
            yield Gate(
                row=left.name,
                questions=scores.questions,
                asked=scores.asked,
                drawn=scores.drawn,
                percent_of_fp32=_PERCENT * kept.value,
                interval=(_PERCENT * kept.low, _PERCENT * kept.high),
                gate_99=_keeps(0.99, kept, scores),
                gate_99_9=_keeps(0.999, kept, scores),
            )


def _keeps(part: float, kept: Mean, scores: PairedScores) -> Verdict:
    return decide(lambda value: value >= part, kept, part, scores.asked, most=scores.most)
