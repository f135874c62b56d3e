"""Finds answer divergence: how often two sides that could give equal answers do not.

It compares texts, so it needs no gold answers.
"""

from collections.abc import Iterable, Iterator

from collector.comparison_inputs.sides import SidePair
from collector.findings.accuracy import Gate
from collector.findings.between_rows import Divergence
from collector.findings.verdict import FAILS, PASSES, Verdict


def divergences(pairs: Iterable[SidePair], gates: Iterable[Gate]) -> Iterator[Divergence]:
    """Describe how often two sides differ, and which gates one of them passes and the other one fails."""
    gate_of = {gate.row: gate for gate in gates}
    for kind, left, right, found in pairs:
        if not found.questions:
            continue
        ours, theirs = gate_of.get(left.group.name), gate_of.get(right.group.name)
        flipped: list[str] = []
        if kind == "hardware" and ours is not None and theirs is not None:
            flipped += ["99 %"] * _opposite(ours.gate_99, theirs.gate_99)
            flipped += ["99.9 %"] * _opposite(ours.gate_99_9, theirs.gate_99_9)
        yield Divergence(
            kind=kind,
            model=left.group.name.model,
            left=left.group.name,
            right=right.group.name,
            left_on=left.processor,
            right_on=right.processor,
            left_cpu=left.run.device.cpu_model,
            right_cpu=right.run.device.cpu_model,
            questions=found.questions,
            differ=found.differ,
            percent_equal=100 * (1 - found.differ / found.questions),
            examples=found.examples,
            left_percent_of_fp32=None if ours is None else ours.percent_of_fp32,
            right_percent_of_fp32=None if theirs is None else theirs.percent_of_fp32,
            gates_flipped=tuple(flipped),
        )


def _opposite(left: Verdict, right: Verdict) -> bool:
    return {left.outcome, right.outcome} == {PASSES, FAILS}
