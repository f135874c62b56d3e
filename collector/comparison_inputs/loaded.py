"""The runs of scenarios other than single-stream, which are never in a row of the comparison."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from collector.comparison_inputs.groups import Group, row_name
from collector.comparison_inputs.machine import Machine
from collector.comparison_inputs.standing import type_of
from collector.comparison_inputs.tasks.endurance import endured
from collector.comparison_inputs.tasks.speed import Gain, batch_gain
from collector.comparison_inputs.tasks.task import Memo
from collector.findings.between_rows import RowName
from collector.findings.scenario_run import COMPARED, FOUND
from collector.store.database import Store
from collector.store.runs import Run
from commandline.standing import variant
from contract.scenarios import OFFLINE, SUSTAINED

NEWEST: Final = 20
"""The most runs of one scenario and row that a report shows."""


class LoadedRun(NamedTuple):
    """One run of another scenario."""

    group: Group
    """A group of this run only."""
    endured_ns: dict[str, int]
    """`sustained`: p50, p90 and p99 of all answers without error."""
    gain: Gain | None
    """`offline`: how many times faster a batch is than questions one by one; None if that is not known."""
    throttled_at_ns: int | None
    """`sustained`: the time of the first sample that shows throttling."""


def under_load(runs: Iterable[Run], machine: Callable[[Run], Machine]) -> tuple[list[Run], Counter[RowName]]:
    """Choose the runs of the other scenarios: of each row, the newest of a scenario.

    Args:
        runs: the runs, in order of time.
        machine: the machine type of a run.

    Returns:
        The runs, in order of scenario, hardware and model, and how many older ones are left out.
    """
    together: dict[tuple[str, RowName], list[Run]] = defaultdict(list)
    for run in runs:
        if run.settings.scenario != COMPARED:
            together[run.settings.scenario, row_name(run, machine(run))].append(run)
    older: Counter[RowName] = Counter()
    for (_, name), alike in together.items():
        if len(alike) > NEWEST:
            older[name] += len(alike) - NEWEST
    return sorted((run for alike in together.values() for run in alike[-NEWEST:]), key=_order), older


def loaded_run(store: Store, group: Group, rows: Iterable[Group], memo: Memo) -> LoadedRun:
    """Gather what is known of one run of another scenario.

    Args:
        store: the database, for the run's samples.
        group: the run.
        rows: the rows of the comparison; the gain of a batch is relative to the row of the same bundle.
        memo: recalls or computes what takes long.
    """
    scenario = group.run.settings.scenario
    alike = _alike(group)
    alone = next((row for row in rows if _alike(row) == alike), None)
    one_by_one = None if alone is None else alone.devices.get(group.run.device_id)
    return LoadedRun(
        group=group,
        endured_ns=memo.recall(endured(group.source)) if scenario == SUSTAINED else {},
        gain=memo.recall(batch_gain(one_by_one, group.source))
        if scenario == OFFLINE and one_by_one is not None
        else None,
        throttled_at_ns=_throttled_at_ns(store, group.run) if scenario == SUSTAINED else None,
    )


def _throttled_at_ns(store: Store, run: Run) -> int | None:
    sql = "SELECT min(at_ns) FROM samples WHERE stream = ? AND throttle IS NOT NULL"
    found: int | None = store.value(sql, run.stream)
    return found


def _alike(group: Group) -> tuple[object, ...]:
    return group.place, variant(group.run)


def _order(run: Run) -> tuple[object, ...]:
    known, scenario = list(FOUND), run.settings.scenario
    place = known.index(scenario) if scenario in known else len(known)
    bundle = run.bundle
    where = run.device.hardware_class, type_of(run).label, run.questions_name
    return place, scenario, *where, -bundle.parameters, bundle.model, bundle.precision, run.stream
