"""`agent run` from the outside: what its records contain, whatever happens to it."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from agent.errors import StateUnusable
from agent.outbox.receipted import WRITTEN_ELSEWHERE
from agent.outbox.summary import summarise
from commandline.outcome_text import left_out_line
from contract.messages import Batch, decode_message
from contract.questions import decode_questions
from contract.records import (
    Answer,
    Canary,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
)
from tests.agent.collector import FakeCollector
from tests.agent.conftest import LONG_QUESTIONS, Agent, agent_command, agent_environment
from tests.mosquitto import Mosquitto

SECONDS = 120.0


def read_runs(path: Path) -> dict[str, list[Record]]:
    """The records of each run in a file of results, in the order of the file."""
    runs: dict[str, list[Record]] = {}
    for line in path.read_bytes().splitlines():
        message = decode_message(line)
        assert isinstance(message, Batch)
        runs.setdefault(message.run_id, []).extend(message.records)
    return runs


def check_run(records: list[Record], asked: list[str]) -> RunFinished:
    """Check the laws of a run; returns its last record."""
    assert [record.seq for record in records] == list(range(len(records)))
    started, *between, finished = records
    assert isinstance(started, RunStarted) and isinstance(finished, RunFinished)
    answers = [record for record in between if isinstance(record, Answer)]
    others = (Sample, RunResumed, RoundStarted, RoundFinished)
    assert len(answers) + sum(isinstance(record, others) for record in between) == len(between)
    assert sorted(answer.question_id for answer in answers) == sorted(asked)
    timed = (RoundStarted, Answer, Sample, RoundFinished)
    times = [record.at_ns for record in between if isinstance(record, timed)]
    assert times == sorted(times) and times[-1] <= finished.elapsed_ns
    assert finished.answered + finished.errors == len(answers)
    return finished


def check_left_out(finished: RunFinished, before: int, answers: list[Answer]) -> None:
    """The outcome of the run covers the answers since the interruption only, and a sentence says so."""
    assert finished.outcome is not None and finished.outcome.left_out == before > 0
    since = [answer for answer in answers[before:] if not answer.marks and answer.error is None]
    p90, p99 = finished.outcome.bounds
    assert p90.queries == p99.queries == len(since)
    times = {answer.tokenize_ns + answer.infer_ns + answer.decode_ns for answer in since}
    assert p90.value_ns in times if len(since) >= p90.needed else p90.value_ns is None


def start(state_dir: Path, *arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        agent_command(*arguments), env=agent_environment(state_dir), stderr=subprocess.PIPE, text=True
    )


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, check=False)
    return [int(line) for line in found.stdout.split()]


def ids(questions: Path) -> list[str]:
    return [question.id for question in decode_questions(questions.read_bytes()).questions]


def has_answers(state_dir: Path) -> bool:
    try:
        return summarise(state_dir / "outbox.db").pending > 2
    except StateUnusable:  # it is being made
        return False


def pending(agent: Agent) -> int:
    count: int = json.loads(agent("status", "--json").stdout)["pending"]
    return count


def test_a_run_asks_each_question_once(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    ended = agent("run", tiny_bundle, "--questions", questions, "--to-file", out, "--threads", "1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == ""
    ((_, records),) = read_runs(out).items()
    finished = check_run(records, ids(questions))
    assert finished.status == "complete" and finished.errors == 0
    assert finished.load_ns and finished.first_ns and finished.peak_rss_bytes
    started = records[0]
    assert isinstance(started, RunStarted)
    assert (started.settings.threads, started.settings.limit, started.settings.seed) == (1, None, 0)
    assert (started.questions.total, started.questions.selected) == (60, 60)
    for record in records:
        if isinstance(record, Answer):
            assert record.tokenize_ns > 0 and record.infer_ns > 0 and record.decode_ns > 0
            assert record.windows == 1 and record.tokens > 10
            assert record.text and 0.0 < record.confidence <= 1.0
    assert pending(agent) == 0


def test_runs_are_added_to_the_file(agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    common = ("--questions", questions, "--to-file", out, "--limit", "4")
    assert agent("run", tiny_bundle, tiny_bundle, *common).returncode == 0
    first = out.read_bytes()
    assert agent("run", tiny_bundle, *common, "--seed", "1").returncode == 0
    assert out.read_bytes().startswith(first)
    runs = list(read_runs(out).values())
    orders = [[record.question_id for record in run if isinstance(record, Answer)] for run in runs]
    assert orders[0] == orders[1] != orders[2]


def test_a_question_that_cannot_be_answered_is_recorded(
    agent: Agent, tiny_bundle: Path, tmp_path: Path
) -> None:
    qas = [{"id": "empty", "question": "Who?"}]
    long = [{"id": "long", "question": "why " * 600}, {"id": "good", "question": "Who?"}]
    paragraphs = [{"context": "", "qas": qas}, {"context": "Ada wrote it. " * 50, "qas": long}]
    (tmp_path / "questions.json").write_text(json.dumps({"data": [{"paragraphs": paragraphs}]}))
    out = tmp_path / "results.jsonl"
    ended = agent("run", tiny_bundle, "--questions", tmp_path / "questions.json", "--to-file", out)
    assert ended.returncode == 0
    assert "2 could not be answered" in ended.stderr
    ((_, records),) = read_runs(out).items()
    finished = check_run(records, ["empty", "long", "good"])
    assert (finished.status, finished.answered, finished.errors) == ("complete", 1, 2)
    errors = {r.question_id: r.error for r in records if isinstance(r, Answer)}
    assert errors["empty"] == "the context is empty"
    assert errors["long"] is not None and "the question has 600 tokens" in errors["long"]
    assert errors["good"] is None


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGKILL, -9),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.proof),
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.proof),
    ],
)
def test_an_interrupted_run_goes_on_where_it_was(
    agent: Agent,
    reader_bundle_int8: Path,
    long_questions: Path,
    state_dir: Path,
    tmp_path: Path,
    number: signal.Signals,
    code: int,
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", reader_bundle_int8, "--questions", long_questions, "--to-file", out)
    process = start(state_dir, *command)
    wait_until(lambda: has_answers(state_dir))
    process.send_signal(number)
    _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == code
    assert not out.exists()
    if number != signal.SIGKILL:
        assert "the same command resumes from here" in stderr
    ended = agent(*command)
    assert ended.returncode == 0
    (before,) = map(int, re.findall(rf"continuing after (\d+) of {LONG_QUESTIONS} questions", ended.stderr))
    assert before < LONG_QUESTIONS / 2, "it ends soon, not when it has finished"
    ((_, records),) = read_runs(out).items()
    finished = check_run(records, ids(long_questions))
    assert finished.status == "complete"
    check_left_out(finished, before, [record for record in records if isinstance(record, Answer)])
    assert left_out_line(before) in ended.stderr


def test_a_run_can_be_started_over(
    agent: Agent, reader_bundle_int8: Path, long_questions: Path, state_dir: Path, tmp_path: Path
) -> None:
    out = tmp_path / "results.jsonl"
    command = ("run", reader_bundle_int8, "--questions", long_questions, "--to-file", out)
    process = start(state_dir, *command)
    wait_until(lambda: has_answers(state_dir))
    process.kill()
    process.communicate()
    assert agent(*command, "--no-resume").returncode == 0
    assert len(read_runs(out)) == 1  # what other commands left is not mixed in
    assert agent("flush", "--to-file", out).returncode == 0
    new, old = read_runs(out).values()
    assert check_run(new, ids(long_questions)).status == "complete"
    assert isinstance(old[-1], RunFinished) and old[-1].status == "interrupted"
    assert [record.seq for record in old] == list(range(len(old)))


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGILL])
def test_a_worker_that_dies_is_a_result_and_the_next_bundle_runs(
    reader_bundle: Path,
    tiny_bundle: Path,
    questions: Path,
    state_dir: Path,
    tmp_path: Path,
    number: signal.Signals,
) -> None:
    out = tmp_path / "results.jsonl"
    process = start(state_dir, "run", reader_bundle, tiny_bundle, "--questions", questions, "--to-file", out)
    wait_until(lambda: bool(children(process.pid)))
    os.kill(children(process.pid)[0], number)
    _, stderr = process.communicate(timeout=SECONDS)
    assert process.returncode == 1
    assert number.name in stderr
    first, second = read_runs(out).values()
    failed = first[-1]
    assert isinstance(failed, RunFinished) and failed.status == "failed"
    assert f"was killed by {number.name}" in failed.reason
    assert check_run(second, ids(questions)).status == "complete"


@pytest.mark.broker
def test_results_are_published_while_they_are_made(
    agent: Agent, broker: Mosquitto, reader_bundle_int8: Path, long_questions: Path
) -> None:
    with FakeCollector(broker.port) as collector:
        ended = agent("run", reader_bundle_int8, "--questions", long_questions, "--broker", broker.url)
        assert ended.returncode == 0, ended.stderr
        collector.wait_for(lambda: collector.states[-1].state == "disconnected")
        assert len(collector.batches) > 1
        records = [record for _, record in sorted(collector.records.items())]
    assert check_run(records, ids(long_questions)).status == "complete"
    under_way = [state for state in collector.states if state.run_id is not None]
    assert under_way and under_way[0].selected == LONG_QUESTIONS
    answers = [record for record in records if isinstance(record, Answer)]
    quiet = [answer for answer in answers if "agent_busy" not in answer.marks]
    # A busy machine can make one chunk's wait expensive; an agent that works meanwhile marks all of them.
    assert len(quiet) > len(answers) / 2, "the parent sleeps while the worker computes"
    assert pending(agent) == 0


@pytest.mark.broker
def test_a_killed_agent_is_lost_and_its_results_are_not(
    agent: Agent, broker: Mosquitto, reader_bundle_int8: Path, long_questions: Path, state_dir: Path
) -> None:
    """And when its disk is put back to how it was then, a new run begins, and the old one stays."""
    command = ("run", reader_bundle_int8, "--questions", long_questions, "--broker", broker.url)
    older = state_dir.with_name("older")
    with FakeCollector(broker.port) as collector:
        process = start(state_dir, *command)
        collector.wait_for(lambda: collector.received > 3)
        process.kill()
        process.communicate()
        collector.wait_for(lambda: collector.states[-1].state == "lost")
        assert collector.states[-1].session_id == collector.states[0].session_id
        shutil.copytree(state_dir, older)
        assert agent(*command).returncode == 0
        ((run_id, _), *_) = collector.records
        records = [record for _, record in sorted(collector.records.items())]
        assert check_run(records, ids(long_questions)).status == "complete"
        assert {key[0] for key in collector.records} == {run_id}

        shutil.rmtree(state_dir)
        older.rename(state_dir)
        ended = agent(*command)
        assert ended.returncode == 0, ended.stderr
        assert f": run {run_id[:8]} starts over: {WRITTEN_ELSEWHERE}\n" in ended.stderr
        assert [r for key, r in sorted(collector.records.items()) if key[0] == run_id] == records
        started_over = [record for key, record in sorted(collector.records.items()) if key[0] != run_id]
    finished = check_run(started_over, ids(long_questions))
    assert finished.status == "complete"
    assert finished.outcome is not None and finished.outcome.left_out == 0
    assert pending(agent) == 0


def test_f35_an_outbox_that_is_deleted_under_a_run_is_reported_and_the_run_is_delivered(
    tiny_bundle: Path, long_questions: Path, state_dir: Path, tmp_path: Path
) -> None:
    out, outbox = tmp_path / "out", state_dir / "outbox.db"
    process = start(state_dir, "run", tiny_bundle, "--questions", long_questions, "--to-file", out)

    def measures() -> bool:
        with suppress(StateUnusable):  # while it is being made
            return summarise(outbox).pending > 0
        return False

    wait_until(measures)
    outbox.unlink()
    _, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said
    assert f"the outbox '{outbox}' was moved, deleted or replaced while it was in use: results can be" in said
    (records,) = read_runs(out).values()
    assert check_run(records, ids(long_questions)).status == "complete"


@pytest.mark.broker
def test_without_a_collector_everything_is_kept_and_can_be_sent_later(
    agent: Agent, broker: Mosquitto, tiny_bundle: Path, questions: Path
) -> None:
    common = ("--broker", broker.url, "--flush-seconds", "2")
    ended = agent("run", tiny_bundle, "--questions", questions, "--limit", "5", *common)
    assert ended.returncode == 0
    assert "'agent flush' sends them" in ended.stderr
    waiting = pending(agent)
    assert waiting >= 7
    ended = agent("flush", *common)
    assert ended.returncode == 1
    assert f"{waiting} results stay in the outbox" in ended.stderr
    with FakeCollector(broker.port) as collector:
        ended = agent("flush", "--broker", broker.url)
        assert ended.returncode == 0
        assert f"{waiting} results delivered" in ended.stderr
        assert len(collector.records) == waiting
    assert pending(agent) == 0


def test_canaries_are_recorded_before_the_questions_and_count_in_no_number(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    file = decode_questions(questions.read_bytes())
    ids = [question.id for question in file.questions[:5]]
    canaries, out = tmp_path / "canaries.json", tmp_path / "out.jsonl"
    canaries.write_text(json.dumps({"questions_sha256": file.sha256, "question_ids": ids}))
    done = agent(
        *("run", tiny_bundle, "--questions", questions, "--limit", "20", "--rounds", "2"),
        *("--canary", canaries, "--to-file", out),
    )
    assert done.returncode == 0, done.stderr
    (records,) = read_runs(out).values()
    told = [record for record in records if isinstance(record, Canary)]
    assert [record.question_id for record in told] == ids
    assert [record.seq for record in told] == [2, 3, 4, 5, 6], "after the start of the first round only"
    started, finished = records[0], records[-1]
    assert isinstance(started, RunStarted) and isinstance(finished, RunFinished)
    assert started.questions.selected == finished.answered + finished.errors == 20
    assert sum(isinstance(record, Answer) for record in records) == 20


def test_canaries_of_another_file_measure_nothing(
    agent: Agent, tiny_bundle: Path, questions: Path, tmp_path: Path
) -> None:
    canaries, out = tmp_path / "canaries.json", tmp_path / "out.jsonl"
    canaries.write_text(json.dumps({"questions_sha256": "0" * 64, "question_ids": ["q"]}))
    done = agent("run", tiny_bundle, "--questions", questions, "--canary", canaries, "--to-file", out)
    assert done.returncode == 1
    assert "are of other questions than --questions" in done.stderr
    assert not out.exists() or not out.read_bytes()
