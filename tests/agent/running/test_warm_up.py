"""What a run learns while it warms up, with a worker that takes the times that a test gives it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent.bundles.bundle import describe
from agent.errors import WorkerDied
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Load, plan_run, read_questions, settings_for
from agent.running.run import Run
from agent.stop_signal import Stop
from agent.worker.protocol import Answered, Asked, Loaded, QuestionOutcome


class _Slow:
    """A worker whose chunk is over after one question, as with a model that takes long."""

    def __init__(self, seconds: Sequence[float]) -> None:
        self._seconds = list(seconds)

    def __enter__(self) -> "_Slow":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def load(self, *_: object) -> Loaded:
        return Loaded(load_ns=1)

    def ask(self, questions: Sequence[Asked], *_: object) -> Answered:
        took_ns = int(1e9 * self._seconds.pop(0))
        outcome = QuestionOutcome(question_id=questions[0].id, asked_at_ns=0, infer_ns=took_ns)
        return Answered(outcomes=(outcome,), rss_bytes=None, peak_rss_bytes=None)


def test_a_search_begins_below_the_mean_of_all_warm_up_questions(
    tiny_bundle: Path, questions: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[int] = []

    def search(_: object, warm_ns: int, *kept: object) -> Any:
        found.append(warm_ns)
        raise WorkerDied("this test needs no more")

    monkeypatch.setattr("agent.running.round.RateSearch", search)
    bundle = describe(tiny_bundle)
    load = Load(scenario="server", latency_bound_ns=100)
    settings = settings_for(bundle, threads=1, warmup=10, load=load)
    plan = plan_run(inspect_device("test"), bundle, read_questions(questions), settings)
    with Stop() as stop:
        worker: Any = _Slow([2.0, *[1.0] * 9, 5.0])  # the first question is cold, then ten of warm-up
        Run(plan, outbox, stop, start_worker=lambda *_: worker).measure(lambda _: None)
    assert found == [1_400_000_000], (
        "it was the last question's 5 s, a ceiling of 0.2 instead of 0.71 a second"
    )
