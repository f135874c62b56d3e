"""Rounds: which questions belong to which, whose turn it is, and what the records of several runs hold."""

import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.bundles.bundle import Bundle
from agent.errors import OutboxFull, WorkerDied
from agent.outbox.state_folder import opened_state
from agent.planning.plan import Plan
from agent.planning.rounds import Shares, in_order, nested, planned, warmup_of, with_possible_rounds
from agent.progress import Progress
from agent.running import round as round_module
from agent.running import runs as runs_module
from agent.running.run import Run
from agent.running.runs import Runs
from agent.stop_signal import Stopped
from agent.worker.process import WorkerProcess
from commandline.estimation.rounds import LEAST_QUESTIONS, rounds_for
from contract.questions import Question
from contract.records import (
    Answer,
    QuestionSet,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
)
from tests.agent.conftest import Agent
from tests.agent.running.command import (
    by_run,
    check,
    epochs,
    interrupting,
    measure,
    per_round,
    plan_of,
    title_of,
)
from tests.agent.running.test_run import read_runs
from tests.contract.examples import DEVICE, MANIFEST, SETTINGS


@given(questions=st.integers(1, 5000), wanted=st.integers(1, 50))
def test_rounds_share_the_questions_evenly_and_in_order(questions: int, wanted: int) -> None:
    rounds = rounds_for(wanted, questions)
    assert 1 <= rounds <= wanted
    if rounds == 1:
        assert Shares(questions, 1).end(0) is None, "one round has no end of its own"
        assert wanted == 1 or questions < 2 * LEAST_QUESTIONS
        return
    shares = Shares(questions, rounds)
    ends = [0, *(end for number in range(rounds) if (end := shares.end(number)) is not None)]
    sizes = [end - begin for begin, end in pairwise(ends)]
    assert ends[-1] == questions
    assert min(sizes) >= LEAST_QUESTIONS and max(sizes) - min(sizes) <= 1
    further = shares.end(rounds)
    assert further is not None and further - questions == max(sizes)
    for number, (begin, end) in enumerate(pairwise(ends)):
        assert shares.round_of(begin) == shares.round_of(end - 1) == number
    assert shares.round_of(questions) == rounds


@given(runs=st.integers(1, 20), seed=st.integers(0, 2**63 - 1), number=st.integers(0, 100))
def test_each_run_has_one_turn_in_a_round(runs: int, seed: int, number: int) -> None:
    assert sorted(in_order(runs, seed, number)) == list(range(runs))
    assert in_order(runs, seed, number) == in_order(runs, seed, number)


def test_the_order_differs_between_rounds_and_seeds() -> None:
    assert len({tuple(in_order(3, 0, number)) for number in range(5)}) > 1
    assert len({tuple(in_order(3, seed, 0)) for seed in range(5)}) > 1


def test_what_is_planned_is_what_the_options_need_at_least() -> None:
    assert planned(SETTINGS, 100) == 100
    assert planned(replace(SETTINGS, min_queries=250), 100) == 250
    assert planned(replace(SETTINGS, percentile=99), 100) == 100, "asking again would not decide it"


def test_later_warm_ups_are_shorter() -> None:
    assert warmup_of(SETTINGS, first=True) == 10
    assert warmup_of(SETTINGS, first=False) == 3
    assert [warmup_of(replace(SETTINGS, warmup_questions=n), first=False) for n in (0, 1, 4)] == [0, 1, 2]


def test_three_bundles_take_turns_in_five_rounds(plans: list[Plan], tmp_path: Path) -> None:
    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        finished, seen = measure(plans, state, said)
        runs = by_run(state.outbox)
    assert [last.status for last in finished] == ["complete"] * 3
    orders = [[title for name, title in seen if name == f"round {number} of 5"] for number in range(1, 6)]
    assert all(sorted(order) == ["one fp32", "three fp32", "two fp32"] for order in orders)
    assert len({tuple(order) for order in orders}) > 1
    for records in runs.values():
        check(records, plan_of(records, plans))
        assert [len(ids) for ids in per_round(records)] == [12] * 5
        assert not any(isinstance(record, RunResumed) for record in records)
    assert len(epochs(runs)) == 1, "the runs of one command share its epoch"


def test_an_interrupted_command_resumes_all_its_runs(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted in the third round, within a share of three chunks, and again some chunks later."""
    monkeypatch.setattr(round_module, "CHUNK_QUESTIONS", 5)
    said: list[str] = []
    folder = tmp_path / "state"
    for stop_after in (20, 4):
        with opened_state(folder, "device", said.append) as state, pytest.raises(Stopped):
            measure(plans, state, said, interrupting(stop_after))
    with opened_state(folder, "device", said.append) as state:
        finished, _ = measure(plans, state, said)
        runs = by_run(state.outbox)
    assert len(runs) == 3
    assert len(epochs(runs)) == 3, "one per command"
    assert [(last.status, last.answered) for last in finished] == [("complete", 60)] * 3
    for records in runs.values():
        check(records, plan_of(records, plans))
        assert [len(ids) for ids in per_round(records)] == [12] * 5
        assert isinstance(records[-1], RunFinished)
        resumes = [record.epoch for record in records if isinstance(record, RunResumed)]
        assert 1 <= len(resumes) == len(set(resumes)) <= 2


def test_of_an_interrupted_command_all_runs_have_ended_or_none(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The outbox has no room for the last records, and then a signal comes."""

    def full(*_: object) -> None:
        raise OutboxFull("there is no room")

    def stop(progress: Progress) -> None:
        if progress.paused is not None:
            raise Stopped(signal.SIGINT)

    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        runs = Runs(plans, state, said.append, resume=True)
        runs.measure_rounds(stop, lambda: None)
        monkeypatch.setattr(state.outbox, "append_together", full)
        with pytest.raises(Stopped):
            runs.finish(stop, lambda: None)
    assert said[-1].endswith("stopped by SIGINT; the same command resumes from here")
    with opened_state(tmp_path / "state", "device", said.append) as state:
        finished, seen = measure(plans, state, said)
        records = by_run(state.outbox)
    assert [last.status for last in finished] == ["complete"] * 3 and not seen
    assert len(records) == 3
    for of_run in records.values():
        assert isinstance(of_run[-2], RunResumed) and isinstance(of_run[-1], RunFinished)


def test_a_bundle_that_dies_in_a_round_drops_out_and_the_others_go_on(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = WorkerProcess.load
    loads = dict.fromkeys((plan.bundle.folder for plan in plans), 0)

    def dying(self: WorkerProcess, bundle: object, *others: object) -> object:
        loads[bundle.folder] += 1  # type: ignore[attr-defined]
        if bundle.folder == plans[1].bundle.folder and loads[bundle.folder] == 2:  # type: ignore[attr-defined]
            raise WorkerDied("the worker process was killed by SIGKILL")
        return load(self, bundle, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkerProcess, "load", dying)
    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        finished, _ = measure(plans, state, said)
        runs = {title_of(records): records for records in by_run(state.outbox).values()}
    assert [last.status for last in finished] == ["complete", "failed", "complete"]
    assert "killed by SIGKILL" in finished[1].reason
    assert [r.round for r in runs["Two"] if isinstance(r, RoundFinished)] == [0]
    assert sum(isinstance(r, Answer) for r in runs["Two"]) == finished[1].answered == 12
    check(runs["One"], plans[0])
    assert loads[plans[1].bundle.folder] == 2, "it has no turn after its failure"


def test_few_questions_make_fewer_rounds_and_the_agent_says_so(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", tiny_bundle, "--questions", questions, "--to-file", out, "--limit", "15")
    ended = agent(*command, "--warmup", "1")
    assert ended.returncode == 0, ended.stderr
    assert "15 questions in 2 rounds instead of 5: a round has at least 6 questions" in ended.stderr
    (records,) = read_runs(out).values()
    assert [len(ids) for ids in per_round(records)] == [8, 7]


@given(limits=st.lists(st.integers(1, 400), min_size=2, max_size=5), wanted=st.integers(1, 12))
def test_runs_of_different_length_ask_the_same_questions_in_the_same_round(
    limits: list[int], wanted: int
) -> None:
    order = [Question(str(place), "?", "", (), "") for place in range(max(limits))]
    plans = with_possible_rounds([_plan(tuple(order[:limit]), wanted) for limit in limits])
    rounds = plans[0].settings.rounds
    assert rounds == min(rounds_for(wanted, limit) for limit in limits)
    arranged = nested(plans)
    if rounds == 1 or len(set(limits)) == 1:
        assert arranged == plans
        return
    rounds_asked = []
    for plan, limit in zip(arranged, limits, strict=True):
        assert sorted(int(question.id) for question in plan.questions) == list(range(limit))
        assert plan.identity != plan._replace(nested=False).identity, "it asks in another order"
        shares = Shares(limit, rounds)
        ends = [0, *(shares.end(number) for number in range(rounds))]
        rounds_asked.append([set(plan.questions[begin:end]) for begin, end in pairwise(ends)])
    for number in range(rounds):
        by_size = sorted((asked[number] for asked in rounds_asked), key=len)
        assert all(fewer <= more for fewer, more in pairwise(by_size))
        assert len(by_size[0]) >= LEAST_QUESTIONS


def _plan(questions: tuple[Question, ...], rounds: int) -> Plan:
    known = QuestionSet(name="q", sha256="0" * 64, total=400, selected=len(questions))
    bundle = Bundle(Path("bundle"), MANIFEST, "0" * 64)
    return Plan(DEVICE, bundle, replace(SETTINGS, rounds=rounds), known, questions)


def test_a_bundle_with_a_limit_of_its_own_shares_its_questions_in_each_round(
    agent: Agent, three_bundles: list[Path], questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", *three_bundles, "--questions", questions, "--to-file", out, "--warmup", "1")
    ended = agent(*command, "--rounds", "3", "--limit", "45,two=31")
    assert ended.returncode == 0, ended.stderr
    assert "3 bundles take turns in 3 rounds of 10 to 15 questions" in ended.stderr
    runs = read_runs(out)
    asked = {title_of(records): per_round(records) for records in runs.values()}
    assert [len(ids) for ids in asked["One"]] == [15, 15, 15]
    assert [len(ids) for ids in asked["Two"]] == [11, 10, 10]
    for more, other, fewer in zip(asked["One"], asked["Three"], asked["Two"], strict=True):
        assert more == other and set(fewer) < set(more)
    starts = [record for records in runs.values() for record in records if isinstance(record, RunStarted)]
    limits = {start.bundle.title: (start.settings.limit, start.questions.selected) for start in starts}
    assert limits == {"One": (45, 45), "Two": (31, 31), "Three": (45, 45)}


def test_rounds_are_for_single_stream(agent: Agent, tiny_bundle: Path, questions: Path) -> None:
    command = ("run", tiny_bundle, "--questions", questions, "--to-file", "out.jsonl")
    ended = agent(*command, "--scenario", "offline", "--rounds", "3")
    assert ended.returncode == 2
    assert "--rounds needs --scenario single-stream" in ended.stderr


def test_a_run_that_may_not_end_yet_gets_further_rounds(plans: list[Plan], tmp_path: Path) -> None:
    plan = plans[0]._replace(settings=replace(plans[0].settings, min_seconds=2.0))
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        last = Run(plan, state.outbox, state.stop).measure(lambda _: None)
        (records,) = by_run(state.outbox).values()
    assert last.status == "complete" and last.elapsed_ns >= 2_000_000_000
    numbers = [record.round for record in records if isinstance(record, RoundStarted)]
    assert numbers == list(range(len(numbers)))
    assert all(len(ids) <= 12 for ids in per_round(records))


def test_the_clock_of_a_run_stands_still_while_others_have_their_turn(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "remarks", lambda: ())
    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        begun_ns = time.monotonic_ns()
        finished, _ = measure(plans, state, said)
        took_ns = time.monotonic_ns() - begun_ns
        starts = [
            {record.round: record.at_ns for record in records if isinstance(record, RoundStarted)}
            for records in by_run(state.outbox).values()
        ]
        ends = [
            {record.round: record.at_ns for record in records if isinstance(record, RoundFinished)}
            for records in by_run(state.outbox).values()
        ]
    for start, end in zip(starts, ends, strict=True):
        for number in range(4):
            # Between two rounds of a run there is only its own worker's start.
            assert end[number] <= start[number + 1]
    assert sum(last.elapsed_ns for last in finished) <= took_ns, "no time counts for two runs"
