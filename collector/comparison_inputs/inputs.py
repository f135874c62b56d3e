"""Gathers everything that a comparison is made of, in one read of the database."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import NamedTuple

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.baseline import Baselines, comparable, reference
from collector.comparison_inputs.between_commands import CommandSpread, MachineType, command_spreads
from collector.comparison_inputs.groups import Entrant, Group, System, groups_of
from collector.comparison_inputs.inheritance.lenders import Lenders
from collector.comparison_inputs.loaded import LoadedRun, loaded_run, under_load
from collector.comparison_inputs.selection import EVERYTHING, Selection
from collector.comparison_inputs.sides import SidePair, side_pairs
from collector.comparison_inputs.standing import Standing, device_as_type, standing, types_of
from collector.comparison_inputs.systems import systems
from collector.comparison_inputs.tasks.contrast import PairedScores, Whole, contrast, contrast_on_all
from collector.comparison_inputs.tasks.means import means
from collector.comparison_inputs.tasks.pairing import Pairing, pairing
from collector.comparison_inputs.tasks.question_files import question_files
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.comparison_inputs.time_tables import TimeTable, time_tables
from collector.findings.between_rows import RowName
from collector.findings.canaries import CanaryCheck
from collector.findings.comparison import BertScoreModel, Questions
from collector.statistics.timing.levels import pooled_level
from collector.statistics.timing.spread import Spread
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.losses import losses
from collector.store.runs import LeftOut, headless, read_runs
from collector.summaries.canaries import canary_checks
from collector.summaries.run_summary import Derived
from collector.workers.workers import Workers


class Contrast(NamedTuple):
    """Two rows whose accuracies are compared."""

    left: Entrant
    right: Entrant
    scores: PairedScores


class Rivals(NamedTuple):
    """Two measured rows of one place that may be best for something."""

    left: Group
    right: Group
    scores: PairedScores | None
    """How the scores of the first differ; None if the two share no question."""
    times: Pairing
    """The first row's times paired with the second row's."""


class Inputs(NamedTuple):
    """Everything that a comparison is made of. Nothing of it refers to the database."""

    collector_id: str
    bertscore: BertScoreModel | None
    """The model of the BERTScores; None if they were never computed."""
    groups: tuple[Group, ...]
    """The measured rows."""
    systems: tuple[System, ...]
    """The imported predictions."""
    loaded: tuple[LoadedRun, ...]
    """The runs of other scenarios than single-stream, of each model on each machine type the newest ones."""
    older_loaded: Counter[RowName]
    """How many older ones there are."""
    baselines: Baselines
    pairings: dict[RowName, Pairing]
    """The times of each measured row paired with those of its baseline, if both ran on a device."""
    contrasts: tuple[Contrast, ...]
    """Each row against the baseline of its place, and each precision against fp32 of its model."""
    rivals: dict[tuple[RowName, RowName], Rivals]
    """Every two measured rows of a place whose accuracies are shown and may be compared, in either order."""
    side_pairs: tuple[SidePair, ...]
    time_tables: tuple[TimeTable, ...]
    command_spreads: dict[MachineType, CommandSpread]
    """How much times differ between commands, on the machine types where that is known."""
    questions: tuple[Questions, ...]
    canaries: tuple[CanaryCheck, ...]
    """The canaries of each run that was asked some."""
    left_out: tuple[LeftOut, ...]
    """The runs that cannot be used."""
    losses: tuple[str, ...]
    """A sentence for each run that lacks records, or of which two boards sent different ones."""
    headless: int
    """How many runs are left out because their first records have not arrived."""
    rejected: int
    """How many messages were rejected."""

    def between(self, left: RowName, right: RowName) -> tuple[Rivals, bool] | None:
        """Return what two rivals are compared by, and whether it has the right one first; None if nothing."""
        if (found := self.rivals.get((left, right))) is not None:
            return found, False
        return None if (found := self.rivals.get((right, left))) is None else (found, True)

    def spread_between_commands(self, group: Group) -> CommandSpread | None:
        """Return how much times differ between commands on a group's machine type, if it is known."""
        return self.command_spreads.get((group.name.hardware_class, group.name.machine))

    def spread_between_rounds(self, group: Group) -> Spread | None:
        """Return how much times vary between rounds on a group's machine type, if any run had several."""
        where = group.name.hardware_class, group.name.machine
        alike = (other for other in self.groups if (other.name.hardware_class, other.name.machine) == where)
        return pooled_level([level for other in alike for level in other.levels.values()])


def gather(
    store: Store,
    baseline: str | None = None,
    selection: Selection = EVERYTHING,
    *,
    by_device: bool = False,
    progress: Callable[[int, int], None] | None = None,
    workers: Workers | None = None,
) -> Inputs:
    """Read what a comparison needs; all reads see the same state of the database.

    Results that take long to compute are saved in the database if it is open for writing, and if all runs are
    gathered by machine type.

    Args:
        store: the database.
        baseline: name or title of the model whose fp32 runs speed-ups are relative to; None for BERT-Large.
        selection: the runs to gather.
        by_device: whether each device has rows of its own, as if it were the only one of its type.
        progress: called with how much of comparing pairs of rows is done, and how much there is. This takes
            most of the time.
        workers: compute what is not known; None if this process does.

    Raises:
        BadInput: the selection matches no run, or the baseline was not measured in any of the runs.
        StorageUnavailable: the database cannot be read, or it is open for writing but cannot be written.
        WorkersUnavailable: the workers cannot compute it.
    """
    with store.reading():
        gatherer = _Gatherer(store, progress or (lambda done, total: None), workers)
        inputs = gatherer.gather(baseline, selection, by_device=by_device)
    if store.writable and selection.is_everything and not by_device:  # saving drops what was not used
        gatherer.cache.save()
    return inputs


class _Gatherer:
    """Reads one state of the database.

    Attributes:
        cache: the results that were recalled or computed.
    """

    def __init__(self, store: Store, progress: Callable[[int, int], None], workers: Workers | None) -> None:
        self.cache = FindingsCache(store)
        self._progress = progress
        self._store = store
        self._derived = Derived(store)
        self._memo = Memo(Answers(store, self._derived, self.cache.known), self.cache, workers)

    def gather(self, baseline: str | None, selection: Selection, *, by_device: bool) -> Inputs:
        store, memo = self._store, self._memo
        found, left_out = read_runs(store)
        machine = device_as_type if by_device else types_of(found)
        runs = selection.of(found)
        lenders = Lenders(store, selection.not_excluded(found), self._derived, memo)
        measured = groups_of(_by_place(standing(runs, machine)), self._derived, memo)
        memo.prepare(task for group in measured for task in lenders.tasks(group))
        memo.prepare(task for group in measured for task in lenders.transfers(group))
        groups = [replace(group, inherited=lenders.lend(group)) for group in measured]
        baselines = Baselines(groups, baseline)
        rivals = dict(self._rivals(groups))  # first, since most tasks of the others are also theirs
        newest, older = under_load(runs, machine)
        alone = (Standing((run,), machine(run)) for run in newest)
        loaded = groups_of(alone, self._derived, memo)
        added = [
            system
            for system in systems(store, memo, self._derived.scorer)
            if selection.has_model(system.name.model)
        ]
        lent = (group.inherited.source for group in groups if group.inherited is not None)
        for source in (*(entrant.source for entrant in (*groups, *added)), *lent):
            memo.keep(means(source))  # a report that finds all pairs compared does not ask for them
        return Inputs(
            collector_id=store.collector_id,
            bertscore=self._bertscore(),
            groups=tuple(groups),
            systems=tuple(added),
            loaded=tuple(loaded_run(store, group, groups, memo) for group in loaded),
            older_loaded=older,
            baselines=baselines,
            pairings=dict(self._pairings(groups, baselines)),
            contrasts=tuple(self._contrasts([*groups, *added], baselines)),
            rivals=rivals,
            side_pairs=tuple(side_pairs(groups, memo)),
            time_tables=tuple(time_tables(groups, memo)),
            command_spreads=command_spreads(store, found, machine, self._derived, memo),
            questions=tuple(question_files(store, groups, memo)),
            canaries=tuple(canary_checks(store, runs, selection.not_excluded(found))),
            left_out=tuple(left_out),
            losses=tuple(losses(store)),
            headless=headless(store),
            rejected=store.value("SELECT sum(times) FROM rejected") or 0,
        )

    def _pairings(self, groups: Sequence[Group], baselines: Baselines) -> Iterator[tuple[RowName, Pairing]]:
        pairs = [(group, of) for group in groups if (of := baselines.of(group)) is not None]
        self._memo.prepare(pairing(baseline.source, group.source) for group, baseline in pairs)
        for group, baseline in pairs:
            found = self._memo.recall(pairing(baseline.source, group.source))
            if found.devices:
                yield group.name, found

    def _contrasts(self, entrants: Sequence[Entrant], baselines: Baselines) -> Iterator[Contrast]:
        pairs = [
            (entrant, against)
            for entrant in entrants
            for against in dict.fromkeys(
                (baselines.of(entrant), reference(entrants, entrant, entrant.name.model))
            )
            if against is not None and against is not entrant and comparable(entrant, against)
            if entrant.withheld is None and against.withheld is None
        ]
        self._memo.prepare(_paired(entrant, against) for entrant, against in pairs)
        for entrant, against in pairs:
            scores = self._memo.recall(_paired(entrant, against))
            if scores is not None:
                yield Contrast(entrant, against, scores)

    def _rivals(self, groups: Sequence[Group]) -> Iterator[tuple[tuple[RowName, RowName], Rivals]]:
        shown = [group for group in groups if group.withheld is None and group.measured.timed]
        pairs = [
            (left, right)
            for left, right in combinations(shown, 2)
            if left.place == right.place and comparable(left, right)
        ]
        self._memo.prepare(
            (
                task
                for left, right in pairs
                for task in (_paired(left, right), pairing(left.source, right.source))
            ),
            self._progress,
        )
        for done, (left, right) in enumerate(pairs):
            if self._memo.alone:
                self._progress(done, len(pairs))
            scores = self._memo.recall(_paired(left, right))
            times = self._memo.recall(pairing(left.source, right.source))
            yield (left.name, right.name), Rivals(left, right, scores, times)
        self._progress(len(pairs), len(pairs))

    def _bertscore(self) -> BertScoreModel | None:
        for model, layers, digest in self._store.tuples(
            "SELECT model, layers, hash FROM bertscore_models WHERE scorer = ?", self._derived.scorer
        ):
            return BertScoreModel(model=model, layers=layers, hash=digest)
        return None


def _paired(left: Entrant, right: Entrant) -> Task[PairedScores | None]:
    """Pair scores: on all questions if one side's are taken over and the other side has all, too."""
    borrowed = [side.inherited.transfer for side in (left, right) if side.inherited is not None]
    if borrowed:
        ours, theirs = (_whole(side, borrowed[0].questions) for side in (left, right))
        if ours is not None and theirs is not None:
            return contrast_on_all(ours, theirs, min(found.asked for found in borrowed))
    return contrast(left.source, right.source)


def _whole(side: Entrant, questions: int) -> Whole | None:
    """Return a side's answers to all questions, its own or those taken over; None if there are none."""
    if side.inherited is not None:
        assert isinstance(side, Group)
        return Whole(side.inherited.source, side.source, side.inherited.transfer.corrections)
    return Whole(side.source) if side.measured.asked == questions else None


def _by_place(found: Iterator[Standing]) -> list[Standing]:
    """Sort rows by place, in the order in which the places were found first: a place shares many columns."""
    by_place: dict[tuple[str, str, str, str], list[Standing]] = defaultdict(list)
    for rows in found:
        run = rows.runs[0]
        place = run.device.hardware_class, rows.machine.label, run.questions_name, run.questions_sha256
        by_place[place].append(rows)
    return [rows for together in by_place.values() for rows in together]
