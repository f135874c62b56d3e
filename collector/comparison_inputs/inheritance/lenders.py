"""Chooses the run that a row's accuracy is taken over from: the rule is `commandline.standing.can_lend`.

Nothing is taken over to or from random weights and withheld accuracies, nor from a run with an error. The
row must have asked the first questions of its seed's order, since only these are a random choice. A failed
run may have stopped at a question that was too much for it, so it takes nothing over.
"""

from collections.abc import Iterable
from typing import Final

from collector.comparison_inputs.answers import RunSet
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inheritance.inherited import Inherited
from collector.comparison_inputs.tasks.summing import sums
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.comparison_inputs.tasks.transfer import Transfer, asked_in_order, transfer
from collector.findings.scenario_run import COMPARED
from collector.statistics.accuracy.clusters import FEWEST
from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.measured import Measured
from collector.summaries.run_summary import Derived
from commandline.standing import can_lend, nearness

_QUESTIONS: Final = """
SELECT count(*) FROM question_sets JOIN questions USING (question_set) WHERE sha256 = ?
"""


class Lenders:
    """The runs of a database that accuracies may be taken over from.

    Args:
        store: the database.
        runs: the runs to choose from.
        derived: the digests of runs.
        memo: recalls or computes what takes long.
    """

    def __init__(self, store: Store, runs: Iterable[Run], derived: Derived, memo: Memo) -> None:
        self._store = store
        self._runs = [run for run in runs if run.settings.scenario == COMPARED]
        self._derived = derived
        self._memo = memo
        self._questions: dict[str, int] = {}

    def lend(self, group: Group) -> Inherited | None:
        """Take the accuracy of a row over from the nearest machine.

        Returns:
            None if the row asked all questions or fewer than 6, or if there is no such run.
        """
        found = self._lender(group)
        if found is None:
            return None
        source, measured = found
        return Inherited(source, measured, self._memo.recall(transfer(group.source, source)))

    def _lender(self, group: Group) -> tuple[RunSet, Measured] | None:
        """Find the run that a row's accuracy is taken over from, and its sums; None if there is none."""
        if not self._may_borrow(group) or not self._drawn_at_random(group):
            return None
        questions = self._questions_of(group.name.questions_sha256)
        mine, newest = {run.stream for run in group.runs}, group.runs[-1]
        able = [run for run in self._runs if run.stream not in mine and can_lend(run, newest, questions)]
        for run in sorted(able, key=lambda run: nearness(run, newest), reverse=True):
            source = RunSet((run,), (self._derived.digest(run),))
            measured = self._memo.recall(sums(source))
            if measured.f1 is not None and measured.answered == questions and not measured.errors:
                return source, measured
        return None

    def tasks(self, group: Group) -> list[Task[bool]]:
        """Return the tasks that show whether a row may take an accuracy over; none if it may not anyhow."""
        if not self._may_borrow(group) or any(run.state == "failed" for run in group.runs):
            return []
        return [asked_in_order(*pair) for pair in zip(group.runs, group.source.run_digests, strict=True)]

    def transfers(self, group: Group) -> list[Task[Transfer]]:
        """Return the task that compares a row with what its accuracy is taken over from, if it is."""
        found = self._lender(group)
        return [] if found is None else [transfer(group.source, found[0])]

    def _may_borrow(self, group: Group) -> bool:
        """Whether a row has an accuracy on a part of the questions that is large enough to compare."""
        if group.withheld is not None or group.measured.f1 is None:
            return False
        return FEWEST <= group.measured.asked < self._questions_of(group.name.questions_sha256)

    def _questions_of(self, sha256: str) -> int:
        if sha256 not in self._questions:
            self._questions[sha256] = self._store.value(_QUESTIONS, sha256) or 0
        return self._questions[sha256]

    def _drawn_at_random(self, group: Group) -> bool:
        digests = group.source.run_digests
        return all(
            run.state != "failed" and self._memo.recall(asked_in_order(run, digest))
            for run, digest in zip(group.runs, digests, strict=True)
        )
