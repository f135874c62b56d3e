"""What runs under other scenarios than single-stream found: told apart, never in a row of the comparison."""

from collections.abc import Iterable, Iterator
from typing import Final

from collector.runs import Run
from contract.records import Outcome, Settings

COMPARED: Final = "single-stream"
"""The scenario of the comparison's rows."""


def under_load(runs: Iterable[Run]) -> Iterator[str]:
    """A sentence for each run of another scenario."""
    for run in runs:
        if run.settings.scenario == COMPARED:
            continue
        found = "; ".join(told(run.settings, run.outcome)) or "without an outcome"
        name = f"{run.bundle.title} {run.bundle.precision} on {run.device.hardware_class}"
        source = f"run {run.run_id[:8]} of {run.device_id}, {run.state}"
        yield f"{run.settings.scenario}: {name}: {found} ({source})"


def told(settings: Settings, outcome: Outcome | None) -> Iterator[str]:
    """What an outcome says, each part for itself."""
    if outcome is None:
        return
    for bound in outcome.bounds:
        if bound.value_ns is not None:
            yield f"p{bound.percent} at most {bound.value_ns / 1e6:,.1f} ms with 99 % confidence"
    if outcome.questions_per_second is not None:
        yield f"{outcome.questions_per_second:,.1f} questions a second in batches of {settings.batch_size}"
    if outcome.left_out:
        yield f"that is of the questions after an interruption, and not of the {outcome.left_out} before it"
    within = f"p99 within {(settings.latency_bound_ns or 0) / 1e6:,g} ms"
    if outcome.valid_qps is not None:
        yield f"{within} up to {outcome.valid_qps:,.2f} questions a second"
    elif outcome.rates:
        yield f"{within} at no rate tried"
    if outcome.throttled_after_ns is not None:
        yield f"slowed down after {outcome.throttled_after_ns / 6e10:,.1f} minutes"
    for name, value in outcome.loadgen.items():
        if name.startswith(("90th percentile latency", "90.00 percentile latency")) and value.isdecimal():
            yield f"LoadGen's p90 {int(value) / 1e6:,.1f} ms"
        if name == "Result is":
            yield f"LoadGen calls it {value.lower()}"
