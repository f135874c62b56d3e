"""The chapter on runs of scenarios other than single-stream, with one section per scenario."""

from collections.abc import Callable, Sequence
from typing import Final

from collector.display.numbers import decimals, span, times
from collector.findings.comparison import Comparison, place_key
from collector.findings.scenario_run import FOUND, ScenarioRun
from collector.report.charts.colours import ModelColours
from collector.report.charts.under_load import endurance, latency_against_rate
from collector.report.columns import NOT_APART, NotedColumn, noted_table
from collector.report.names import Names, full_name
from collector.report.page import Chapter, Figure, Heading, Section, Table, cells
from contract.scenarios import LOADGEN, OFFLINE, SERVER, SUSTAINED

_Columns = tuple[NotedColumn[ScenarioRun], ...]

_TITLES: Final = {
    OFFLINE: "Offline: questions in batches",
    SERVER: "Server: questions at random times",
    SUSTAINED: "Sustained: questions for several minutes",
    LOADGEN: "LoadGen: timed by MLPerf LoadGen",
}
_WORDS: Final = {
    OFFLINE: "Questions are answered in batches, as fast as the machine can. The gain is the mean time "
    "of questions that the same bundle answered one after the other on the same device, divided by their "
    "mean time in batches.",
    SERVER: "Questions arrive at random times, as users ask them, and wait in a queue. The times include "
    "this wait, without the first tenth of the questions, in which the queue fills. The valid rate is the "
    "highest one at which p99 of a queue that never ends is within the bound, with 99 % confidence, for the "
    "questions of this file. The times are those of the valid rate, or of the last rate tried if no rate was "
    "valid.",
    SUSTAINED: "Questions are asked one after the other for minutes, to show how times change as the machine "
    "heats up. All answers count, including those of a throttled machine. First p50 and last p50 are the "
    "medians of the first and the last tenth of the answers.",
    LOADGEN: "MLPerf LoadGen asks one question after the other and times the answers. The agent's own p50, "
    "p90 and p99 of the same answers are shown next to LoadGen's p90.",
}


def _minutes(seconds: float | None) -> str | None:
    return None if seconds is None else decimals(seconds / 60, 1)


def _ends(found: ScenarioRun) -> str | None:
    return span(found.intervals.get("last_over_first"), 2)


def _count(number: int) -> str | None:
    return f"{number:,}" if number else None


def _throttled_after(found: ScenarioRun) -> str | None:
    minutes = _minutes(found.slowed_down_after_seconds)
    return "not seen" if minutes is None and found.elapsed_seconds is not None else minutes


def _megahertz(found: ScenarioRun) -> str | None:
    return None if found.lowest_clock_hz is None else decimals(found.lowest_clock_hz / 1e6, 0)


def _valid(found: ScenarioRun) -> str | None:
    return None if found.loadgen_valid is None else "valid" if found.loadgen_valid else "invalid"


def _gain_interval(found: ScenarioRun) -> str | None:
    """Write the interval of a gain; the questions one by one are always of another command."""
    interval = found.intervals.get("times_one_by_one")
    return NOT_APART if interval is None and found.times_one_by_one is not None else span(interval, 2)


_NAMES: Final[_Columns] = (
    NotedColumn("machine", "hardware", lambda r: r.machine, number=False),
    NotedColumn("title", "model", lambda r: full_name(r.title, r.precision), number=False),
)
_OWN: Final[dict[str, _Columns]] = {
    OFFLINE: (
        NotedColumn("batch_size", "batch", lambda r: None if r.batch_size is None else str(r.batch_size)),
        NotedColumn("questions_per_second", "per second", lambda r: decimals(r.questions_per_second, 2)),
        NotedColumn("times_one_by_one", "gain", lambda r: times(r.times_one_by_one)),
        NotedColumn("gain_interval", "gain 95 %", _gain_interval),
        NotedColumn("gain_questions", "gain over questions", lambda r: _count(r.gain_questions)),
    ),
    SERVER: (
        NotedColumn("latency_bound_ms", "bound ms", lambda r: decimals(r.latency_bound_ms, 1)),
        NotedColumn("valid_per_second", "valid rate per second", lambda r: decimals(r.valid_per_second, 2)),
        NotedColumn("at_per_second", "rate shown per second", lambda r: decimals(r.at_per_second, 2)),
        NotedColumn("p50_ms", "p50 ms", lambda r: decimals(r.p50_ms, 1)),
        NotedColumn("p99_ms", "p99 ms", lambda r: decimals(r.p99_ms, 1)),
        NotedColumn("p99_bound_ms", "p99 at most ms", lambda r: decimals(r.p99_bound_ms, 1)),
    ),
    SUSTAINED: (
        NotedColumn("elapsed_seconds", "minutes", lambda r: _minutes(r.elapsed_seconds)),
        NotedColumn("p50_ms", "p50 ms", lambda r: decimals(r.p50_ms, 1)),
        NotedColumn("p99_ms", "p99 ms", lambda r: decimals(r.p99_ms, 1)),
        NotedColumn("first_p50_ms", "first p50 ms", lambda r: decimals(r.first_p50_ms, 1)),
        NotedColumn("last_p50_ms", "last p50 ms", lambda r: decimals(r.last_p50_ms, 1)),
        NotedColumn("last_over_first", "last / first", lambda r: times(r.last_over_first)),
        NotedColumn("ends_interval", "last / first 95 %", _ends),
        NotedColumn("end_answers", "answers per tenth", lambda r: _count(r.end_answers)),
        NotedColumn("slowed_down_after_seconds", "throttled after min", _throttled_after),
        NotedColumn("lowest_clock_hz", "lowest MHz", _megahertz),
    ),
    LOADGEN: (
        NotedColumn("loadgen_valid", "result", _valid, number=False),
        NotedColumn("loadgen_p90_ms", "LoadGen's p90 ms", lambda r: decimals(r.loadgen_p90_ms, 1)),
        NotedColumn("p50_ms", "p50 ms", lambda r: decimals(r.p50_ms, 1)),
        NotedColumn("p90_ms", "p90 ms", lambda r: decimals(r.p90_ms, 1)),
        NotedColumn("p99_ms", "p99 ms", lambda r: decimals(r.p99_ms, 1)),
    ),
}
_COMMON: Final[_Columns] = (
    NotedColumn("exact_match", "EM %", lambda r: decimals(r.exact_match, 1)),
    NotedColumn("f1", "F1 %", lambda r: decimals(r.f1, 1)),
    NotedColumn("answers", "answers", lambda r: f"{r.answers:,}"),
    NotedColumn("temperature_celsius", "°C", lambda r: decimals(r.temperature_celsius, 0)),
    NotedColumn("joules_per_question", "J/question", lambda r: decimals(r.joules_per_question, 2)),
    NotedColumn("questions", "file", lambda r: r.questions, number=False),
    NotedColumn("device_id", "device", lambda r: r.device_id, number=False),
    NotedColumn("state", "run", lambda r: r.run_id[:8], number=False),
)
_CHARTS: Final[dict[str, Callable[[Sequence[ScenarioRun], str, ModelColours], Figure]]] = {
    SERVER: latency_against_rate,
    SUSTAINED: endurance,
}


def scenarios(comparison: Comparison) -> Chapter:
    """Lay out one section per scenario that has runs."""
    colours, names = ModelColours(comparison), Names(comparison)
    by_scenario: dict[str, list[ScenarioRun]] = {}
    for found in comparison.scenarios:
        by_scenario.setdefault(found.scenario, []).append(found)
    return Chapter(
        "scenarios",
        "Under load",
        tuple(_section(scenario, found, names, colours) for scenario, found in by_scenario.items()),
    )


def _section(scenario: str, found: Sequence[ScenarioRun], names: Names, colours: ModelColours) -> Section:
    columns = (*_NAMES, *_OWN.get(scenario, ()), *_COMMON)
    table, footnotes = noted_table(
        "Runs", columns, found, {FOUND.get(scenario, "answers"), "times_one_by_one", "last_over_first", "f1"}
    )
    tables = (table, _rates(found)) if any(run.rates for run in found) else (table,)
    words = (_WORDS[scenario],) if scenario in _WORDS else ()
    return Section(
        _TITLES.get(scenario, scenario), words, tables, _figures(scenario, found, names, colours), footnotes
    )


def _rates(found: Sequence[ScenarioRun]) -> Table:
    return Table(
        "Rates tried",
        (
            Heading("hardware", number=False),
            Heading("model", number=False),
            Heading("per second"),
            Heading("answers"),
            Heading("load %"),
            Heading("p50 ms"),
            Heading("p99 ms"),
            Heading("p99 at most ms"),
            Heading("bound", number=False),
            Heading("run", number=False),
        ),
        tuple(
            cells(
                run.machine,
                full_name(run.title, run.precision),
                decimals(rate.per_second, 2),
                f"{rate.answers:,}",
                decimals(None if rate.load is None else 100 * rate.load, 1),
                decimals(rate.p50_ms, 1),
                decimals(rate.p99_ms, 1),
                decimals(rate.p99_bound_ms, 1),
                rate.verdict,
                run.run_id[:8],
            )
            for run in found
            for rate in run.rates
        ),
        folded=True,
    )


def _figures(
    scenario: str, found: Sequence[ScenarioRun], names: Names, colours: ModelColours
) -> tuple[Figure, ...]:
    """Draw one chart per place, since numbers are comparable only within a place."""
    draw = _CHARTS.get(scenario)
    places: dict[tuple[str, str, str], list[ScenarioRun]] = {}
    for run in found:
        if run.moments or run.rates:
            places.setdefault(place_key(run), []).append(run)
    return tuple(draw(runs, names.place_title(runs[0]), colours) for runs in places.values()) if draw else ()
