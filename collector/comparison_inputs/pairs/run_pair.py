"""Gathers what a comparison of two runs is made of, in one read of the database."""

from collections.abc import Sequence
from typing import NamedTuple

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.baseline import comparable
from collector.comparison_inputs.between_commands import CommandSpread, command_spreads
from collector.comparison_inputs.groups import Group, group_of
from collector.comparison_inputs.machine import Machine
from collector.comparison_inputs.rounds import PairedTimes, at_different_times, in_turns, loads_of
from collector.comparison_inputs.standing import Standing, type_of
from collector.comparison_inputs.tasks.contrast import PairedScores, contrast
from collector.comparison_inputs.tasks.task import Memo
from collector.errors import BadInput
from collector.statistics.timing.ratios import log_ratios
from collector.statistics.timing.rounds import RoundMean
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.runs import Run, all_runs, find_run
from collector.summaries.run_summary import Derived


class RunPair(NamedTuple):
    """An earlier and a later run of the same questions and scenario, each as a row of its own."""

    before: Group
    after: Group
    times: PairedTimes
    """The times of the questions that have one in both; the earlier run is on the left."""
    loads: RoundMean | None
    """The log ratios of the later run's load times to the earlier one's, by common round; None without."""
    scores: PairedScores | None
    """How the scores of the later run differ; None if one has none, if they share no question, or if the runs
    decode or split otherwise."""
    spread: CommandSpread | None
    """How much times differ between commands on the later run's machine type; None if that is not known, or
    if the runs share rounds."""


class PairReader:
    """Pairs runs of a database within one `store.reading()`; it sums up each run once."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._derived = Derived(store)
        cache = FindingsCache(store)
        self._answers = Answers(store, self._derived, cache.known)
        self._memo = Memo(self._answers, cache)
        self._groups: dict[int, Group] = {}
        self._spreads: dict[Machine, CommandSpread | None] = {}

    def group(self, run: Run) -> Group:
        """Sum up one run, as a row of its own."""
        if run.stream not in self._groups:
            self._groups[run.stream] = group_of(Standing((run,), type_of(run)), self._derived, self._memo)
        return self._groups[run.stream]

    def pair(self, before: Run, after: Run) -> RunPair:
        """Gather what a comparison of two runs of the same questions and scenario is made of."""
        old, new = self.group(before), self.group(after)
        rounds = [self._answers.rounds(group.source) for group in (old, new)]
        turns = in_turns(*rounds)
        scores = self._memo.recall(contrast(new.source, old.source)) if comparable(old, new) else None
        return RunPair(
            before=old,
            after=new,
            times=at_different_times(*rounds) if turns is None else turns,
            loads=None if turns is None else _loads(self._store, (before, after), turns),
            scores=scores,
            spread=self._spread(after) if turns is None else None,
        )

    def _spread(self, run: Run) -> CommandSpread | None:
        machine = type_of(run)
        if machine not in self._spreads:
            alike = (other for other in all_runs(self._store) if type_of(other) == machine)
            found = command_spreads(self._store, alike, type_of, self._derived, self._memo)
            self._spreads[machine] = found.get((run.device.hardware_class, machine.label))
        return self._spreads[machine]


def gather_pair(store: Store, before: str, after: str) -> RunPair:
    """Read two runs, each named by the beginning of its id.

    Raises:
        BadInput: a run does not exist, or the runs asked different question files or are of different
            scenarios.
    """
    with store.reading():
        runs = [find_run(store, beginning) for beginning in (before, after)]
        if runs[0].questions_sha256 != runs[1].questions_sha256:
            raise BadInput(
                f"run {before!r} asked {runs[0].questions_name!r} and run {after!r} asked "
                f"{runs[1].questions_name!r}: only runs of the same question file can be compared"
            )
        scenarios = [run.settings.scenario for run in runs]
        if scenarios[0] != scenarios[1]:
            raise BadInput(
                f"run {before!r} is of the scenario {scenarios[0]} and run {after!r} of {scenarios[1]}: "
                "their times do not mean the same, so only runs of one scenario can be compared"
            )
        return PairReader(store).pair(*runs)


def _loads(store: Store, runs: Sequence[Run], times: PairedTimes) -> RoundMean | None:
    before, after = (loads_of(store, run) for run in runs)
    common = [turn.number for turn in times.turns if before.get(turn.number) and after.get(turn.number)]
    if not common:
        return None
    return log_ratios([after[n] for n in common], [before[n] for n in common], common)
