"""The scenario `server` from within: what happens during a rate and between two."""

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Load, Plan, plan_run, read_questions, settings_for
from agent.progress import Progress
from agent.running import run
from agent.running.run import Run
from agent.running.run_log import RunLog
from agent.stop import Stop, Stopped
from agent.worker import process
from contract.records import Answer, Record, RunFinished, Sample
from tests.agent.running.test_watch import Board

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
    monkeypatch.setattr(run, "LOOK_SECONDS", 0.1)
    moments = iter([*[(50, 0)] * 12, *[(85, 0b100)] * 12])
    measure(
        plan(qps=60.0, min_queries=80),
        outbox,
        board.root,
        meanwhile=lambda: board.is_at(*next(moments, (60, 0))),
    )
    records = recorded(outbox)[1:-1]
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
        stages.append(progress.stage)
        if len(stages) == 3:
            raise Stopped(signal.SIGTERM)

    with pytest.raises(Stopped):
        measure(searching, outbox, between=until_the_third)
    left = recorded(outbox)
    assert not any(isinstance(record, Answer) for record in left)
    assert sum(isinstance(record, Sample) for record in left) == 2
    finished = measure(searching, outbox, between=lambda progress: stages.append(progress.stage))
    assert [stage and stage.split(",")[0] for stage in stages] == [
        f"rate {number} of 6" for number in (1, 2, 3, 3, 4, 5, 6)
    ]
    records = recorded(outbox)
    answers = [record for record in records if isinstance(record, Answer)]
    assert len(answers) == 30 and {answer.repeat for answer in answers} == {0}
    assert finished.outcome is not None and len(finished.outcome.rates) == 6
    assert finished.outcome.valid_qps == max(rate.qps for rate in finished.outcome.rates if rate.held)
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
    assert finished.outcome is not None and finished.outcome.valid_qps == 100.0


def test_max_seconds_end_a_rate_that_is_far_beyond_capacity(
    plan: Callable[..., Plan], outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RunLog, "elapsed_ns", 0)  # however long loading takes on a busy machine
    hopeless = plan(qps=1e6, min_queries=20_000, max_seconds=0.3, bound_ms=10)
    finished = measure(hopeless, outbox)
    assert finished.status == "inconclusive" and "at no rate" in finished.reason
    assert finished.outcome is not None
    (trial,) = finished.outcome.rates
    assert 0 < finished.answered < trial.queries == 20_000, "those that were given up count as late"
    assert not trial.held and trial.p99_ns > 10_000_000


@pytest.mark.parametrize(("seconds", "rates"), [(1e-3, 0), (0.3, 1)])
def test_max_seconds_end_a_search(
    plan: Callable[..., Plan], outbox: Outbox, monkeypatch: pytest.MonkeyPatch, seconds: float, rates: int
) -> None:
    if rates:
        moments = iter([0])
        monkeypatch.setattr(RunLog, "elapsed_ns", property(lambda _: next(moments, 10**9)))
    finished = measure(plan(min_queries=100_000, max_seconds=seconds), outbox)
    assert finished.status == "inconclusive"
    assert finished.reason == f"it ended after {rates} of 6 rates, as --max-seconds says"
    assert (finished.answered > 0) == (rates > 0)
