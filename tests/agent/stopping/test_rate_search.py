"""The search for the highest rate, and what a run does during a rate and between two."""

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Load, Plan, plan_run, read_questions, settings_for
from agent.progress import Progress
from agent.running import round as round_module
from agent.running import run
from agent.running.run import Run
from agent.running.run_log import RunLog
from agent.stop_signal import Stop, Stopped
from agent.stopping.rate_search import RateSearch, arrivals_ns, readable
from agent.stopping.stop_rule import verdict
from agent.stopping.tally import Tally
from agent.worker import process
from bench.simulations.served import served
from contract.records import Answer, Record, RunFinished, Sample, Settings
from tests.agent.running.test_marks import Board

Between = Callable[[Progress], None]
Meanwhile = Callable[[], None]


@pytest.fixture
def plan(tiny_bundle: Path, questions: Path) -> Callable[..., Plan]:
    def make(bound_ms: float = 5000.0, **load: Any) -> Plan:
        bundle = describe(tiny_bundle)
        wanted = Load(scenario="server", latency_bound_ns=round(bound_ms * 1e6), **load)
        settings = settings_for(bundle, threads=1, load=wanted)
        return plan_run(inspect_device("test"), bundle, read_questions(questions), settings)

    return make


def measure(
    plan: Plan,
    outbox: Outbox,
    root: Path = Path("/"),
    between: Between = lambda _: None,
    meanwhile: Meanwhile = lambda: None,
) -> RunFinished:
    with Stop() as stop:
        return Run(plan, outbox, stop, root=root).measure(between, meanwhile)


def recorded(outbox: Outbox) -> list[Record]:
    rows = outbox.rows(0, 100_000)
    assert [row.seq for row in rows] == list(range(len(rows)))
    return [msgspec.json.decode(row.body, type=Record) for row in rows]


def test_within_a_rate_the_machine_is_looked_at(
    plan: Callable[..., Plan], outbox: Outbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(tmp_path / "board")
    monkeypatch.setattr(process, "MEANWHILE_SECONDS", 0.03)
    monkeypatch.setattr(round_module, "LOOK_SECONDS", 0.0)  # at each of these moments
    moments = iter([*[(50, 0)] * 6, *[(85, 0b100)] * 6])
    stages: list[str] = []

    def between(progress: Progress) -> None:
        if progress.stage is not None:
            stages.append(progress.stage)

    def meanwhile() -> None:
        if stages:  # loading and warm-up, which take as long as they like, are over
            board.is_at(*next(moments, (60, 0)))

    board.is_at(50, 0)
    measure(plan(qps=60.0, min_queries=80), outbox, board.root, between, meanwhile)
    records = recorded(outbox)[2:-2]  # within the round
    times = [record.at_ns for record in records if isinstance(record, Answer | Sample)]
    assert times == sorted(times) and len(times) == len(records)
    samples = [record for record in records if isinstance(record, Sample)]
    assert len(samples) > 3
    assert [sample.temperature_celsius for sample in samples][-1] == 60.0
    assert {sample.temperature_celsius for sample in samples} >= {50.0, 85.0}
    answers = [record for record in records if isinstance(record, Answer)]
    assert len(answers) == 80
    marked = [number for number, answer in enumerate(answers) if "throttled" in answer.marks]
    assert marked and marked == list(range(marked[0], marked[-1] + 1)) and len(marked) < 60
    hot = [sample.at_ns for sample in samples if sample.throttle]
    assert answers[marked[0]].at_ns < hot[0] and answers[marked[-1]].at_ns < hot[-1] + 1e9


def test_an_interrupted_search_goes_on_with_the_rate_that_it_was_at(
    plan: Callable[..., Plan], outbox: Outbox
) -> None:
    searching = plan(min_queries=30)
    stages: list[str | None] = []

    def until_the_third(progress: Progress) -> None:
        if progress.preparing is None:
            stages.append(progress.stage)
        if len(stages) == 3:
            raise Stopped(signal.SIGTERM)

    def until_the_end(progress: Progress) -> None:
        if progress.preparing is None:
            stages.append(progress.stage)

    with pytest.raises(Stopped):
        measure(searching, outbox, between=until_the_third)
    left = recorded(outbox)
    assert not any(isinstance(record, Answer) for record in left)
    assert sum(isinstance(record, Sample) for record in left) == 2
    finished = measure(searching, outbox, between=until_the_end)
    assert [stage and stage.split(",")[0] for stage in stages] == [
        f"rate {number} of 6" for number in (1, 2, 3, 3, 4, 5, 6)
    ]
    records = recorded(outbox)
    answers = [record for record in records if isinstance(record, Answer)]
    assert len(answers) == 30 and {answer.repeat for answer in answers} == {0}
    assert finished.outcome is not None and len(finished.outcome.rates) == 6
    assert finished.outcome.valid_qps is None, "30 questions decide nothing"
    assert finished.answered == 30
    with outbox:
        assert outbox.unfinished(searching.identity) is None


def test_an_interruption_after_the_last_rate_doubles_no_answer(
    plan: Callable[..., Plan], outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    searching = plan(qps=100.0, min_queries=20)

    def die(*_: object) -> None:
        raise Stopped(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(run, "verdict", die)
        with pytest.raises(Stopped):
            measure(searching, outbox)
    finished = measure(searching, outbox)
    assert finished.answered == 20 == sum(isinstance(record, Answer) for record in recorded(outbox))
    assert finished.outcome is not None and len(finished.outcome.rates) == 1


def test_max_seconds_end_a_rate_that_is_far_beyond_capacity(
    plan: Callable[..., Plan], outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "elapsed_ns", 0)  # however long loading takes on a busy machine
    hopeless = plan(qps=1e6, min_queries=20_000, max_seconds=0.3, bound_ms=10)
    finished = measure(hopeless, outbox)
    assert finished.status == "inconclusive"
    assert finished.outcome is not None
    (trial,) = finished.outcome.rates
    assert trial.queries + trial.dropped == 20_000, "those that were given up count as late"
    assert not trial.held and trial.p99_ns > 10_000_000


@pytest.mark.parametrize(("seconds", "rates"), [(1e-3, 0), (0.3, 1)])
def test_max_seconds_end_a_search(
    plan: Callable[..., Plan], outbox: Outbox, monkeypatch: pytest.MonkeyPatch, seconds: float, rates: int
) -> None:
    if rates:
        moments = iter([0, 0, 0])  # when its round starts, when its worker is ready, before the first rate
        monkeypatch.setattr(RunLog, "elapsed_ns", property(lambda _: next(moments, 10**9)))
    finished = measure(plan(min_queries=100_000, max_seconds=seconds), outbox)
    assert finished.status == "inconclusive"
    assert finished.reason == f"--max-seconds ended it after {rates} of 6 rates"
    assert (finished.answered > 0) == (rates > 0)


def test_arrivals_are_poisson_and_the_same_for_a_seed() -> None:
    arrivals = arrivals_ns(50.0, 20_000, seed=3)
    assert arrivals == arrivals_ns(50.0, 20_000, seed=3) != arrivals_ns(50.0, 20_000, seed=4)
    gaps = [later - earlier for earlier, later in zip((0, *arrivals), arrivals, strict=False)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1e9 / 50, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.03)  # of an exponential distribution


def server(qps: float | None = None) -> Settings:
    return Settings(
        scenario="server",
        decoding="pipeline",
        max_tokens=384,
        stride_tokens=128,
        max_answer_tokens=15,
        threads=1,
        warmup_questions=0,
        seed=0,
        qps=qps,
        latency_bound_ns=100,
    )


CAPACITY = 100.0
"""Questions per second that the simulated reader can answer."""


def at(qps: float, count: int, service_ms: float = 1000 / CAPACITY) -> tuple[Answer, ...]:
    """Answers of a reader that takes 0.5 to 1.5 times this time, at a rate of arrivals."""
    services = 1e6 * service_ms * np.random.default_rng(count).uniform(0.5, 1.5, count)
    return served(np.array(arrivals_ns(qps, count, seed=0), np.float64), services)


def searched(bound_ms: float, service_ns: int) -> RateSearch:
    search = RateSearch(replace(server(), latency_bound_ns=round(1e6 * bound_ms)), service_ns)
    while (qps := search.next()) is not None:
        search.record(qps, at(qps, search.queries(qps, None)))
    return search


def test_the_search_ends_beside_the_highest_rate_that_holds() -> None:
    search = searched(bound_ms=60, service_ns=10_000_000)
    assert search.best_qps is not None and 45 < search.best_qps < 71, "p99 is 60 ms at about 71 per second"
    assert all(trial.held == (trial.qps <= search.best_qps) for trial in search.trials)


@pytest.mark.parametrize("service_ns", [10_000_000 // 3, 50_000_000, 1_000_000_000])
def test_a_warm_up_that_is_far_from_the_usual_time_does_not_limit_the_search(service_ns: int) -> None:
    search = searched(bound_ms=100_000, service_ns=service_ns)
    assert search.best_qps is not None and 0.75 * CAPACITY < search.best_qps < CAPACITY


@pytest.mark.parametrize("load", [0.999, 1.0, 1.02, 2.0])
def test_a_rate_at_capacity_is_never_reported_as_held(load: float) -> None:
    search = RateSearch(replace(server(load * CAPACITY), latency_bound_ns=10**15), 10_000_000)
    assert not search.record(load * CAPACITY, at(load * CAPACITY, 2000))
    assert search.best_qps is None and search.trials[0].bound_ns is None


def test_more_questions_arrive_at_a_rate_near_capacity() -> None:
    search = RateSearch(server(), 10_000_000)
    assert search.queries(50.0, None) == 1324 < search.queries(85.0, None) < search.queries(90.0, None)
    assert search.queries(99.9, None) == 1324, "no number of questions within the limits can decide that"
    assert search.queries(90.0, seconds_left=1.0) == 90
    assert RateSearch(replace(server(), min_queries=40), 10_000_000).queries(90.0, None) == 40


def test_a_trial_that_is_too_short_decides_nothing() -> None:
    search = RateSearch(replace(server(90.0), latency_bound_ns=10**12), 10_000_000)
    assert not search.record(90.0, at(90.0, 700))
    (trial,) = search.trials
    assert trial.undecided.startswith("it takes 1,") and "700 were asked (--min-queries)" in trial.undecided
    status, reason = verdict_of(search)
    assert status == "inconclusive"
    assert reason.startswith(
        "whether p99 is within 1e+06 ms at 90.00 questions per second is not decided: it"
    )


def test_a_machine_that_becomes_slower_decides_nothing() -> None:
    search = RateSearch(replace(server(50.0), latency_bound_ns=10**12), 10_000_000)
    faster, slower = (at(50.0, 1324, service_ms) for service_ms in (10, 15))
    assert not search.record(50.0, (*faster[:662], *slower[662:]))
    (trial,) = search.trials
    assert trial.undecided.startswith("the machine became ") and trial.bound_ns is None


def test_a_number_of_questions_that_is_never_asked_is_not_advised() -> None:
    search = RateSearch(replace(server(97.5), latency_bound_ns=10**12), 10_000_000)
    search.record(97.5, at(97.5, 2000, service_ms=9.99))
    assert "more than a rate is tried with" in search.trials[0].undecided


def test_a_rate_that_breaks_the_bound_is_decided_by_few_questions() -> None:
    search = RateSearch(replace(server(200.0), latency_bound_ns=20_000_000), 10_000_000)
    assert not search.record(200.0, at(200.0, 100))
    (trial,) = search.trials
    assert (trial.undecided, trial.held) == ("", False)
    assert verdict_of(search) == (
        "inconclusive",
        "no rate that was tried is known to keep p99 within 20 ms",
    )


def verdict_of(search: RateSearch) -> tuple[str, str]:
    tally = Tally("server", 0)
    tally.served(search.trials, search.best_qps)
    return verdict(search.settings, 334, 1324, tally)


def test_a_search_goes_on_where_it_was_kept() -> None:
    whole = RateSearch(replace(server(), latency_bound_ns=60_000_000), 10_000_000)
    part = RateSearch(whole.settings, 10_000_000)
    while (qps := whole.next()) is not None:
        assert part.next() == qps and part.queries(qps, None) == whole.queries(qps, None)
        answers = at(qps, 1324)
        for search in (whole, part):
            search.record(qps, answers)
        part = RateSearch(whole.settings, 1, kept=part.kept())
    assert part.next() is None and part.best_qps is not None
    assert (part.trials, part.best_qps, part.answers) == (whole.trials, whole.best_qps, whole.answers)
    assert part.answers == at(part.best_qps, 1324)


def test_a_damaged_state_of_a_search_is_known() -> None:
    search = RateSearch(replace(server(), latency_bound_ns=60_000_000), 10_000_000)
    assert readable(b"") and readable(search.kept())
    for damaged in (
        search.kept()[:-1],
        b"{}",
        b"[]",
        b"\xff",
        b'{"x": ' + b"[" * 100_000,
        search.kept().replace(b"service_ns", b"s\xffrvice_ns"),
    ):
        assert not readable(damaged)


def test_questions_that_could_not_be_answered_hold_no_rate() -> None:
    search = RateSearch(replace(server(5.0), latency_bound_ns=10**12), 1)
    assert not search.record(5.0, tuple(replace(answer, error="no") for answer in at(5.0, 1324)))


def test_questions_that_were_given_up_count_as_late() -> None:
    search = RateSearch(replace(server(50.0), latency_bound_ns=100_000_000), 10_000_000)
    assert search.record(50.0, at(50.0, 1324))
    assert not search.record(50.0, at(50.0, 1324), given_up_ns=[150_000_000] * 20)
    before, trial = search.trials
    assert (before.queries, before.dropped, trial.queries) == (1192, 132, 1212)
    assert before.p99_ns < 100_000_000 < trial.p99_ns == 150_000_000
    assert trial.undecided.startswith("p99 was 150.0 ms, but is at most")
