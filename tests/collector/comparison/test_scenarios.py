import csv
import io
import json
import math

import numpy as np
import pytest

from collector.comparison.compare import compare
from collector.comparison.notes import NOT_TOLD_APART
from collector.comparison.scenarios import NO_ENDS, NO_OUTCOME, NO_ROW
from collector.display.run_page import run_page
from collector.findings.scenario_run import COMPARED, ScenarioRun
from collector.report.formats.render import render
from collector.report.layout import lay_out
from collector.report.page import DASH, Section
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from collector.summaries.run_detail import run_detail
from commandline.outcome_text import left_out_line, outcome_lines
from contract.records import Outcome, PercentileBound
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, manifest, run_records
from tests.collector.reports import RATES, loaded, minutes, texts, three_models, under_load

ONE = [answer(1, "q1", "sea", waited_ns=5_000_000)]


@pytest.fixture
def found(store_with_golds: Store) -> dict[str, ScenarioRun]:
    """The results of each scenario, with a row of the same bundle."""
    return {run.scenario: run for run in three_models(store_with_golds).scenarios}


def sections(store: Store) -> dict[str, Section]:
    chapter = next(c for c in lay_out(compare(store)).chapters if c.anchor == "scenarios")
    return {section.title.split(":")[0]: section for section in chapter.sections}


def cells(section: Section, row: int = 0, table: int = 0) -> dict[str, str]:
    shown = section.tables[table]
    return {h.text: cell.text for h, cell in zip(shown.headings, shown.rows[row], strict=True)}


@pytest.mark.parametrize(
    ("scenario", "outcome"),
    [
        ("server", Outcome(rates=RATES, valid_qps=4.0)),
        ("server", Outcome(rates=RATES[:1])),
        ("offline", Outcome(questions_per_second=81.25)),
        ("sustained", Outcome(throttled_after_ns=120_000_000_000)),
        ("loadgen", Outcome(loadgen={"90.00 percentile latency (ns)": "75000000", "Result is": "INVALID"})),
    ],
)
def test_a_scenario_is_shown_and_never_compared(store: Store, scenario: str, outcome: Outcome) -> None:
    take(store, batch(run_records([("q1", "sea", 10.0), ("q2", "Hamburg", 12.0)]), "a" * 32))
    before = compare(store)
    take(
        store, batch(under_load(scenario, outcome, ONE, batch_size=8, latency_bound_ns=100_000_000), "b" * 32)
    )
    after = compare(store)
    assert (after.rows, after.traces, after.distributions) == (
        before.rows,
        before.traces,
        before.distributions,
    )
    assert [(run.scenario, run.run_id) for run in after.scenarios] == [(scenario, "b" * 32)]
    detail = run_detail(store, "b")
    assert detail.outcome == outcome
    lines, page = list(outcome_lines(detail.settings, outcome)), run_page(detail, 200)
    assert lines and all(line in page for line in lines)
    assert store.value("SELECT waited_ns FROM answers WHERE waited_ns > 0") == 5_000_000


def test_offline_is_what_a_batch_gains(found: dict[str, ScenarioRun]) -> None:
    run = found["offline"]
    assert (run.questions_per_second, run.batch_size, run.p50_ms) == (81.25, 8, None)
    one_by_one = 0.5 * (1234.5 + 120.25 + 14.0 + 3.0)  # milliseconds of four questions; each is 20 of a batch
    assert run.times_one_by_one == pytest.approx(one_by_one / (4 * 20.0), rel=1e-6)
    assert run.gain_questions == 4
    assert "times_one_by_one" not in run.intervals
    assert run.notes["times_one_by_one"] == (NOT_TOLD_APART,), "another command asked them one by one"
    # "sea" is one of the two words of "North Sea", and none of any other answer.
    assert run.exact_match == 0.0
    assert run.f1 == pytest.approx(100 * (2 / 3) / 4)


def test_a_batch_that_gains_nothing_has_no_gain_whatever_else_was_asked(store: Store) -> None:
    ms = {f"q{n}": 5.0 * n for n in range(1, 41)}
    take(store, batch(run_records([(question, "x", time) for question, time in ms.items()]), "a" * 32))
    slow = device("pi-6", architecture="aarch64")
    take(store, batch(run_records([("q1", "x", 900.0)], on=slow), device_id="pi-6"))
    first_ten = [answer(n, f"q{n}", ms=ms[f"q{n}"]) for n in range(1, 11)]
    records = under_load("offline", Outcome(questions_per_second=36.4), first_ten, bundle=manifest())
    take(store, batch(records))
    (run,) = compare(store).scenarios
    assert run.times_one_by_one == pytest.approx(1.0)
    assert run.gain_questions == 10
    assert "times_one_by_one" not in run.intervals


def test_repetitions_say_how_well_a_gain_is_known(store: Store) -> None:
    times = [(f"q{n}", "x", 5.0 * n) for n in range(1, 41)]
    slower = [(question, text, 1.02 * ms) for question, text, ms in times]
    take(store, batch(run_records(times), "a" * 32))
    take(store, batch(run_records(slower), "b" * 32))
    first_ten = [answer(n, f"q{n}", ms=2.5 * n) for n in range(1, 11)]
    take(store, batch(under_load("offline", Outcome(), first_ten, bundle=manifest())))
    (run,) = compare(store).scenarios
    assert run.times_one_by_one == pytest.approx(2.02)
    reach = 12.7062 * math.log(1.02)  # of two commands, by one repetition
    interval = (2.02 * math.exp(-reach), 2.02 * math.exp(reach))
    assert run.intervals["times_one_by_one"] == pytest.approx(interval, rel=0.01)


def test_a_batch_of_another_device_has_no_gain(store: Store) -> None:
    take(store, batch(run_records([("q1", "x", 10.0)])))
    records = under_load(
        "offline", Outcome(questions_per_second=81.25), ONE, bundle=manifest(), on=device("b")
    )
    take(store, batch(records, device_id="b"))
    (run,) = compare(store).scenarios
    assert run.times_one_by_one is None and run.notes["times_one_by_one"] == (NO_ROW,)


def test_the_ends_of_a_steady_run_do_not_differ(store: Store) -> None:
    times = 30 * np.exp(np.random.default_rng(7).normal(0, 0.7, 120))
    steady = [answer(seq, f"q{seq}", ms=ms) for seq, ms in enumerate(times, start=1)]
    take(store, batch(under_load("sustained", Outcome(), steady)))
    (run,) = compare(store).scenarios
    low, high = run.intervals["last_over_first"]
    assert low < 1 < high
    assert run.end_answers == 12
    assert run.first_p50_ms == pytest.approx(np.median(times[:12]), rel=1e-5)
    assert run.last_over_first == pytest.approx(np.median(times[-12:]) / np.median(times[:12]), rel=1e-5)
    shown = cells(sections(store)["Sustained"])
    assert (shown["last / first 95 %"], shown["answers per tenth"]) == (f"{low:.2f} to {high:.2f}", "12")


def test_server_is_what_holds_the_bound(found: dict[str, ScenarioRun]) -> None:
    run = found["server"]
    assert (run.latency_bound_ms, run.valid_per_second, run.at_per_second) == (100.0, 4.0, 4.0)
    assert (run.p50_ms, run.p90_ms, run.p99_ms, run.p99_bound_ms) == (20.0, None, 70.0, 90.0)
    assert [(rate.per_second, rate.p99_ms, rate.load, rate.verdict) for rate in run.rates] == [
        (8.0, 180.0, 0.9, "not decided"),
        (4.0, 70.0, 0.45, "held"),
    ]
    assert [(rate.answers, rate.dropped, rate.undecided) for rate in run.rates] == [
        (1192, 132, "it takes 5,000"),
        (1192, 132, ""),
    ]
    assert run.notes["valid_per_second"] == (
        "whether p99 is within 100 ms at 8.00 questions per second is not decided: it takes 5,000",
    )


def test_sustained_counts_what_a_slow_machine_answers(found: dict[str, ScenarioRun]) -> None:
    run = found["sustained"]
    # 3 answers take 10 ms and 17 take 16 ms. The samples saw it before the agent.
    assert (run.p50_ms, run.p90_ms, run.p99_ms) == (16.0, 16.0, 16.0)
    assert (run.first_p50_ms, run.last_p50_ms, run.last_over_first) == (None, None, None)
    assert run.notes["last_over_first"] == (NO_ENDS,)
    assert run.slowed_down_after_seconds == 3.0
    assert (run.temperature_celsius, run.lowest_clock_hz) == (69.0, 1.5e9)
    assert len(run.moments) == 20
    assert [m.throttled for m in run.moments] == [False] * 3 + [True] * 17
    assert [m.clock_hz for m in run.moments[2:4]] == [2.4e9, 1.5e9]


def test_loadgen_is_beside_our_own_clock(found: dict[str, ScenarioRun]) -> None:
    run = found["loadgen"]
    assert (run.loadgen_p90_ms, run.loadgen_valid, run.p90_ms) == (75.0, True, 20.0)


@pytest.mark.parametrize("digits", [400, 5000])
def test_an_impossible_time_of_loadgen_is_none(store: Store, digits: int) -> None:
    summary = {"90.00 percentile latency (ns)": "9" * digits}
    take(store, batch(under_load("loadgen", Outcome(loadgen=summary), ONE), "a" * 32))
    assert [run.loadgen_p90_ms for run in compare(store).scenarios] == [None]
    assert "LoadGen's p90" not in run_page(run_detail(store, "a"), 200)


def test_loadgen_counts_answers_that_our_own_clock_leaves_out(store: Store) -> None:
    disturbed = answer(2, "q2", ms=90.0, marks=("throttled",))
    take(store, batch(under_load("loadgen", Outcome(), [*ONE, disturbed])))
    section = sections(store)["LoadGen"]
    assert cells(section)["p90 ms"] == "10.0"
    assert "LoadGen counts 1 disturbed answer that the agent's times leave out" in section.footnotes


def test_a_scenario_of_another_name_cannot_write_over_a_terminal(store: Store) -> None:
    records = under_load("a\x1b[2Jb", Outcome(questions_per_second=1.0), ONE)
    take(store, batch(records, "a" * 32))
    page = run_page(run_detail(store, "a"), 200)
    assert "a[2Jb" in page and "\x1b" not in page


def test_every_format_has_the_same_numbers(store_with_golds: Store) -> None:
    comparison = three_models(store_with_golds)
    shown = sections(store_with_golds)
    assert list(shown) == ["Offline", "Server", "Sustained", "LoadGen"]
    offline, server, sustained, loadgen = (cells(section) for section in shown.values())
    assert (offline["batch"], offline["per second"], offline["gain"]) == ("8", "81.25", "8.57x")
    assert (
        server["bound ms"],
        server["valid rate per second"],
        server["p99 at most ms"],
    ) == (
        "100.0",
        "4.00",
        "90.0",
    )
    tried = cells(shown["Server"], 0, 1)
    assert (tried["load %"], tried["bound"]) == ("90.0", "not decided")
    assert sustained["last / first"].startswith(DASH)
    assert (sustained["throttled after min"], sustained["lowest MHz"]) == ("0.1", "1,500")
    assert (loadgen["result"], loadgen["LoadGen's p90 ms"], loadgen["p90 ms"]) == ("valid", "75.0", "20.0")
    full = json.loads(render(comparison, "json"))["scenarios"]
    rows = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))
    assert [row["scenario"] for row in rows[: len(comparison.rows)]] == [COMPARED] * len(comparison.rows)
    assert [row["scenario"] for row in rows[len(comparison.rows) :]] == [run["scenario"] for run in full]
    assert rows[-3]["rates"] == "8.0 per second: p99 180.0 ms, not decided; 4.0 per second: p99 70.0 ms, held"
    text = render(comparison, "table", part="scenarios")
    for section in shown.values():
        for table in section.tables:
            for row in texts(table):
                assert "  ".join(row).split() in [line.split() for line in text.splitlines()]


def test_the_sustained_curve_marks_when_throttling_started(store_with_golds: Store) -> None:
    three_models(store_with_golds)
    (figure,) = sections(store_with_golds)["Sustained"].figures
    assert [trace["yaxis"] for trace in figure.traces] == ["y", "y2", "y3"]
    assert figure.traces[0]["y"] == [10.0] * 3 + [16.0] * 17
    assert figure.traces[1]["y"] == [50.0 + place for place in range(20)]
    assert figure.traces[2]["y"] == [2400.0] * 3 + [1500.0] * 17
    (line,) = figure.layout["shapes"]
    assert (line["x0"], line["x1"], line["yref"]) == (0.05, 0.05, "paper")
    assert "throttled after 0.1 min" in figure.traces[0]["name"]
    assert [row[5] for row in texts(figure.table)] == ["no"] * 3 + ["yes"] * 17


def test_readings_that_a_machine_does_not_give_have_no_panel(store: Store) -> None:
    answers = [answer(seq, "q1", ms=10.0, at_ns=seq) for seq in range(1, 21)]
    take(store, batch(under_load("sustained", Outcome(), answers)))
    section = sections(store)["Sustained"]
    (figure,) = section.figures
    assert [trace["yaxis"] for trace in figure.traces] == ["y"]
    assert figure.layout["shapes"] == []
    assert "No sample shows a throttled machine" in figure.summary
    assert cells(section)["throttled after min"] == "not seen"


def test_what_is_missing_is_a_dash_with_its_reason(store: Store) -> None:
    take(store, batch(under_load("offline", Outcome(questions_per_second=9.0, left_out=7), ONE)))
    take(store, batch(under_load("server", Outcome(rates=RATES[:1]), ONE)))
    take(store, batch(under_load("sustained", None, minutes())))
    shown = sections(store)
    notes = {title: section.footnotes for title, section in shown.items()}
    assert left_out_line(7) in notes["Offline"] and NO_ROW in notes["Offline"]
    assert any("no rate that was tried" in note for note in notes["Server"])
    assert cells(shown["Server"])["valid rate per second"] == DASH
    assert NO_OUTCOME in notes["Sustained"]
    assert "the run is running: its last record is from 19 s after its start" in notes["Sustained"]
    assert cells(shown["Sustained"])["throttled after min"] == "0.1"  # from the samples


def test_without_rows_the_first_screen_is_what_there_is(store_with_golds: Store) -> None:
    loaded(store_with_golds)
    score_answers(store_with_golds)
    comparison = compare(store_with_golds)
    assert comparison.rows == ()
    text = render(comparison, "table")
    assert "Offline: questions in batches" in text
    for form in ("markdown", "csv", "html"):
        assert "offline" in render(comparison, form).lower()


def test_bounds_of_percentiles_and_rates_are_shown(store: Store) -> None:
    bounds = (
        PercentileBound(percent=90, queries=70, needed=64, value_ns=42_000_000),
        PercentileBound(percent=99, queries=70, needed=662),
    )
    take(store, batch(under_load("single-stream", Outcome(bounds=bounds, rates=RATES), ONE), "a" * 32))
    page = run_page(run_detail(store, "a"), 200)
    assert "p90 at most 42.0 ms, with 99 % confidence" in page
    assert "p99 at most" not in page
    assert "8.00 per second: p99 180.0 ms over 1192 answers, not decided: it takes 5,000" in page
