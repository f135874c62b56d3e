"""Gathers the runs of one model on one device over time, each paired with earlier ones."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import NamedTuple

from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.pairs.run_pair import PairReader, RunPair
from collector.comparison_inputs.selection import Selection
from collector.errors import StorageUnavailable
from collector.findings.scenario_run import COMPARED
from collector.store.database import Store, Where
from collector.store.opening import open_store, open_store_to_read
from collector.store.runs import Run, all_runs
from collector.summaries.refresh import score_answers
from commandline.standing import FULL, asked, is_complete, variant


class SeriesRun(NamedTuple):
    """One run of a series."""

    group: Group
    """The run, as a row of its own."""
    since_last: RunPair | None
    """The run and the one before it; None for the first."""
    since_first: RunPair | None
    """The run and the first one; None for the first."""


class RunSeries(NamedTuple):
    """The complete single-stream runs of one model and precision on one device.

    They share the questions and the settings; bundle and versions may differ.
    """

    measurements: tuple[SeriesRun, ...]
    """In the order in which the collector received them; at least one."""
    left_out: int
    """How many runs are left out: not complete, or with less than half as many questions as the largest."""


def gather_series_file(
    database: Where, selection: Selection, progress: Callable[[int, int], None] | None = None
) -> list[RunSeries]:
    """Bring scores and columns up to date, then gather. Arguments and errors are those of `gather_series`.

    If the database cannot be written, what is out of date is computed for this call only.
    """
    try:
        with open_store(database) as store:
            score_answers(store)
            return gather_series(store, selection, progress)
    except StorageUnavailable:
        with open_store_to_read(database) as store:
            return gather_series(store, selection, progress)


def gather_series(
    store: Store, selection: Selection, progress: Callable[[int, int], None] | None = None
) -> list[RunSeries]:
    """Read the series of the selected runs, in order of device, model, precision and questions.

    Args:
        store: the database; all reads see the same state of it.
        selection: the runs.
        progress: called with how many runs are read and how many there are.

    Raises:
        BadInput: the selection matches no run.
    """
    with store.reading():
        reader = PairReader(store)
        series = _apart(selection.of(all_runs(store)))
        count, done, found = sum(map(len, series)), 0, []
        for runs in series:
            kept = _full(runs)
            measurements: list[SeriesRun] = []
            for place, run in enumerate(kept):
                if progress is not None:
                    progress(done + place, count)
                last, first = (kept[place - 1], kept[0]) if place else (None, None)
                since_last = None if last is None else reader.pair(last, run)
                since_first = (
                    since_last if first is last else None if first is None else reader.pair(first, run)
                )
                measurements.append(SeriesRun(reader.group(run), since_last, since_first))
            done += len(runs)
            if measurements:
                found.append(RunSeries(tuple(measurements), len(runs) - len(kept)))
        return found


def _apart(runs: Iterable[Run]) -> list[list[Run]]:
    """Put the runs that measured the same, with the same settings, together."""
    together: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.settings.scenario == COMPARED:
            _, *settings = variant(run)
            bundle = run.bundle
            name = run.device_id, bundle.model, bundle.precision, run.questions_name, run.questions_sha256
            together[*name, repr(settings)].append(run)
    return [together[key] for key in sorted(together)]


def _full(runs: list[Run]) -> list[Run]:
    """Return the complete runs, without those that are small beside the largest."""
    complete = [run for run in runs if is_complete(run)]
    most = max(map(asked, complete), default=0)
    return [run for run in complete if asked(run) >= FULL * most]
