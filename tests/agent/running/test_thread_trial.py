"""How many threads are fastest: tried once, and saved."""

from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.planning.plan import Plan, RuntimeOptions, plan_run, read_questions, settings_for
from agent.running import thread_trial as trial
from agent.running.thread_trial import MEMORY_FILE, candidates, fastest, with_fastest_threads
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from contract.records import Settings, ThreadTrial


@pytest.fixture
def plan(tiny_bundle: Path, questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    return plan_run(inspect_device("test"), bundle, read_questions(questions), settings_for(bundle))


@pytest.fixture(autouse=True)
def _short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TURN_SECONDS", 0.02)
    monkeypatch.setattr(trial, "WARMUP_SECONDS", 0.0)


def never(stop: Stop, settings: Settings) -> NoReturn:
    raise AssertionError("no worker is needed")


def test_the_fewest_threads_that_are_not_slower() -> None:
    measured = [(1, 900), (2, 500), (4, 495), (8, 600)]
    trials = [ThreadTrial(threads=threads, p50_ns=ns) for threads, ns in measured]
    assert fastest(trials) == 2
    assert fastest([*trials, ThreadTrial(threads=6, p50_ns=400)]) == 6


def test_what_is_tried() -> None:
    assert candidates(4, 8) == (1, 2, 4, 8)
    assert candidates(4, 4) == (1, 2, 4)
    assert candidates(1, 1) == (1,)


def test_a_trial_is_made_once(plan: Plan, stop: Stop, tmp_path: Path) -> None:
    messages: list[str] = []
    shown: list[tuple[str, float | None]] = []
    found = with_fastest_threads(plan, tmp_path, stop, messages.append, lambda *each: shown.append(each))
    threads = found.settings.threads
    verb = "thread is" if threads == 1 else "threads are"
    assert messages[0].startswith(f"tiny fp32: {threads} {verb} fastest (1: ")
    assert found.settings.threads == fastest(found.thread_trials)
    assert {t.threads for t in found.thread_trials} >= {1, plan.settings.threads}
    assert all(t.p50_ns > 0 for t in found.thread_trials)
    turns = 2 * len(found.thread_trials)
    assert [doing for doing, _ in shown][:: turns - 1] == [
        f"trying 1 thread, turn {turn} of {turns}" for turn in (1, turns)
    ]
    assert shown[0][1] is None and all(left and left > 0 for _, left in shown[1:])
    assert with_fastest_threads(plan, tmp_path, stop, messages.append, start_worker=never) == found


def test_other_settings_are_tried_again(plan: Plan, stop: Stop, tmp_path: Path) -> None:
    with_fastest_threads(plan, tmp_path, stop, print)
    options = RuntimeOptions(spinning=False).recorded()
    other = plan._replace(settings=msgspec.structs.replace(plan.settings, options=options))
    with pytest.raises(AssertionError, match="no worker"):
        with_fastest_threads(other, tmp_path, stop, print, start_worker=never)


def test_a_trial_that_fails_leaves_the_default(plan: Plan, stop: Stop, tmp_path: Path) -> None:
    (tmp_path / MEMORY_FILE).write_text("{damaged")

    def dies(stop: Stop, settings: Settings) -> WorkerProcess:
        return WorkerProcess(stop, settings, "raise SystemExit('no libgomp here')")

    messages: list[str] = []
    assert with_fastest_threads(plan, tmp_path, stop, messages.append, start_worker=dies) == plan
    (aside,) = tmp_path.glob(f"{MEMORY_FILE}.damaged-*")
    assert aside.read_text() == "{damaged" and str(aside) in messages[0]
    assert "cannot find the fastest number of threads" in messages[1] and "no libgomp here" in messages[1]
    assert not (tmp_path / MEMORY_FILE).exists(), "a failure is not remembered"
