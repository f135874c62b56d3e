"""Finds answer divergence: how often two sides that could give equal answers do not.

It compares texts, so it needs no gold answers. Random weights are left out: their answers are noise.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from typing import Final, NamedTuple

import msgspec

from collector.comparison.differences import comparable, reference
from collector.comparison_inputs.groups import Group
from collector.findings.between_rows import Disagreement, Divergence, Gate
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.runs import Run
from collector.summaries.columns import Columns, first_texts, shared
from collector.summaries.run_summary import Derived

EXAMPLES: Final = 10


class _Side(NamedTuple):
    """The newest run of a group on one kind of processor."""

    group: Group
    run: Run


class _Count(msgspec.Struct, frozen=True, kw_only=True):
    """How many answers of two runs differ, with the first examples."""

    questions: int
    differ: int
    examples: tuple[Disagreement, ...]


class Divergences:
    """Finds divergences among the rows of a report."""

    def __init__(self, store: Store, derived: Derived, cache: FindingsCache, gates: Iterable[Gate]) -> None:
        self._store = store
        self._derived = derived
        self._cache = cache
        self._gates = {gate.row: gate for gate in gates}

    def among(self, groups: Sequence[Group]) -> Iterator[Divergence]:
        """Compare each precision with fp32 of its model, then each bundle on every two processors."""
        trained = [group for group in groups if group.run.bundle.weights.origin != "random"]
        for group in trained:
            against = reference(trained, group, group.name.model)
            if against is not None and against is not group and comparable(group, against):
                yield from self._between("precision", *_on_one_processor(against, group))
        for sides in _by_processor(trained):
            for left, right in combinations(sides, 2):
                yield from self._between("hardware", left, right)

    def _between(self, kind: str, left: _Side, right: _Side) -> Iterator[Divergence]:
        digests = [self._derived.summary(side.run).digest for side in (left, right)]
        found = self._cache.recall("divergence", digests, _Count, lambda: self._count(left.run, right.run))
        if not found.questions:
            return
        ours, theirs = self._gates.get(left.group.name), self._gates.get(right.group.name)
        flipped = []
        if kind == "hardware" and ours is not None and theirs is not None:
            flipped = ["99 %"] * (ours.passes_99 != theirs.passes_99)
            flipped += ["99.9 %"] * (ours.passes_99_9 != theirs.passes_99_9)
        yield Divergence(
            kind=kind,
            model=left.group.name.model,
            left=left.group.name,
            right=right.group.name,
            left_on=processor(left.run),
            right_on=processor(right.run),
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

    def _count(self, left: Run, right: Run) -> _Count:
        ours, theirs = self._derived.columns(left), self._derived.columns(right)
        at_left, at_right = shared(first_texts(ours), first_texts(theirs))
        differ = ours.text[at_left] != theirs.text[at_right]
        examples = []
        for i, j in zip(at_left[differ][:EXAMPLES], at_right[differ][:EXAMPLES], strict=True):
            question_id, text = self._answer(left, ours, int(i))
            examples.append(
                Disagreement(question_id=question_id, left=text, right=self._answer(right, theirs, int(j))[1])
            )
        return _Count(questions=len(at_left), differ=int(differ.sum()), examples=tuple(examples))

    def _answer(self, run: Run, columns: Columns, place: int) -> tuple[str, str]:
        sql = "SELECT question_id, text FROM answers WHERE stream = ? AND seq = ?"
        ((question_id, text),) = self._store.tuples(sql, run.stream, int(columns.seq[place]))
        return question_id, text


def processor(run: Run) -> str:
    """Return a run's architecture and the instruction sets that decide how int8 runs."""
    return " ".join((run.device.architecture, *sorted(run.device.cpu_flags)))


def _on_one_processor(left: Group, right: Group) -> tuple[_Side, _Side]:
    """Return the newest run of each group, on the same kind of processor if both groups have runs on it."""
    newest_left, newest_right = left.runs[-1], right.runs[-1]
    alike = [run for run in left.runs if processor(run) == processor(newest_right)]
    return _Side(left, alike[-1] if alike else newest_left), _Side(right, newest_right)


def _by_processor(groups: Sequence[Group]) -> Iterator[list[_Side]]:
    """Group runs that agree in bundle, settings and questions; each group has one side per processor."""
    sides: dict[tuple[object, ...], dict[str, _Side]] = defaultdict(dict)
    for group in groups:
        for run in group.runs:
            s = run.settings
            same = (run.bundle_sha256, run.questions_sha256, s.decoding, s.max_tokens, s.stride_tokens)
            sides[same, s.max_answer_tokens][processor(run)] = _Side(group, run)
    for by_processor in sides.values():
        if len(by_processor) > 1:
            yield list(by_processor.values())
