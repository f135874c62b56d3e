"""The percentiles of a sustained run, which count disturbed answers too."""

from functools import partial

from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.tasks.task import Task
from collector.statistics.percentiles import percentile
from collector.summaries.columns import ERROR


def endured(source: RunSet) -> Task[dict[str, int]]:
    """Compute percentiles of the times of all answers without error: p50, p90 and p99 in nanoseconds."""
    return Task("endured", source.digests, dict[str, int], partial(_endured, source))


def _endured(source: RunSet, answers: Answers) -> dict[str, int]:
    columns = answers.columns(source)
    times = columns.time_ns[columns.state != ERROR]
    return {f"p{p}": percentile(times, p / 100) for p in (50, 90, 99) if len(times)}
