"""The runs whose texts are compared: those of two precisions, or of one bundle on two kinds of processor.

Random weights are left out: their answers are noise.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from collector.comparison_inputs.baseline import comparable, reference
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.tasks.disagreement import Disagreements, disagreements
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.store.runs import Run


class Side(NamedTuple):
    """The newest run of a group on one kind of processor."""

    group: Group
    run: Run
    digest: str
    """The digest of the run's numbers."""

    @property
    def processor(self) -> str:
        """The architecture, and the instruction sets that decide how int8 runs."""
        return " ".join((self.run.device.architecture, *sorted(self.run.device.cpu_flags)))


class SidePair(NamedTuple):
    """Two sides that could give equal answers."""

    kind: str
    """`precision` or `hardware`."""
    left: Side
    right: Side
    found: Disagreements


def side_pairs(groups: Sequence[Group], memo: Memo) -> Iterator[SidePair]:
    """Compare each precision with fp32 of its model, then each bundle on every two kinds of processor."""
    found = list(_pairs(groups))
    memo.prepare(_task(left, right) for _, left, right in found)
    for kind, left, right in found:
        yield SidePair(kind, left, right, memo.recall(_task(left, right)))


def _task(left: Side, right: Side) -> Task[Disagreements]:
    return disagreements(left.run, right.run, (left.digest, right.digest))


def _pairs(groups: Sequence[Group]) -> Iterator[tuple[str, Side, Side]]:
    trained = [group for group in groups if group.run.bundle.weights.origin != "random"]
    for group in trained:
        against = reference(trained, group, group.name.model)
        if against is not None and against is not group and comparable(group, against):
            yield "precision", *_on_one_processor(against, group)
    for sides in _by_processor(trained):
        for left, right in combinations(sides, 2):
            yield "hardware", left, right


def _sides(group: Group) -> list[Side]:
    pairs = zip(group.runs, group.source.run_digests, strict=True)
    return [Side(group, run, digest) for run, digest in pairs]


def _on_one_processor(left: Group, right: Group) -> tuple[Side, Side]:
    """Return the newest run of each group, on the same kind of processor if both groups have runs on it."""
    lefts, newest = _sides(left), _sides(right)[-1]
    alike = [side for side in lefts if side.processor == newest.processor]
    return alike[-1] if alike else lefts[-1], newest


def _by_processor(groups: Sequence[Group]) -> Iterator[list[Side]]:
    """Group runs whose texts may be equal; each group has one side per processor."""
    sides: dict[tuple[object, ...], dict[str, Side]] = defaultdict(dict)
    for group in groups:
        for side in _sides(group):
            same = side.run.bundle_sha256, side.run.questions_sha256, group.reading
            sides[same][side.processor] = side
    for by_processor in sides.values():
        if len(by_processor) > 1:
            yield list(by_processor.values())
