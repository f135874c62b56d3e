"""Makes the comparison, with one row per machine type, question file, model and precision."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from collector.comparison.devices import units
from collector.comparison.differences import differences, gates, reference
from collector.comparison.divergence import Divergences
from collector.comparison.notes import UNUSUAL, few_questions
from collector.comparison.recommendation import Candidate, best_for, pareto_front
from collector.comparison.requirement import choose, parse
from collector.comparison.row import make_row, system_row
from collector.comparison.scenarios import scenario_run, under_load
from collector.comparison.time_split import time_splits
from collector.comparison_inputs.baseline import Baselines
from collector.comparison_inputs.groups import FULL, Group, device_as_type, groups, type_of
from collector.comparison_inputs.provenance import provenance
from collector.comparison_inputs.question_files import question_files
from collector.comparison_inputs.selection import EVERYTHING, Selection
from collector.comparison_inputs.systems import systems
from collector.errors import StorageUnavailable
from collector.findings.between_rows import Place, RowName
from collector.findings.comparison import BertScoreModel, Comparison, Distribution, Row, RunTrace, name_of
from collector.scoring.golds import Golds
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.losses import losses
from collector.store.runs import LeftOut, headless, read_runs
from collector.summaries.measured import QUANTILES
from collector.summaries.refresh import score_answers
from collector.summaries.run_summary import Derived
from commandline.clock import utc_now
from commandline.counted import counted

_PRECISIONS: Final = ("fp32", "int8", "int4", "")
TOO_FEW: Final = "needs two models with an F1 and a time on this hardware and these questions"


def compare_file(
    database: Path,
    baseline: str | None = None,
    require: str | None = None,
    selection: Selection = EVERYTHING,
    *,
    by_device: bool = False,
) -> Comparison:
    """Bring scores and columns up to date, then compare. Arguments and errors are those of `compare`.

    If the database cannot be written, columns that are out of date are computed for this comparison only, and
    notes report which answers are not scored.
    """
    if require is not None:
        parse(require)  # reports a mistake before the work starts
    try:
        with Store.open(database) as store:
            score_answers(store)
            return compare(store, baseline, require, selection, by_device=by_device)
    except StorageUnavailable:
        with Store.open_to_read(database) as store:
            return compare(store, baseline, require, selection, by_device=by_device)


def compare(
    store: Store,
    baseline: str | None = None,
    require: str | None = None,
    selection: Selection = EVERYTHING,
    *,
    by_device: bool = False,
) -> Comparison:
    """Compare runs in a database, and the predictions that were added.

    Runs of one machine type, question file, model and precision are one row if they also agree in bundle
    and settings. `groups` chooses the runs that stand for the row, and a note lists the others. Results
    that take long to compute are saved in the database if it is open for writing, and if all runs are
    compared by machine type.

    Args:
        store: the database; all reads see the same state of it.
        baseline: name or title of the model whose fp32 runs speed-ups are relative to; None for BERT-Large.
            Where it was not measured, the largest fp32 model stands in.
        require: an expression for `requirement.parse`; None for no requirement.
        selection: the runs to compare.
        by_device: whether each device has rows of its own, as if it were the only one of its type.

    Raises:
        BadInput: the requirement is not valid, the selection matches no run, or the baseline was not
            measured in any of the runs.
        StorageUnavailable: the database cannot be read, or it is open for writing but cannot be written.
    """
    cache = FindingsCache(store)
    with store.reading():
        comparison = _compare(store, cache, baseline, require, selection, by_device)
    if store.writable and selection.is_everything and not by_device:  # saving drops what was not used
        cache.save(store)
    return comparison


def _compare(
    store: Store,
    cache: FindingsCache,
    baseline: str | None,
    require: str | None,
    selection: Selection,
    by_device: bool,
) -> Comparison:
    machine = device_as_type if by_device else type_of
    derived = Derived(store)
    found, left_out = read_runs(store)
    runs = selection.of(found)
    measured: list[Group] = []
    rows: list[Row] = []
    for together in _by_place(list(groups(runs, machine, derived, cache))):
        measured += together
    baselines = Baselines(measured, baseline)
    for group in measured:
        fp32 = reference(measured, group, group.name.model)
        rows.append(make_row(group, baselines, cache, fp32=fp32, scorer=derived.scorer is not None))
    loaded = under_load(runs, machine, derived, cache)
    added = [
        system
        for system in systems(store, Golds(store), cache, derived.scorer)
        if selection.has_model(system.name.model)
    ]
    rows += [system_row(system, scorer=derived.scorer is not None) for system in added]
    readings = {group.name: group.reading for group in measured}
    rows = list(_with_recommendations(sorted(rows, key=_order), readings))
    found_gates = tuple(gates(_large(measured), cache))
    return Comparison(
        generated_at=utc_now(),
        collector_id=store.collector_id,
        baseline=baselines.model,
        baselines=baselines.found(),
        bertscore=_bertscore(store, derived.scorer),
        rows=tuple(rows),
        distributions=tuple(_distributions(measured)),
        traces=tuple(_traces(measured)),
        scenarios=tuple(scenario_run(store, group, measured, cache) for group in loaded),
        differences=tuple(differences([*measured, *added], baselines, cache)),
        gates=found_gates,
        divergences=tuple(Divergences(store, derived, cache, found_gates).among(measured)),
        units=tuple(unit for group in measured for unit in units(group, cache)),
        splits=tuple(time_splits(measured, cache)),
        requirement=None if require is None else choose(require, rows),
        questions=tuple(question_files(store, derived, measured, cache)),
        provenance=tuple(provenance(group) for group in (*measured, *loaded)),
        remarks=tuple(_remarks(store, left_out)),
    )


def _by_place(found: Sequence[Group]) -> list[list[Group]]:
    by_place: dict[Place, list[Group]] = defaultdict(list)
    for group in found:
        by_place[group.place].append(group)
    return list(by_place.values())


def _large(measured: Sequence[Group]) -> list[Group]:
    """Leave out the groups with less than half as many questions as the largest of their place."""
    most: dict[Place, int] = defaultdict(int)
    for group in measured:
        most[group.place] = max(most[group.place], group.measured.answered)
    return [group for group in measured if group.measured.answered >= FULL * most[group.place]]


def _bertscore(store: Store, scorer: int | None) -> BertScoreModel | None:
    for model, layers, digest in store.tuples(
        "SELECT model, layers, hash FROM bertscore_models WHERE scorer = ?", scorer
    ):
        return BertScoreModel(model=model, layers=layers, hash=digest)
    return None


def _distributions(measured: Sequence[Group]) -> Iterator[Distribution]:
    for group in measured:
        if group.measured.quantiles_ns:
            ms = tuple(ns / 1e6 for ns in group.measured.quantiles_ns)
            yield Distribution(row=group.name, fractions=QUANTILES, ms=ms)


def _traces(measured: Sequence[Group]) -> Iterator[RunTrace]:
    for group in measured:
        for run, timeline in zip(group.runs, group.timelines, strict=True):
            yield RunTrace(
                row=group.name,
                run_id=run.run_id,
                device_id=run.device_id,
                started_at=run.started_at,
                state=run.state,
                ends=timeline.ends,
                moments=timeline.moments,
            )


def _order(row: Row) -> tuple[object, ...]:
    precision = _PRECISIONS.index(row.precision)
    return row.hardware_class, row.machine, row.questions, -(row.parameters or 0), row.model, precision


def _with_recommendations(
    rows: Sequence[Row], readings: Mapping[RowName, tuple[str, ...] | None]
) -> Iterator[Row]:
    by_place: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in rows:
        by_place[row.hardware_class, row.machine, row.questions_sha256].append(row)
    for together in by_place.values():
        most = max(row.answered for row in together)
        scored = [row for row in together if row.f1 is not None and row.p50_ms is not None]
        small = [row for row in scored if row.answered < FULL * most]
        scored = [row for row in scored if row not in small]
        ways = [readings.get(name_of(row)) for row in scored]
        usual = max(ways, key=ways.count, default=None)
        unlike = [row for row, way in zip(scored, ways, strict=True) if way != usual]
        scored = [row for row in scored if row not in unlike]
        candidates = [Candidate(row.f1 or 0.0, row.p50_ms or 0.0, row.peak_rss_bytes) for row in scored]
        labels = best_for(candidates)
        found = dict(zip(map(id, scored), labels, strict=True))
        front = {id(scored[i]) for i in pareto_front(candidates)}
        for row in together:
            reason = (
                few_questions(row.answered, most)
                if row.answered < FULL * most
                else UNUSUAL
                if row in unlike
                else None
                if any(labels)
                else TOO_FEW
            )
            yield msgspec.structs.replace(
                row,
                small=row.answered < FULL * most,
                best_for=found.get(id(row), ()),
                pareto=id(row) in front,
                notes=row.notes if reason is None else {**row.notes, "best_for": (reason,)},
            )


def _remarks(store: Store, left_out: Sequence[LeftOut]) -> Iterator[str]:
    yield from map(str, left_out)
    yield from losses(store)
    waiting = headless(store)
    if waiting:
        yield counted(
            waiting,
            "run is left out: its first record has not arrived yet",
            "runs are left out: their first records have not arrived yet",
        )
    rejected = store.value("SELECT sum(times) FROM rejected")
    if rejected:
        yield f"{counted(rejected, 'message was', 'messages were')} rejected; to see why: collector rejected"
