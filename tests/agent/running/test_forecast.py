"""What the agent says about a command before and while it measures, and whether that comes true."""

import re
import time
from pathlib import Path

import click
import pytest
from msgspec.structs import replace

from agent.bundles.bundle import describe
from agent.commands.run import request_of, run
from agent.machine.device import inspect_device
from agent.outbox.state_folder import opened_state
from agent.planning.history import History, Pace
from agent.planning.plan import Load, Plan, plan_run, read_questions, settings_for
from agent.progress import Progress
from agent.running.campaign import plans_of, read_named
from agent.running.forecast import Work, advice, announcement, seconds_left, spread_of
from agent.running.progress_line import ProgressLine
from agent.running.runs import Runs
from commandline.estimation.duration import about
from commandline.options import context_of
from tests.agent.conftest import Agent, write_questions
from tests.contract.examples import SETTINGS

PACE = Pace(start_ns=1_800_000_000, question_ns=100_000_000)
WORK = Work(starts=5, questions=100, elapsed_seconds=0.0)


def test_the_time_left_is_that_of_starts_looks_and_questions() -> None:
    assert seconds_left(SETTINGS, WORK, PACE) == pytest.approx(5 * 2.1 + 10)
    assert seconds_left(replace(SETTINGS, turns=6), WORK, PACE) == pytest.approx(5 * 2.6 + 10)
    assert seconds_left(SETTINGS, WORK, None) is None


@pytest.mark.parametrize(
    ("limits", "elapsed", "left"),
    [
        ({"max_seconds": 15.0}, 0.0, 15.0),
        ({"max_seconds": 15.0}, 4.0, 11.0),
        ({"max_seconds": 60.0}, 4.0, 20.5),
        ({"min_seconds": 60.0}, 4.0, 56.0),
        ({"min_seconds": 6.0}, 4.0, 20.5),
    ],
)
def test_options_limit_the_time(limits: dict[str, float], elapsed: float, left: float) -> None:
    work = WORK._replace(elapsed_seconds=elapsed)
    assert seconds_left(replace(SETTINGS, **limits), work, PACE) == pytest.approx(left)


def test_the_time_of_sustained_is_known_before_anything_is_measured() -> None:
    sustained = replace(SETTINGS, scenario="sustained", min_seconds=600.0, max_seconds=600.0)
    assert seconds_left(sustained, WORK, None) == 600.0


def test_a_rate_takes_as_long_as_its_questions_take_to_arrive_and_a_search_is_open() -> None:
    one = replace(SETTINGS, scenario="server", qps=2.0, latency_bound_ns=1, min_queries=100)
    assert seconds_left(one, WORK._replace(starts=1), None) == pytest.approx(50.0)
    assert seconds_left(one, WORK._replace(starts=1), PACE) == pytest.approx(52.0)
    assert seconds_left(replace(one, qps=None), WORK, PACE) is None


def test_durations_in_words() -> None:
    assert [about(seconds) for seconds in (0.2, 7.3, 12, 98, 101, 600, 5999, 7200)] == [
        *("about 1 s", "about 7 s", "about 10 s", "about 100 s"),
        *("about 2 min", "about 10 min", "about 100 min", "about 2.0 h"),
    ]


def test_the_spread_is_that_of_ratios_and_ignores_what_all_runs_share() -> None:
    steady = {number: 0.1 * number for number in range(5)}
    twice = {number: value + 0.7 for number, value in steady.items()}
    assert spread_of([steady, twice]) == pytest.approx(0.0)
    other = {0: 0.0, 1: 0.1, 2: 0.24}
    assert spread_of([steady, other]) == pytest.approx(0.04 / 3**0.5), "over the three rounds of both"
    assert spread_of([steady, twice, other]) == pytest.approx(0.04 / 3**0.5 * (2 / 3) ** 0.5)
    assert spread_of([steady]) is None
    assert spread_of([steady, {0: 0.0, 1: 0.1}]) is None, "two rounds are too few"


@pytest.fixture
def plan(tiny_bundle: Path, questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    settings = settings_for(bundle, threads=1, load=Load(rounds=5))
    return plan_run(inspect_device("device"), bundle, read_questions(questions), settings)


def changed(plan: Plan, **changes: object) -> Plan:
    return plan._replace(settings=replace(plan.settings, **changes))


def test_what_is_said_before_a_command(plan: Plan) -> None:
    assert announcement([plan, plan], None, None) == [
        "2 bundles take turns in 5 rounds of 12 questions: time known after warm-up",
        "detectable difference in time: 3.4 % (2.0 % between rounds assumed)",
        "detectable difference in F1: 36 points at worst (60 questions)",
    ]
    work, in_time, _ = announcement([plan, plan], 240.0, 0.031)
    assert work.endswith("questions: about 4 min")
    assert in_time == "detectable difference in time: 5.3 % (3.1 % between rounds of earlier commands)"
    work, in_time, _ = announcement([plan], 240.0, 0.031)
    assert work == "1 bundle in 5 rounds of 12 questions: about 4 min"
    assert in_time.endswith("none, since no other bundle takes turns with it")
    fewer = plan._replace(questions=plan.questions[:32])
    work, _, in_f1 = announcement([plan, fewer], None, None)
    assert work.startswith("2 bundles take turns in 5 rounds of 6 to 12 questions: ")
    assert in_f1.endswith("(32 questions)")
    work, *_ = announcement([changed(one, rounds=1) for one in (plan, fewer)], None, None)
    assert work.startswith("2 bundles, one after the other, 32 to 60 questions: ")
    work, in_time, _ = announcement([changed(plan, rounds=1)] * 2, None, None)
    assert work.startswith("2 bundles, one after the other, 60 questions: ")
    assert in_time.endswith("none, since that takes at least 2 rounds")
    work, *_ = announcement([changed(plan, percentile=99)] * 2, 100.0, None)
    assert work.endswith("5 rounds of 12 questions: about 2 min or more")


def long_plan(plan: Plan, total: int, asked: int) -> Plan:
    question_set = replace(plan.question_set, total=total, selected=asked)
    return plan._replace(question_set=question_set, questions=plan.questions[:1] * asked)


def test_a_part_of_the_questions_is_advised_if_all_take_long(plan: Plan) -> None:
    pace = Pace(start_ns=5_000_000_000, question_ns=10_500_000_000)
    whole = long_plan(plan, 10_570, 10_570)
    assert advice([whole], [pace]) == (
        "all 10,570 questions take about 30.9 h; 200 take about 39 min (--limit 200) and give F1 within 1.4 "
        "points where another device has answered all"
    )
    both = advice([whole, whole], [pace, pace])
    assert both is not None and both.startswith(
        "all 10,570 questions take about 61.8 h; 200 take about 79 min"
    )
    assert advice([long_plan(plan, 10_570, 200)], [pace]) is not None, "it says what all would take"
    assert advice([whole, whole], [pace, None]) is None
    assert advice([whole, long_plan(plan, 10_570, 300)], [pace, pace]) is None, "they have own limits"
    assert advice([whole], [Pace(start_ns=0, question_ns=1_000_000)]) is None, "all take seconds"
    assert advice([long_plan(plan, 300, 300)], [pace]) is None, "200 of 300 save little"
    assert advice([long_plan(plan, 10_570, 40)], [pace]) is None, "it was asked for less"
    assert advice([changed(whole, scenario="sustained")], [pace]) is None


def test_what_is_said_of_other_scenarios(plan: Plan) -> None:
    searching = changed(plan, scenario="server", rounds=1, latency_bound_ns=1)
    assert announcement([searching, searching], None, None) == [
        "2 bundles, one after the other, 6 rates: time depends on the rates that hold",
        "bundles are compared by single-stream runs, not by server",
    ]
    sustained = changed(plan, scenario="sustained", rounds=1, min_seconds=600.0, max_seconds=600.0)
    assert announcement([sustained], 600.0, None)[0] == "1 bundle: about 10 min"


def test_a_percentile_is_judged_by_the_run_with_the_fewest_questions(
    tiny_bundle: Path, tiny_bundle_int8: Path, tmp_path: Path
) -> None:
    options = {
        "bundles": (str(tiny_bundle), str(tiny_bundle_int8)),
        "questions": str(write_questions(tmp_path, 80, sentences=1)),
        "limit": "70,tiny-int8=30",
        "until": "p90",
        "to-file": str(tmp_path / "out"),
    }
    request = request_of(context_of(run, options, click.Context(click.Command("x"))).params)
    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        plans_of(request, read_named(request, said.append), state, None, lambda text: said.append(str(text)))
    warning = "--until p90 needs at least 64 different questions, and this run has 30"
    assert any(warning in sentence for sentence in said), said


def test_the_agent_says_it_in_a_log_and_knows_more_the_second_time(
    agent: Agent, tiny_bundle: Path, tiny_bundle_int8: Path, questions: Path, tmp_path: Path
) -> None:
    command = ("run", tiny_bundle, tiny_bundle_int8, "--questions", questions, "--to-file", tmp_path / "out")
    first, second = (agent(*command, "--threads", "1", "--warmup", "2").stderr for _ in range(2))
    assert "2 bundles take turns in 5 rounds of 12 questions: time known after warm-up" in first
    assert "between rounds assumed" in first
    turns = re.findall(r"^round (\d) of 5: tiny \w+: loading and warming up(.*)$", first, re.MULTILINE)
    assert [number for number, _ in turns] == [str(1 + turn // 2) for turn in range(10)]
    assert [left for _, left in turns[:2]] == ["", ""], "no bundle has answered yet"
    assert all(re.fullmatch(r", about \d+ s left", left) for _, left in turns[2:])
    assert re.search(r"^about \d+ s left$", first, re.MULTILINE)
    assert re.search(r"rounds of 12 questions: about \d+ s$", second, re.MULTILINE)
    assert "% between rounds of earlier commands)" in second
    assert "\r" not in first and "\x1b" not in first


@pytest.mark.proof
def test_the_time_left_comes_true(plan: Plan, tmp_path: Path) -> None:
    """A later command knows the pace of the one before; a machine that becomes busier spoils one, not all."""
    told: list[bool] = []
    for attempt in range(6):
        left: list[float] = []
        with opened_state(tmp_path, "device", lambda _: None) as state:
            runs = Runs([plan, plan], state, lambda _: None, resume=True)

            def note(_: Progress, runs: Runs = runs, left: list[float] = left) -> None:
                left.append(runs.seconds_left or 0.0)

            before, begun = runs.seconds_left, time.monotonic()
            runs.measure_rounds(note, lambda: None)
            took = time.monotonic() - begun
            assert runs.seconds_left == 0.0
            runs.finish(lambda _: None, lambda: None)
        assert (before is None) == (attempt == 0)
        told.append(before is not None and took / 4 < before < took * 4 and left[0] > 2 * left[-1])
        if told[-1]:
            break
    assert told[-1], "the time left is told, and becomes less"
    assert History(tmp_path).spread(1) is not None


def line_of(progress: Progress, columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    written: list[str] = []
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setattr("sys.stderr.write", written.append)
    ProgressLine(lambda: 12, lambda _: None).draw(progress)
    return written[0].removeprefix("\r\x1b[K")


def test_a_line_fits_into_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = Progress("r", "DistilBERT int8", 120, 300, [5_000_000], None, place=(2, 5))
    progress = progress._replace(seconds_left=130.0)
    most = "round 2 of 5: DistilBERT int8: 120 of 300 questions, about 2 min left"
    assert line_of(progress, 200, monkeypatch) == f"{most}, p50 5.0 ms, 12 results pending"
    assert line_of(progress, 80, monkeypatch) == most
    assert line_of(progress, 20, monkeypatch) == most[:19]
