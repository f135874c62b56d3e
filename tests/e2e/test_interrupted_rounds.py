"""Three bundles in five rounds, interrupted again and again: the rows are those of an undisturbed command."""

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contract.messages import Batch, decode_message
from contract.records import Answer, Record, RoundFinished, RoundStarted, RunFinished, RunResumed, RunStarted
from tests.e2e.programs import QUESTIONS, run

ROUNDS, LIMIT = 5, 60
AGENT = """
import os, signal, sys
from agent.cli import main
from agent.outbox import state_folder
from agent.outbox.outbox import Outbox
from agent.running import round, runs
from agent.worker import process
from agent.worker.protocol import Ask, LoadBundle

round.CHUNK_QUESTIONS = 5  # several chunks in a round
moment, left, number = sys.argv[1], int(sys.argv[2]), signal.Signals[sys.argv[3]]
del sys.argv[1:4]
send, remarks = process.send, runs.remarks

def strike(now):
    global left
    left -= now == moment
    if now == moment and left == 0:
        os.kill(os.getpid(), number)

def sending(pipe, order):
    send(pipe, order)
    if isinstance(order, LoadBundle):
        strike("load")
    elif isinstance(order, Ask) and 1 < len(order.questions) <= round.CHUNK_QUESTIONS:
        strike("chunk")

def looking():
    strike("between")
    return remarks()

class Ending(Outbox):
    def append_together(self, added, at):
        if len(added) > 1:
            strike("end")
        super().append_together(added, at)

process.send, runs.remarks, state_folder.Outbox = sending, looking, Ending
sys.exit(main())
"""
"""The agent, which gets a signal at one moment: while a worker loads or computes, between two turns or before
the last records."""

INTERRUPTIONS = (
    ("load", 2, signal.SIGKILL),
    ("chunk", 4, signal.SIGINT),
    ("between", 3, signal.SIGTERM),
    ("load", 3, signal.SIGINT),
    ("chunk", 8, signal.SIGKILL),
    ("between", 4, signal.SIGKILL),
    ("end", 1, signal.SIGKILL),
)


def measure(arguments: Sequence[str | Path], moment: str = "never", count: int = 0, number: int = 0) -> str:
    """Run the agent; it ends as the signal says. Returns its messages."""
    name = signal.Signals(number).name if number else "SIGTERM"
    done = subprocess.run(
        [sys.executable, "-c", AGENT, moment, str(count), name, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    expected = -number if number == signal.SIGKILL else 128 + number if number else 0
    assert done.returncode == expected, done.stderr
    return done.stderr


def runs_of(results: Path) -> dict[str, list[Record]]:
    """The records of each run in a file of results, by the title of its bundle."""
    found: dict[str, list[Record]] = {}
    for line in results.read_bytes().splitlines():
        batch = decode_message(line)
        assert isinstance(batch, Batch)
        found.setdefault(batch.run_id, []).extend(batch.records)
    titled = {}
    for records in found.values():
        assert isinstance(records[0], RunStarted)
        titled[f"{records[0].bundle.title} {records[0].bundle.precision}"] = records
    assert len(titled) == len(found), "each bundle has one run"
    return titled


def check_complete(records: list[Record]) -> list[list[str]]:
    """Check that nothing is missing in a run; returns the questions of each round."""
    assert [record.seq for record in records] == list(range(len(records)))
    started, *middle, last = records
    assert isinstance(started, RunStarted) and started.epoch
    assert isinstance(last, RunFinished) and last.status == "complete"
    assert (last.answered, last.errors) == (LIMIT, 0)
    epochs = [started.epoch, *(record.epoch for record in middle if isinstance(record, RunResumed))]
    assert len(set(epochs)) == len(epochs)
    asked: list[list[str]] = []
    now: int | None = None
    for record in middle:
        if isinstance(record, RunResumed):
            now = None
        elif isinstance(record, RoundStarted):
            assert now is None, "the round before has ended, or its process"
            now = record.round
            assert record.load_ns > 0 and record.first_ns
            if now == len(asked):
                asked.append([])
            assert now == len(asked) - 1
        elif isinstance(record, RoundFinished):
            assert record.round == now and record.peak_rss_bytes
            now = None
        elif isinstance(record, Answer):
            assert now is not None and record.error is None and record.repeat == 0
            asked[now].append(record.question_id)
    assert now is None
    ends = [record.round for record in middle if isinstance(record, RoundFinished)]
    assert ends == list(range(ROUNDS))
    assert [len(ids) for ids in asked] == [LIMIT // ROUNDS] * ROUNDS
    return asked


def rows_of(results: Path, database: Path) -> dict[str, dict[str, Any]]:
    """The rows of the report on a file of results, by model and precision."""
    run("collector", "questions", "add", QUESTIONS, "--db", database)
    run("collector", "ingest", results, "--db", database)
    states = json.loads(run("collector", "runs", "--json", "--db", database))
    assert [row["state"] for row in states] == ["complete"] * 3
    report = json.loads(run("collector", "report", "--format", "json", "--db", database))
    return {f"{row['model']} {row['precision']}": row for row in report["rows"]}


@pytest.mark.proof
@pytest.mark.timeout(600)
def test_an_interrupted_command_gives_the_rows_of_an_undisturbed_one(
    tiny_bundle: Path, tiny_bundle_int8: Path, reader_bundle_int8: Path, tmp_path: Path
) -> None:
    def command(name: str) -> list[str | Path]:
        bundles = (tiny_bundle, tiny_bundle_int8, reader_bundle_int8)
        results = ("--to-file", tmp_path / f"{name}.jsonl", "--state-dir", tmp_path / name)
        options = ("--limit", str(LIMIT), "--rounds", str(ROUNDS), "--warmup", "2", "--device-id", "board")
        return ["run", *bundles, "--questions", QUESTIONS, *results, *options, "--threads", "1"]

    measure(command("whole"))
    for interruption in INTERRUPTIONS:
        said = measure(command("cut"), *interruption)
        assert interruption[2] == signal.SIGKILL or "the same command resumes from here" in said
    assert not (tmp_path / "cut.jsonl").exists()
    measure(command("cut"))

    whole, cut = (runs_of(tmp_path / f"{name}.jsonl") for name in ("whole", "cut"))
    assert whole.keys() == cut.keys() and len(whole) == 3
    for title in whole:
        assert check_complete(whole[title]) == check_complete(cut[title])
        assert not any(isinstance(record, RunResumed) for record in whole[title])
    resumed = sum(isinstance(record, RunResumed) for records in cut.values() for record in records)
    assert resumed >= len(INTERRUPTIONS)

    rows = {name: rows_of(tmp_path / f"{name}.jsonl", tmp_path / f"{name}.db") for name in ("whole", "cut")}
    assert rows["whole"].keys() == rows["cut"].keys() and len(rows["cut"]) == 3
    for name, row in rows["whole"].items():
        other = rows["cut"][name]
        for field in ("runs", "answered", "selected", "partial", "errors", "exact_match", "f1"):
            assert row[field] == other[field], (name, field)
        # Other programs may use the machine meanwhile, which changes times far more than memory.
        for field, most in (("p50_ms", 5), ("load_ms", 20), ("first_ms", 20), ("peak_rss_bytes", 1.5)):
            assert 1 / most < row[field] / other[field] < most, (name, field)
