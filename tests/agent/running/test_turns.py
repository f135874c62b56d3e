"""Several turns in a round: all workers are loaded, and the runs of a command take turns in it."""

import signal
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.bundles.bundle import Bundle
from agent.errors import OutboxRolledBack, WorkerDied
from agent.machine.memory_estimate import Shortage, shortage
from agent.outbox.rows import Place
from agent.outbox.state_folder import opened_state
from agent.planning.plan import Plan
from agent.planning.rounds import Shares, nested, with_possible_rounds, with_possible_turns
from agent.planning.selection import by_length
from agent.progress import Progress
from agent.running import round as round_module
from agent.running import runs as runs_module
from agent.running.round import meter_of
from agent.running.run import Run
from agent.running.runs import ONE_AFTER_THE_OTHER, Runs
from agent.stop_signal import Stopped
from agent.worker.process import WorkerProcess
from contract.questions import Question
from contract.records import (
    Answer,
    QuestionSet,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunStarted,
    Sample,
)
from tests.agent.conftest import Agent
from tests.agent.running.command import (
    by_run,
    check,
    interrupting,
    measure,
    per_round,
    plan_of,
    title_of,
)
from tests.agent.running.test_run import read_runs
from tests.contract.examples import DEVICE, MANIFEST, SETTINGS

BOARDS = Path(__file__).parents[2] / "hardware"
TURNS = 4
"""Turns in a round of 12 questions."""


@pytest.fixture(autouse=True)
def pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waking takes no six seconds of a test, and a turn is one chunk also on a machine that is busy."""
    monkeypatch.setattr(round_module, "WAKING_SECONDS", 0.01)
    monkeypatch.setattr(round_module, "CHUNK_SECONDS", 60.0)


@pytest.fixture
def in_turns(plans: list[Plan]) -> list[Plan]:
    return [plan._replace(settings=replace(plan.settings, turns=TURNS)) for plan in plans]


@given(questions=st.integers(2, 3000), rounds=st.integers(1, 20), turns=st.integers(1, 20))
def test_turns_share_the_questions_of_a_round_evenly(questions: int, rounds: int, turns: int) -> None:
    shares = Shares(questions, rounds)
    for number in range(rounds + 2):
        ends = shares.ends(number, turns)
        assert ends[-1] == shares.end(number), "the last turn ends with the round"
        begin = shares.end(number - 1) if number else 0
        known = [end for end in (begin, *ends) if end is not None]
        if rounds == 1 or turns == 1:
            assert len(ends) == 1
        else:
            sizes = [after - before for before, after in pairwise(known)]
            assert len(sizes) == turns and max(sizes) - min(sizes) <= 1


@given(
    limits=st.lists(st.integers(1, 400), min_size=2, max_size=5),
    wanted=st.integers(1, 12),
    turns=st.integers(1, 12),
)
def test_runs_of_different_length_ask_the_same_questions_in_the_same_turn(
    limits: list[int], wanted: int, turns: int
) -> None:
    order = [Question(str(place), "?", "", (), "") for place in range(max(limits))]
    plans = with_possible_turns(
        with_possible_rounds([_plan(tuple(order[:limit]), wanted, turns) for limit in limits])
    )
    settings = plans[0].settings
    if settings.rounds == 1:
        assert settings.turns == 1
        return
    assert settings.turns == min(turns, min(limits) // settings.rounds)
    asked: dict[tuple[int, int], list[set[str]]] = {}
    for plan, limit in zip(nested(plans), limits, strict=True):
        assert sorted(int(question.id) for question in plan.questions) == list(range(limit))
        shares, begin = Shares(limit, settings.rounds), 0
        for number in range(settings.rounds):
            for turn, end in enumerate(shares.ends(number, settings.turns)):
                assert end is not None and end > begin, "nobody misses a turn"
                asked.setdefault((number, turn), []).append({q.id for q in plan.questions[begin:end]})
                begin = end
    for of_turn in asked.values():
        by_size = sorted(of_turn, key=len)
        assert all(fewer <= more for fewer, more in pairwise(by_size))


def _plan(questions: tuple[Question, ...], rounds: int, turns: int) -> Plan:
    known = QuestionSet(name="q", sha256="0" * 64, total=400, selected=len(questions))
    bundle = Bundle(Path("bundle"), MANIFEST, "0" * 64)
    return Plan(DEVICE, bundle, replace(SETTINGS, rounds=rounds, turns=turns), known, questions)


def test_one_bundle_or_one_round_has_one_turn() -> None:
    questions = tuple(Question(str(place), "?", "", (), "") for place in range(60))
    (alone,) = with_possible_turns([_plan(questions, 5, 6)])
    assert alone.settings.turns == 1, "nobody else has a turn in between"
    of_two = with_possible_turns([_plan(questions, 1, 6)] * 2)
    assert [plan.settings.turns for plan in of_two] == [1, 1]


def test_three_bundles_take_their_turns_alternately(in_turns: list[Plan], tmp_path: Path) -> None:
    seen: list[tuple[str | None, str, int]] = []

    def note(progress: Progress) -> None:
        if progress.preparing is None:
            seen.append((progress.round, progress.title, progress.answered))

    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        finished, _ = measure(in_turns, state, [], note)
        runs = by_run(state.outbox)
    assert [last.status for last in finished] == ["complete"] * 3
    titles = {plan.title for plan in in_turns}
    turns = [seen[begin : begin + 3] for begin in range(0, len(seen), 3)]
    assert len(turns) == 5 * TURNS
    for place, turn in enumerate(turns):
        assert {title for _, title, _ in turn} == titles, "each bundle has one turn, then the next one begins"
        assert {name for name, _, _ in turn} == {f"round {place // TURNS + 1} of 5"}
        assert {answered for _, _, answered in turn} == {3 * (place + 1)}, "all are asked the same"
    assert len({tuple(title for _, title, _ in turn) for turn in turns}) > 1, "the order is drawn"
    for records in runs.values():
        check(records, plan_of(records, in_turns))
        assert [len(ids) for ids in per_round(records)] == [12] * 5
        assert isinstance(records[0], RunStarted) and records[0].settings.turns == TURNS


def test_an_interrupted_command_resumes_in_the_turn_it_was_in(in_turns: list[Plan], tmp_path: Path) -> None:
    folder = tmp_path / "state"
    for stop_after in (20, 5):
        with opened_state(folder, "device", lambda _: None) as state, pytest.raises(Stopped):
            measure(in_turns, state, [], interrupting(stop_after))
    with opened_state(folder, "device", lambda _: None) as state:
        finished, _ = measure(in_turns, state, [])
        runs = by_run(state.outbox)
    assert [(last.status, last.answered) for last in finished] == [("complete", 60)] * 3
    assert len(runs) == 3
    for records in runs.values():
        check(records, plan_of(records, in_turns))
        assert isinstance(records[-1], RunFinished)


def test_a_bundle_that_dies_in_a_turn_drops_out_and_the_others_go_on(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    titles: dict[int, str] = {}
    load, ask = WorkerProcess.load, WorkerProcess.ask
    recorded = 0

    def noting(self: WorkerProcess, bundle: Bundle, *others: object) -> object:
        titles[self.pid] = bundle.title
        return load(self, bundle, *others)  # type: ignore[arg-type]

    def dying(self: WorkerProcess, questions: list[Question], *others: object, **named: object) -> object:
        nonlocal recorded
        if titles[self.pid] == in_turns[1].title and named:
            recorded += 1
            if recorded == TURNS + 3:
                raise WorkerDied("the worker process was killed by SIGKILL")
        return ask(self, questions, *others, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkerProcess, "load", noting)
    monkeypatch.setattr(WorkerProcess, "ask", dying)
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        finished, _ = measure(in_turns, state, [])
        runs = {title_of(records): records for records in by_run(state.outbox).values()}
    assert [last.status for last in finished] == ["complete", "failed", "complete"]
    assert finished[1].answered == 12 + 2 * 3, "a round and two turns"
    assert [r.round for r in runs["Two"] if isinstance(r, RoundFinished)] == [0]
    check(runs["One"], in_turns[0])
    check(runs["Three"], in_turns[2])


def test_the_clock_of_a_run_stands_still_while_others_have_a_turn(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "remarks", lambda: ())
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        begun_ns = time.monotonic_ns()
        finished, _ = measure(in_turns, state, [])
        took_ns = time.monotonic_ns() - begun_ns
    assert sum(last.elapsed_ns for last in finished) <= took_ns, "no time counts for two runs"


def test_the_time_left_ends_with_nothing(in_turns: list[Plan], tmp_path: Path) -> None:
    left: list[float] = []
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        runs = Runs(in_turns, state, lambda _: None, resume=True)

        def note(_: Progress) -> None:
            if (seconds := runs.seconds_left) is not None:
                left.append(seconds)

        runs.measure_rounds(note, lambda: None)
        assert runs.seconds_left == 0.0
    assert len(left) > TURNS and left[-1] < left[0]


def test_what_is_loaded_together_has_to_fit_together(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    alone = shortage([MANIFEST], 384, Path("/nowhere"))
    assert alone is None, "nothing is known"
    (tmp_path / "proc/meminfo").write_text("MemAvailable: 0 kB\n")
    lacking = shortage([MANIFEST], 384, tmp_path)
    assert lacking is not None
    needed = lacking.needed_bytes
    (tmp_path / "proc/meminfo").write_text(f"MemAvailable: {needed * 3 // 2 // 1024} kB\n")
    assert shortage([MANIFEST], 384, tmp_path) is None
    together = shortage([MANIFEST, MANIFEST], 384, tmp_path)
    assert together is not None and together.needed_bytes == 2 * needed


def test_the_command_takes_turns_and_says_if_they_are_fewer(
    agent: Agent, three_bundles: list[Path], questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", *three_bundles, "--questions", questions, "--to-file", out, "--warmup", "1")
    ended = agent(*command, "--rounds", "2", "--limit", "45,two=13", "--turns", "9")
    assert ended.returncode == 0, ended.stderr
    assert "6 turns in a round instead of 9: a round has 6 questions of a bundle" in ended.stderr
    runs = read_runs(out)
    asked = {title_of(records): per_round(records) for records in runs.values()}
    assert [len(ids) for ids in asked["Two"]] == [7, 6] and [len(ids) for ids in asked["One"]] == [23, 22]
    for more, fewer in zip(asked["One"], asked["Two"], strict=True):
        assert set(fewer) < set(more)
        # Both runs ask a question in the same one of the six turns.
        assert [more.index(one) * 6 // len(more) for one in fewer[-5:]] == [1, 2, 3, 4, 5]
    starts = [r for records in runs.values() for r in records if isinstance(r, RoundStarted)]
    assert len(starts) == 6


def test_turns_are_for_single_stream(agent: Agent, tiny_bundle: Path, questions: Path) -> None:
    command = ("run", tiny_bundle, "--questions", questions, "--to-file", "out.jsonl")
    ended = agent(*command, "--scenario", "offline", "--turns", "3")
    assert ended.returncode == 2
    assert "--turns needs --scenario single-stream" in ended.stderr


def test_each_turn_begins_with_questions_that_are_not_recorded(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the turns of others, the first questions take longer."""
    asked: dict[int, list[tuple[str, ...]]] = {}
    ask = WorkerProcess.ask

    def noting(
        self: WorkerProcess, questions: Sequence[Question], *others: object, **named: object
    ) -> object:
        asked.setdefault(self.pid, []).append(tuple(question.id for question in questions))
        return ask(self, questions, *others, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkerProcess, "ask", noting)
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        measure(in_turns, state, [])
        runs = by_run(state.outbox)
    answers = [record for records in runs.values() for record in records if isinstance(record, Answer)]
    assert len(answers) == 3 * 60
    shortest = tuple(question.id for question in by_length(in_turns[0].questions)[::-1])
    assert len(asked) == 3 * 5, "a worker for each bundle and round"
    for orders in asked.values():
        waking = [ids == shortest for ids in orders]
        turns = [place for place in range(1, len(orders)) if waking[place - 1] and not waking[place]]
        assert [len(orders[place]) for place in turns] == [3] * TURNS
        assert all(waking[turns[0] - 1 : place].count(False) == turn for turn, place in enumerate(turns))


def test_waking_lasts_as_long_as_it_should_with_a_fast_model(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The few questions of a run are repeated."""
    plan = plans[0]._replace(questions=plans[0].questions[:10], settings=replace(plans[0].settings, rounds=1))
    asked: list[float] = []
    ask = WorkerProcess.ask

    def noting(self: WorkerProcess, *arguments: object, **named: object) -> object:
        begun = time.monotonic()
        answered = ask(self, *arguments, **named)  # type: ignore[arg-type]
        asked.append(time.monotonic() - begun)
        return answered

    monkeypatch.setattr(WorkerProcess, "ask", noting)
    monkeypatch.setattr(round_module, "WAKING_SECONDS", 1.0)
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        Run(plan, state.outbox, state.stop).measure(lambda _: None)
    assert sum(asked[2:-1]) >= 0.5, "after the first question and the warm-up, before those that are recorded"


def test_no_worker_is_left_when_a_command_is_interrupted(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[WorkerProcess] = []
    enter = WorkerProcess.__enter__

    def noting(self: WorkerProcess) -> WorkerProcess:
        started.append(self)
        return enter(self)

    monkeypatch.setattr(WorkerProcess, "__enter__", noting)

    def interrupt(progress: Progress) -> None:
        if progress.preparing is None:
            raise Stopped(signal.SIGINT)

    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        runs = Runs(in_turns, state, said.append, resume=True)
        with pytest.raises(Stopped) as caught:
            runs.measure_rounds(interrupt, lambda: None)
        assert len(started) == 3, "all were loaded"
        assert all(worker._process.poll() is not None for worker in started), (
            "also while the error is looked at"
        )
    assert caught.value is not None
    assert len([line for line in said if "the same command resumes from here" in line]) == 1


def test_a_run_that_is_rolled_back_in_a_turn_starts_over(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        append, commits = state.outbox.append, 0

        def forgetful(place: Place, *others: object) -> object:
            nonlocal commits
            commits += 1
            if commits == 25:
                raise OutboxRolledBack(f"run {place.run_id[:8]} starts over: another board has a copy")
            return append(place, *others)  # type: ignore[arg-type]

        monkeypatch.setattr(state.outbox, "append", forgetful)
        said: list[str] = []
        finished, _ = measure(in_turns, state, said)
        ended = {last.answered for last in finished}
        runs = [records for records in by_run(state.outbox).values() if isinstance(records[-1], RunFinished)]
    assert [last.status for last in finished] == ["complete"] * 3 and ended == {60}
    assert any("starts over" in line for line in said)
    assert len(runs) == 3
    for records in runs:
        check(records, plan_of(records, in_turns))


@pytest.mark.proof
def test_runs_that_may_not_end_yet_have_turns_in_further_rounds(in_turns: list[Plan], tmp_path: Path) -> None:
    longer = [plan._replace(settings=replace(plan.settings, min_seconds=3.0)) for plan in in_turns]
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        finished, _ = measure(longer, state, [])
        runs = by_run(state.outbox)
    for last in finished:
        assert last.status == "complete" and last.elapsed_ns >= 3_000_000_000
    for records in runs.values():
        numbers = [record.round for record in records if isinstance(record, RoundStarted)]
        assert numbers == list(range(len(numbers)))
        assert all(len(ids) <= 12 for ids in per_round(records))


def _little_memory(manifests: Sequence[object], _: int) -> Shortage | None:
    return Shortage(len(manifests) * 10**9, 10**9, "the machine's memory") if len(manifests) > 1 else None


def test_without_the_memory_the_bundles_of_a_round_are_loaded_one_after_the_other(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a run is does not depend on the memory of the moment: it is resumed with more of it."""
    alive = most = 0
    enter, leave = WorkerProcess.__enter__, WorkerProcess.__exit__

    def entered(self: WorkerProcess) -> WorkerProcess:
        nonlocal alive, most
        alive += 1
        most = max(most, alive)
        return enter(self)

    def left(self: WorkerProcess, *error: object) -> None:
        nonlocal alive
        alive -= 1
        leave(self, *error)  # type: ignore[arg-type]

    def interrupt(progress: Progress) -> None:
        if progress.place == (3, 5) and progress.preparing is None:
            raise Stopped(signal.SIGTERM)

    monkeypatch.setattr(WorkerProcess, "__enter__", entered)
    monkeypatch.setattr(WorkerProcess, "__exit__", left)
    said: list[str] = []
    with monkeypatch.context() as small:
        small.setattr(runs_module, "shortage", _little_memory)
        with opened_state(tmp_path / "state", "device", said.append) as state, pytest.raises(Stopped):
            measure(in_turns, state, said, interrupt)
    sentence = (
        "bundles have the turns of this round one after the other, since all models cannot be loaded "
        "together: about 3000 MB are needed, but only 1000 MB of the machine's memory are left"
    )
    assert said.count(sentence) == 1, "not once per round"
    assert most == 1
    with opened_state(tmp_path / "state", "device", said.append) as state:
        finished, _ = measure(in_turns, state, said)
        runs = by_run(state.outbox)
    assert most == 3, "in the rounds that had the memory"
    assert len(runs) == 3 and [last.status for last in finished] == ["complete"] * 3
    for records in runs.values():
        check(records, plan_of(records, in_turns))
        starts = {record.round: record.remarks for record in records if isinstance(record, RoundStarted)}
        assert sentence in starts[0] and sentence not in starts[4]


def test_who_ignores_the_memory_loads_all(
    in_turns: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs_module, "shortage", _little_memory)
    loaded: list[int] = []
    seen: set[tuple[str | None, str]] = set()

    def note(progress: Progress) -> None:
        if progress.preparing is None and (progress.round, progress.title) not in seen:
            seen.add((progress.round, progress.title))
            loaded.append(progress.answered)

    said: list[str] = []
    with opened_state(tmp_path / "state", "device", said.append) as state:
        measure([plan._replace(ignore_memory=True) for plan in in_turns], state, said, note)
        runs = by_run(state.outbox)
    assert not any(ONE_AFTER_THE_OTHER in line for line in said)
    assert len(runs) == 3 and loaded[:3] == [3, 3, 3], "all had their first turn before any had its second"


@pytest.mark.parametrize(("turns", "has_meter"), [(1, True), (2, False)])
def test_energy_is_measured_without_turns_only(turns: int, has_meter: bool) -> None:
    found = meter_of(replace(SETTINGS, turns=turns), BOARDS / "server")
    assert (found is not None) == has_meter


class _Machine:
    """A machine whose counters of energy and of throttling rise with each order to a worker."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self._joules = root / "sys/class/powercap/intel-rapl:0/energy_uj"
        self._throttled = root / "sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"
        for file, content in ((self._joules, 0), (self._throttled, 0)):
            file.parent.mkdir(parents=True)
            file.write_text(str(content))
        (self._joules.parent / "name").write_text("package-0")
        (self._joules.parent / "max_energy_range_uj").write_text(str(10**12))
        ask = WorkerProcess.ask

        def using(worker: WorkerProcess, *arguments: object, **named: object) -> object:
            recorded = "batch_size" in named
            self._raise(self._joules, 1_000_000)
            self._raise(self._throttled, 0 if recorded else 1)
            return ask(worker, *arguments, **named)  # type: ignore[arg-type]

        monkeypatch.setattr(WorkerProcess, "ask", using)

    @staticmethod
    def _raise(file: Path, step: int) -> None:
        file.write_text(str(int(file.read_text()) + step))


def test_what_happens_before_the_recorded_questions_of_a_turn_is_not_theirs(
    plans: list[Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the energy of the questions that wake the worker, nor a processor throttled before."""
    machine = _Machine(tmp_path / "machine", monkeypatch)
    with opened_state(tmp_path / "state", "device", lambda _: None) as state:
        last = Run(plans[0], state.outbox, state.stop, root=machine.root).measure(lambda _: None)
        (records,) = by_run(state.outbox).values()
    assert last.status == "complete"
    joules = [record.energy_joules for record in records if isinstance(record, Sample)]
    assert joules == [1.0] * 5, "one order of 12 questions in each round"
    assert not any(record.marks for record in records if isinstance(record, Answer))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--rounds", "1"), "1 turn in a round instead of 6: that needs at least 2 rounds"),
        (
            ("--rounds", "2", "--limit", "12", "--turns", "9", "--ignore-memory"),
            "6 turns in a round instead of 9: a round has 6 questions of a bundle",
        ),
    ],
)
def test_the_command_says_why_there_are_fewer_turns(
    agent: Agent,
    three_bundles: list[Path],
    questions: Path,
    tmp_path: Path,
    options: tuple[str, ...],
    sentence: str,
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", *three_bundles, "--questions", questions, "--to-file", out, "--warmup", "0")
    ended = agent(*command, "--turns", "6", "--limit", "6", *options)
    assert ended.returncode == 0, ended.stderr
    assert sentence in ended.stderr
    assert (", 6 turns in each: " in ended.stderr) == sentence.startswith("6 turns")


def test_a_single_bundle_has_one_turn_and_the_command_says_so(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    ended = agent("run", tiny_bundle, "--questions", questions, "--to-file", out, "--turns", "2")
    assert ended.returncode == 0, ended.stderr
    assert "1 turn in a round instead of 2: no other bundle is measured" in ended.stderr
