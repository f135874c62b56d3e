"""Makes trends: the runs of a model on a device over time, with the tests of `compare` between them.

A trend of many runs asks many times whether something changed, so the p values are adjusted for their number:
those of the changes since the run before, and those since the first run, each for itself.
"""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from collector.comparison.times import percentiles
from collector.comparison_inputs.pairs.run_pair import RunPair
from collector.comparison_inputs.pairs.run_series import RunSeries, SeriesRun
from collector.comparison_inputs.standing import described_settings
from collector.findings.trend import Since, Trend, TrendPoint
from collector.regression.regression import unlike
from collector.regression.time_changes import time_ratio
from collector.statistics.confidence import SIGNIFICANCE, is_significant
from collector.statistics.multiple import holm
from collector.statistics.timing.ratios import geometric_mean


def trend(series: RunSeries) -> Trend:
    """Make the trend of a series of runs."""
    runs = series.measurements
    since_last = _adjusted([_since(m.since_last) for m in runs])
    since_first = _adjusted([_since(m.since_first) for m in runs])
    newest = runs[-1].group
    run = newest.run
    return Trend(
        device_id=run.device_id,
        hardware_class=run.device.hardware_class,
        machine=newest.name.machine,
        model=run.bundle.model,
        title=run.bundle.title,
        precision=run.bundle.precision,
        questions=newest.questions,
        questions_sha256=run.questions_sha256,
        settings=", ".join(described_settings(run)),
        left_out=series.left_out,
        points=tuple(map(_point, runs, since_last, since_first)),
    )


def _point(found: SeriesRun, since_last: Since | None, since_first: Since | None) -> TrendPoint:
    run, values = found.group.run, found.group.measured
    times = percentiles(found.group, None)
    p50, p90 = (times.values_ns.get(name) for name in ("p50", "p90"))
    interval = times.intervals_ns.get("p50")
    return TrendPoint(
        run_id=run.run_id,
        started_at=run.started_at,
        questions=values.answered,
        p50_ms=None if p50 is None else p50 / 1e6,
        p50_interval=None if interval is None else (interval[0] / 1e6, interval[1] / 1e6),
        p90_ms=None if p90 is None else p90 / 1e6,
        f1=None if values.f1 is None else 100 * values.f1.value,
        load_ms=None if run.load_ns is None else run.load_ns / 1e6,
        peak_rss_bytes=run.peak_rss_bytes,
        bundle_sha256=run.bundle_sha256,
        versions=run.device.versions,
        changed=() if found.since_last is None else tuple(unlike(found.since_last.before.run, run)),
        since_last=since_last,
        since_first=since_first,
    )


def _since(pair: RunPair | None) -> Since | None:
    """Describe the change from one run to another, with p values that are not adjusted."""
    if pair is None:
        return None
    time: dict[str, Any] = dict.fromkeys(("time_percent", "time_interval", "time_p_value"))
    if len(pair.times.question):
        before, after = (
            geometric_mean(np.maximum(ns, 1)) for ns in (pair.times.left_ns, pair.times.right_ns)
        )
        time["time_percent"] = 100 * (after / before - 1)
        ratio = time_ratio(pair.times, pair.spread)
        if ratio is not None and ratio.interval is not None:
            time["time_p_value"] = ratio.p_value
            time["time_interval"] = tuple(100 * (end - 1) for end in ratio.interval)
    f1: dict[str, Any] = dict.fromkeys(("f1_points", "f1_interval", "f1_p_value"))
    if pair.scores is not None:
        value, low, high, p_value = pair.scores.f1.difference
        f1 = {"f1_points": 100 * value, "f1_interval": (100 * low, 100 * high), "f1_p_value": p_value}
    return Since(
        run_id=pair.before.run.run_id,
        questions=len(pair.times.question),
        rounds=len(pair.times.turns),
        time_significant=None,
        f1_significant=None,
        **time,
        **f1,
    )


def _adjusted(found: Sequence[Since | None]) -> list[Since | None]:
    """Adjust the p values of changes for their number, and say which changes are more than chance."""
    changed: list[dict[str, Any]] = [{} for _ in found]
    for name in ("time", "f1"):
        field = f"{name}_p_value"
        tested = [
            i for i, since in enumerate(found) if since is not None and getattr(since, field) is not None
        ]
        for place, p_value in zip(tested, holm([getattr(found[i], field) for i in tested]), strict=True):
            changed[place][field] = p_value
            changed[place][f"{name}_significant"] = p_value < SIGNIFICANCE and (
                name == "f1" or is_significant(getattr(found[place], f"{name}_interval"), 0.0)
            )
    return [
        None if since is None else msgspec.structs.replace(since, **new)
        for since, new in zip(found, changed, strict=True)
    ]
