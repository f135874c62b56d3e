"""MLPerf's own LoadGen asks the questions: scenario SingleStream, in the worker. The only importer of it.

It comes with the extra `mlperf` and is a separate measurement of the same reader, to check ours against.
"""

import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from agent.errors import BundleRefused

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
    """Have LoadGen ask `count` questions, in its own order and as often as it wants.

    Args:
        answer: answers the question of an index; LoadGen's clock runs meanwhile.
        count: of the questions.
        min_queries: it asks so many at least.
        min_seconds: and so long at least.
        max_seconds: and no longer; None for no end.
        seed: of its order.

    Returns:
        Its summary: what stands before and behind the colon of each line.

    Raises:
        BundleRefused: it is not installed.
    """
    try:
        import mlperf_loadgen as lg
    except ImportError:
        raise BundleRefused(
            "MLPerf's LoadGen is not installed here: pip install 'distilbench[mlperf]'"
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
    """What stands before and behind the colon of each line of LoadGen's summary."""
    return {match[1]: match[2] for line in text.splitlines() if (match := _LINE.match(line))}
