"""The timelines of a row's runs, of which only those that a report shows keep their moments."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from collector.statistics.timing.outliers import too_many_outliers
from collector.statistics.timing.steadiness import Steadiness
from collector.store.runs import Run
from collector.summaries.run_summary import Derived
from collector.summaries.timeline import Timeline
from commandline.standing import is_complete

TRACES: Final = 20
"""The most runs of a row that a report shows the course of."""


class Courses(NamedTuple):
    """The digests and timelines of runs."""

    digests: tuple[str, ...]
    timelines: tuple[Timeline, ...]
    """The timeline of each run; without moments if the run is not in `traced`."""
    traced: tuple[int, ...]
    """The positions of the runs whose course a report shows, in ascending order; at most `TRACES`."""
    throttled: int
    """How many answers of all runs are marked because the processor was throttled, capped or short of
    voltage."""


def courses(runs: Sequence[Run], derived: Derived) -> Courses:
    """Read the timelines of runs.

    The newest run has a trace, then the runs whose course says something about the machine, then the others,
    each of them from the newest on.

    Args:
        runs: the runs, in order of time.
        derived: their digests and timelines.
    """
    digests, timelines, telling, throttled = [], [], [], 0
    few = len(runs) <= TRACES
    for place, run in enumerate(runs):
        digest, timeline = derived.summary(run)
        throttled += sum(moment.throttled_answers for moment in timeline.moments)
        if not few and _says_something(run, timeline):
            telling.append(place)
        digests.append(digest)
        timelines.append(timeline if few else msgspec.structs.replace(timeline, moments=()))
    if few:
        traced = tuple(range(len(runs)))
    else:
        newest = len(runs) - 1
        ranked = dict.fromkeys((newest, *reversed(telling), *range(newest, -1, -1)))
        traced = tuple(sorted(list(ranked)[:TRACES]))
        for place in traced:
            timelines[place] = derived.summary(runs[place]).timeline
    return Courses(tuple(digests), tuple(timelines), traced, throttled)


def _says_something(run: Run, timeline: Timeline) -> bool:
    return (
        any(moment.throttled for moment in timeline.moments)
        or not is_complete(run)
        or Steadiness(timeline.drift, timeline.persistent).is_remarkable
        or too_many_outliers(timeline.outliers, run.answers)
    )
