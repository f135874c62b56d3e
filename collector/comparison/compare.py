"""Makes the comparison, with one row per machine type, question file, model and precision."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final

from collector.comparison.accuracy.differences import differences, gates
from collector.comparison.devices import most_unlike, units
from collector.comparison.divergence import divergences
from collector.comparison.labels.rows import labelled
from collector.comparison.relative import relatives
from collector.comparison.requirement import choose, parse
from collector.comparison.row import make_row, system_row
from collector.comparison.run_notes import newest
from collector.comparison.scenarios import scenario_run
from collector.comparison.time_split import time_splits
from collector.comparison.times import speed_ups
from collector.comparison_inputs.baseline import reference
from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inputs import Inputs, gather
from collector.comparison_inputs.loaded import NEWEST
from collector.comparison_inputs.provenance import provenance
from collector.comparison_inputs.selection import EVERYTHING, Selection
from collector.errors import StorageUnavailable
from collector.findings.between_rows import RowName
from collector.findings.canaries import CanaryCheck
from collector.findings.comparison import Comparison, Distribution, NotShown, Row, RunTrace
from collector.store.database import Store, Where
from collector.store.opening import open_store, open_store_to_read
from collector.summaries.measured import QUANTILES
from collector.summaries.refresh import Progress, score_answers
from collector.workers.workers import Workers
from commandline.clock import utc_now
from commandline.counted import counted

SCORES: Final = "scores and summaries"
COMPARISON: Final = "comparison"
"""The stages of a report, for a progress bar."""
_CANARIES: Final = 100
"""The most runs whose canaries a comparison contains."""
_PRECISIONS: Final = ("fp32", "int8", "int4", "")


def compare_file(
    database: Where,
    baseline: str | None = None,
    require: str | None = None,
    selection: Selection = EVERYTHING,
    *,
    by_device: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    workers: Workers | None = None,
) -> Comparison:
    """Bring scores and columns up to date, then compare. Arguments and errors are those of `compare`.

    `progress` is called with a stage, how much of it is done and how much there is.

    If the database cannot be written, columns that are out of date are computed for this comparison only, and
    notes report which answers are not scored.
    """
    if require is not None:
        parse(require)  # reports a mistake before the work starts
    try:
        with open_store(database) as store:
            score_answers(store, progress and partial(progress, SCORES), workers)
            return compare(
                store,
                baseline,
                require,
                selection,
                by_device=by_device,
                progress=progress and partial(progress, COMPARISON),
                workers=workers,
            )
    except StorageUnavailable:
        with open_store_to_read(database) as store:
            return compare(store, baseline, require, selection, by_device=by_device, workers=workers)


def compare(
    store: Store,
    baseline: str | None = None,
    require: str | None = None,
    selection: Selection = EVERYTHING,
    *,
    by_device: bool = False,
    progress: Progress | None = None,
    workers: Workers | None = None,
) -> Comparison:
    """Compare runs in a database, and the predictions that were added.

    Runs of one machine type, question file, model and precision are one row if they also agree in bundle
    and settings. `standing` chooses the runs that stand for the row, and a note lists the others. Results
    that take long to compute are saved in the database if it is open for writing, and if all runs are
    compared by machine type.

    Args:
        store: the database; all reads see the same state of it.
        baseline: name or title of the model whose fp32 runs speed-ups are relative to; None for BERT-Large.
            Where it was not measured, the largest fp32 model stands in.
        require: an expression for `requirement.parse`; None for no requirement.
        selection: the runs to compare.
        by_device: whether each device has rows of its own, as if it were the only one of its type.
        progress: called with how much of comparing pairs of rows is done, and how much there is.
        workers: compute what is not known; None if this process does. The comparison is the same.

    Raises:
        BadInput: the requirement is not valid, the selection matches no run, or the baseline was not
            measured in any of the runs.
        StorageUnavailable: the database cannot be read, or it is open for writing but cannot be written.
        WorkersUnavailable: the workers cannot compute it.
    """
    if progress is not None:
        progress(0, 1)
    inputs = gather(store, baseline, selection, by_device=by_device, progress=progress, workers=workers)
    return comparison_of(inputs, require)


def comparison_of(inputs: Inputs, require: str | None = None) -> Comparison:
    """Make a comparison of what was gathered.

    Raises:
        BadInput: the requirement is not valid.
    """
    groups, baselines, scorer = inputs.groups, inputs.baselines, inputs.bertscore is not None
    faster = speed_ups(inputs)
    rows = [
        make_row(
            group,
            baselines,
            faster.get(group.name),
            fp32=reference(groups, group, group.name.model),
            spread=inputs.spread_between_commands(group),
            rounds=inputs.spread_between_rounds(group),
            scorer=scorer,
        )
        for group in groups
    ]
    rows += [system_row(system, scorer=scorer) for system in inputs.systems]
    found = labelled(sorted(rows, key=_order), inputs)
    found_gates = tuple(gates(inputs.contrasts, groups))
    found_differences = tuple(differences(inputs.contrasts))
    measured = (*groups, *(loaded.group for loaded in inputs.loaded))
    of_devices = [unit for group in groups for unit in units(group)]
    shown = most_unlike(of_devices)
    canaries = _most_telling(inputs.canaries)
    return Comparison(
        generated_at=utc_now(),
        collector_id=inputs.collector_id,
        baseline=baselines.model,
        baselines=baselines.found(),
        bertscore=inputs.bertscore,
        rows=found.rows,
        labels=found.labels,
        distributions=tuple(_distributions(groups)),
        traces=tuple(_traces(groups)),
        scenarios=tuple(
            scenario_run(loaded, inputs.spread_between_commands(loaded.group)) for loaded in inputs.loaded
        ),
        relatives=tuple(relatives(inputs, rows, found_differences)),
        differences=found_differences,
        gates=found_gates,
        divergences=tuple(divergences(inputs.side_pairs, found_gates)),
        units=tuple(shown),
        splits=tuple(time_splits(inputs.time_tables)),
        requirement=None if require is None else choose(require, found.rows),
        questions=inputs.questions,
        provenance=tuple(map(provenance, measured)),
        canaries=canaries,
        more_canaries=len(inputs.canaries) - len(canaries),
        not_shown=tuple(
            _not_shown(inputs, Counter(u.row for u in of_devices), Counter(u.row for u in shown))
        ),
        remarks=tuple(_remarks(inputs)),
    )


def _distributions(measured: Sequence[Group]) -> Iterator[Distribution]:
    for group in measured:
        if group.measured.quantiles_ns:
            ms = tuple(ns / 1e6 for ns in group.measured.quantiles_ns)
            yield Distribution(row=group.name, fractions=QUANTILES, ms=ms)


def _traces(measured: Sequence[Group]) -> Iterator[RunTrace]:
    for group in measured:
        for place in group.traced:
            run, timeline = group.runs[place], group.timelines[place]
            yield RunTrace(
                row=group.name,
                run_id=run.run_id,
                device_id=run.device_id,
                started_at=run.started_at,
                state=run.state,
                ends=timeline.ends,
                moments=timeline.moments,
            )


def _most_telling(found: Sequence[CanaryCheck]) -> tuple[CanaryCheck, ...]:
    """Choose the newest checks that differ, then the newest of the others; those chosen keep their order."""
    places = sorted(range(len(found)), key=lambda place: (not found[place].differ, -place))
    return tuple(found[place] for place in sorted(places[:_CANARIES]))


def _not_shown(inputs: Inputs, units: Counter[RowName], shown: Counter[RowName]) -> Iterator[NotShown]:
    traces = {group.name: len(group.runs) - len(group.traced) for group in inputs.groups}
    for row in {**traces, **inputs.older_loaded}:
        left_out = NotShown(
            row=row,
            traces=traces.get(row, 0),
            units=units[row] - shown[row],
            scenarios=inputs.older_loaded[row],
        )
        if left_out.traces or left_out.units or left_out.scenarios:
            yield left_out


def _order(row: Row) -> tuple[object, ...]:
    precision = _PRECISIONS.index(row.precision)
    return row.hardware_class, row.machine, row.questions, -(row.parameters or 0), row.model, precision


def _remarks(inputs: Inputs) -> Iterator[str]:
    yield from newest(
        (alarm for check in inputs.canaries if (alarm := check.sentence) is not None),
        "earlier run has canaries with other answers, too",
        "earlier runs have canaries with other answers, too",
    )
    yield from newest(
        map(str, inputs.left_out),
        "earlier run is left out, too: collector runs lists it",
        "earlier runs are left out, too: collector runs lists them",
    )
    yield from inputs.losses  # of a limited number of runs
    if older := inputs.older_loaded.total():
        yield (
            f"{counted(older, 'older run')} under load not shown: of each row and scenario, a report shows "
            f"the newest {NEWEST}"
        )
    if inputs.headless:
        yield counted(
            inputs.headless,
            "run is left out: its first record has not arrived yet",
            "runs are left out: their first records have not arrived yet",
        )
    if inputs.rejected:
        rejected = counted(inputs.rejected, "message was", "messages were")
        yield f"{rejected} rejected; to see why: collector rejected"
