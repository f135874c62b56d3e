"""Describes an accuracy that was taken over from another machine, which is never called measured."""

from typing import Final

from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inheritance.inherited import Inherited
from collector.comparison_inputs.standing import type_of
from collector.findings.between_rows import Interval
from collector.findings.taken_over import Part, TakenOver
from collector.statistics.accuracy.transfer import Correction, taken_over
from collector.statistics.confidence import Mean
from collector.summaries.measured import Estimate

PERCENT: Final = 100.0
NO_BERTSCORE_THERE: Final = "not every answer of the run that EM and F1 are taken over from has a BERTScore"


def described(group: Group, inherited: Inherited) -> TakenOver:
    """Describe the accuracy that a row took over.

    Args:
        group: the row.
        inherited: its accuracy on all questions.
    """
    transfer, there, here = inherited.transfer, inherited.measured, group.measured
    by = transfer.corrections
    exact_match = _part(here.exact_match, there.exact_match, by.exact_match, PERCENT)
    f1 = _part(here.f1, there.f1, by.f1, PERCENT)
    assert exact_match is not None and f1 is not None  # `Lenders` takes nothing over without them
    return TakenOver(
        run_id=inherited.run.run_id,
        device_id=inherited.run.device_id,
        machine=type_of(inherited.run).label,
        questions=transfer.questions,
        asked=transfer.asked,
        alike=transfer.alike,
        at_most_differ=transfer.at_most_differ,
        bit_equal=transfer.bit_equal,
        exact_match=exact_match,
        f1=f1,
        bertscore_f1=_part(here.bertscore_f1, there.bertscore_f1, by.bertscore_f1, 1.0),
    )


def notes(found: TakenOver, *, scorer: bool) -> dict[str, tuple[str, ...]]:
    """Write where an accuracy was taken over from, and what the questions asked here say alone.

    Args:
        found: the accuracy that was taken over.
        scorer: whether BERTScores were ever computed.
    """
    equal = ", to the last bit of their confidence" if found.bit_equal else ""
    alone = f"{found.f1.alone:.1f}"
    if found.f1.alone_interval is not None:
        alone += " ({:.1f} to {:.1f})".format(*found.f1.alone_interval)
    note = (
        f"of all {found.questions:,} questions: taken over from {found.machine} (run {found.run_id[:8]} of "
        f"{found.device_id}) with the same bundle, and corrected by the {found.asked:,} asked here, of which "
        f"{found.alike:,} were answered alike{equal}; those {found.asked:,} alone: F1 {alone}"
    )
    written: dict[str, tuple[str, ...]] = {"exact_match": (note,), "f1": (note,)}
    if scorer:
        written["bertscore_f1"] = (NO_BERTSCORE_THERE if found.bertscore_f1 is None else note,)
    return written


def _part(here: Estimate | None, there: Estimate | None, by: Correction | None, scale: float) -> Part | None:
    if here is None or there is None or by is None:
        return None
    moved = taken_over(Mean(there.value, there.value, there.value), by)
    return Part(
        alone=scale * here.value,
        alone_interval=None if here.interval is None else _scaled(here.interval, scale),
        transfer=_scaled((moved.low, moved.high), scale),
    )


def _scaled(interval: Interval, scale: float) -> Interval:
    return scale * interval[0], scale * interval[1]
