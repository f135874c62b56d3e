"""Writes one run, for a terminal and as JSON."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from collector.display.console_text import console_text
from collector.display.untrusted_text import plain
from collector.findings.canaries import CanaryCheck
from collector.summaries.run_detail import RunDetail, StandsOut
from commandline.counted import counted
from commandline.outcome_text import outcome_lines, verdict_on
from contract.codec import json_text
from contract.records import RateTrial

if TYPE_CHECKING:
    from rich.console import RenderableType

Facts = Sequence[tuple[str, str | None]]


def run_json(detail: RunDetail) -> str:
    """Encode a run as indented JSON, with the fields of `RunDetail`."""
    return json_text(msgspec.json.encode(detail))


def run_page(detail: RunDetail, width: int | None = None, *, colour: bool = False) -> str:
    """Write a run as a page.

    Args:
        detail: what to show.
        width: columns of the terminal; None for no limit.
        colour: whether to emphasise with ANSI escapes.
    """
    return console_text(_parts(detail), width, colour=colour)


def _parts(detail: RunDetail) -> "Iterator[RenderableType]":
    from rich.table import Table
    from rich.text import Text

    for heading, facts in _sections(detail):
        yield Text(heading, style="bold")
        grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        grid.add_column(no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in facts:
            if value is not None:
                grid.add_row(Text(f"  {plain(name)}"), Text(plain(value)))
        yield grid
        yield ""
    for heading, answers in (("Slowest answers", detail.slowest), ("Worst answers", detail.worst)):
        if answers:
            yield Text(heading, style="bold")
        for answer in answers:
            yield Text("  " + plain(_headline(answer)))
            for name, value in (("asked", answer.question), ("answered", answer.text), ("gold", answer.gold)):
                if value is not None:
                    yield Text(f"    {name:<9}{plain(value)}")


def _rate(trial: RateTrial) -> str:
    answers = counted(trial.queries, "answer")
    why = f": {trial.undecided}" if trial.undecided else ""
    return (
        f"{trial.qps:,.2f} per second: p99 {trial.p99_ns / 1e6:,.1f} ms over {answers}, "
        f"{verdict_on(trial)}{why}"
    )


def _sections(d: RunDetail) -> Iterator[tuple[str, Facts]]:
    yield (
        f"Run {d.run_id}",
        (
            ("model", f"{d.bundle.title}, {d.bundle.precision}"),
            ("device", f"{d.device_id}, {d.device.hardware_class}"),
            ("questions", f"{d.questions}, {d.answers} of {d.asked} answered, {counted(d.errors, 'error')}"),
            ("state", d.state if d.reason is None else f"{d.state}: {d.reason}"),
            ("started", d.started_at),
            ("took", _number(d.elapsed_seconds, 1, "s")),
            ("canaries", None if d.canaries is None else _canaries(d.canaries)),
            *(("warning", remark) for remark in d.remarks),
        ),
    )
    times, heat = d.times, d.telemetry
    yield (
        "Measured",
        (
            ("exact match", _number(d.exact_match, 1, "%")),
            ("F1", _number(d.f1, 1, "%")),
            ("accuracy", d.accuracy_withheld),
            (
                "time",
                None
                if times is None
                else f"p50 {times.p50_ms:,.1f} ms, p90 {times.p90_ms:,.1f} ms, p99 {times.p99_ms:,.1f} ms, "
                f"over {counted(times.count, 'answer')}",
            ),
            (
                "time by step",
                None
                if times is None
                else f"tokenise {times.tokenize_p50_ms:,.2f} ms, infer {times.infer_p50_ms:,.2f} ms, "
                f"decode {times.decode_p50_ms:,.2f} ms (medians)",
            ),
            ("disturbed", ", ".join(f"{count} {mark}" for mark, count in d.marks.items()) or None),
            *((d.settings.scenario, sentence) for sentence in outcome_lines(d.settings, d.outcome)),
            *(("rate tried", _rate(trial)) for trial in (d.outcome.rates if d.outcome else ())),
            *((("LoadGen", _pairs(d.outcome.loadgen)),) if d.outcome and d.outcome.loadgen else ()),
            ("load", _number(d.load_ms, 0, "ms")),
            ("first answer", _number(d.first_ms, 1, "ms")),
            ("peak memory", _number(None if d.peak_rss_bytes is None else d.peak_rss_bytes / 1e6, 1, "MB")),
        ),
    )
    yield (
        "Telemetry",
        (
            ("samples", str(heat.samples)),
            (
                "temperature",
                _span(heat.first_celsius, heat.highest_celsius, "°C at the start, highest {} °C"),
            ),
            ("clock", _span(heat.lowest_clock_mhz, heat.highest_clock_mhz, "to {} MHz")),
            (
                "throttled",
                f"in {counted(heat.throttled_samples, 'sample')}" if heat.throttled_samples else None,
            ),
            ("energy", None if heat.energy_joules is None else _energy(d, heat.energy_joules)),
        ),
    )
    weights = d.bundle.weights
    yield (
        "Bundle",
        (
            ("sha256", d.bundle_sha256),
            ("size", f"{sum(f.bytes for f in d.bundle.files.values()) / 1e6:,.1f} MB"),
            (
                "shape",
                f"{d.bundle.parameters / 1e6:,.1f} M parameters, "
                f"{counted(d.bundle.architecture.layers, 'layer')}",
            ),
            ("distillation", d.bundle.distillation),
            ("weights", f"{weights.origin}: {weights.source}"),
            ("revision", weights.revision),
            ("licence", weights.licence),
            ("trained on", weights.training_data),
            ("articles", ", ".join(weights.training_articles) or None),
            ("recipe", _pairs(d.bundle.recipe)),
            ("built by", _pairs(d.bundle.tools)),
        ),
    )
    trials = ", ".join(f"{trial.threads}: {trial.p50_ns / 1e6:,.1f} ms" for trial in d.thread_trials)
    yield (
        "Settings",
        (
            *((name.replace("_", " "), value) for name, value in _settings(d)),
            ("threads tried", trials or None),
        ),
    )
    device = d.device
    yield (
        "Device",
        (
            ("model", device.model),
            ("processor", f"{device.cpu_model}, {counted(device.cores, 'core')}, {device.architecture}"),
            ("instructions", " ".join(device.cpu_flags) or None),
            ("memory", f"{device.memory_bytes / 1e6:,.0f} MB"),
            ("system", f"{device.os}, {device.kernel}"),
            ("governor", device.governor),
            ("versions", _pairs(device.versions)),
        ),
    )


def _canaries(found: CanaryCheck) -> str:
    if found.source_run_id is None:
        return f"{found.asked} asked, but no other device has answered all questions with this bundle"
    alike = f"all {found.asked} answered as on {found.source_device_id} (run {found.source_run_id[:8]})"
    return found.sentence or alike


def _settings(d: RunDetail) -> Iterator[tuple[str, str | None]]:
    for name in d.settings.__struct_fields__:
        value = getattr(d.settings, name)
        yield name, _pairs(value) if isinstance(value, dict) else None if value is None else _plainly(value)


def _headline(answer: StandsOut) -> str:
    facts = [
        f"{answer.ms:,.1f} ms",
        f"{counted(answer.tokens, 'token')} in {counted(answer.windows, 'window')}",
    ]
    if answer.f1 is not None:
        facts.append(f"F1 {100 * answer.f1:.0f} %")
    facts.append(answer.error or f"confidence {100 * answer.confidence:.0f} %")
    if answer.marks:
        facts.append(answer.marks.replace(",", " "))
    return f"{answer.question_id}: {', '.join(facts)}"


def _energy(d: RunDetail, joules: float) -> str:
    metered = d.telemetry.energy_answers
    each = f", {joules / metered:,.2f} J per answer" if metered else ""
    return f"{joules:,.1f} J measured by {d.energy_source or 'an unnamed meter'}{each}"


def _number(value: float | None, digits: int, unit: str) -> str | None:
    return None if value is None else f"{value:,.{digits}f} {unit}"


def _span(low: float | None, high: float | None, rest: str) -> str | None:
    return None if low is None or high is None else f"{low:,.0f} {rest.format(f'{high:,.0f}')}"


def _pairs(values: dict[str, object] | dict[str, str]) -> str | None:
    return ", ".join(f"{name} {_plainly(value)}" for name, value in values.items()) or None


def _plainly(value: object) -> str:
    """Write a value as JSON does, but a list of equal values as one of them: `96 x 0.0`."""
    if isinstance(value, list | tuple) and len(value) > 1 and len(set(map(str, value))) == 1:
        return f"{len(value)} x {_plainly(value[0])}"
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
