"""Lets MLPerf's LoadGen ask the questions, in the worker and in its scenario SingleStream.

LoadGen comes with the extra `mlperf`. It measures the same reader independently, to check our measurement.
This is the only module that imports it.
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agent.errors import BundleRefused
from commandline.program.installation import how_to_add

SUMMARY_FILE: Final = "mlperf_log_summary.txt"
_LINE: Final = re.compile(r"^([^:*]+?)\s*:\s*(.+?)\s*$")


def run(
    answer: Callable[[int], None],
    count: int,
    *,
    min_queries: int,
    min_seconds: float,
    max_seconds: float | None,
    seed: int,
) -> dict[str, str]:
    """Let LoadGen ask `count` questions, in its own order and as often as it wants.

    Args:
        answer: answers the question of an index; LoadGen's clock runs meanwhile.
        count: number of questions.
        min_queries: LoadGen asks at least this many.
        min_seconds: it asks for at least this time.
        max_seconds: it asks for at most this time; None for no limit.
        seed: decides the order.

    Returns:
        LoadGen's summary: the text before and after the colon of each line.

    Raises:
        BundleRefused: LoadGen is not installed.
    """
    try:
        import mlperf_loadgen as lg
    except ImportError:
        raise BundleRefused(
            f"MLPerf's LoadGen is not installed here; install it with: {how_to_add('mlperf')}"
        ) from None

    def issue(samples: Any) -> None:
        for sample in samples:
            answer(sample.index)
            lg.QuerySamplesComplete([lg.QuerySampleResponse(sample.id, 0, 0)])

    settings = lg.TestSettings()
    settings.scenario = lg.TestScenario.SingleStream
    settings.mode = lg.TestMode.PerformanceOnly
    settings.min_query_count = min_queries
    settings.min_duration_ms = int(1000 * min_seconds)
    if max_seconds is not None:
        settings.max_duration_ms = int(1000 * max_seconds)
    settings.qsl_rng_seed = settings.sample_index_rng_seed = settings.schedule_rng_seed = seed
    system = lg.ConstructSUT(issue, lambda: None)
    library = lg.ConstructQSL(count, count, lambda _: None, lambda _: None)
    with tempfile.TemporaryDirectory(prefix="distilbench-loadgen-") as folder:
        logs = lg.LogSettings()
        logs.log_output.outdir = folder
        logs.log_output.copy_summary_to_stdout = False
        logs.enable_trace = False
        lg.StartTestWithLogSettings(system, library, settings, logs)
        summary = (Path(folder) / SUMMARY_FILE).read_text(encoding="utf-8", errors="replace")
    lg.DestroyQSL(library)
    lg.DestroySUT(system)
    return read_summary(summary)


def read_summary(text: str) -> dict[str, str]:
    """The text before and after the colon of each line of LoadGen's summary."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _LINE.match(line))}
