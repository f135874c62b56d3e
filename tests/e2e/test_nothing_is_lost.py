"""Collector and broker die in the middle of a run and come back: every answer arrives, once, unchanged."""

import json
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.e2e.programs import QUESTIONS, Collector, command, run, wait_until
from tests.mosquitto import Mosquitto

pytestmark = [pytest.mark.broker, pytest.mark.proof]


def test_killing_collector_and_broker_loses_nothing(
    broker: Mosquitto, reader_bundle: Path, tmp_path: Path
) -> None:
    collector = Collector(tmp_path, "--broker", broker.url)
    collector.start()
    where = ("--broker", broker.url, "--state-dir", tmp_path / "agent")
    agent = subprocess.Popen(
        command("agent", "run", reader_bundle, "--questions", QUESTIONS, *where), stderr=subprocess.PIPE
    )
    try:
        wait_until(lambda: collector.answers() > 20, "the first answers arrive")
        collector.kill()
        collector.start()
        arrived = collector.answers()
        wait_until(lambda: collector.answers() > arrived + 20, "answers arrive after the collector's death")
        broker.kill()
        broker.start()
        _, said = agent.communicate(timeout=240)
    finally:
        agent.kill()
    assert agent.returncode == 0, said.decode()
    collector.stop()
    left = json.loads(run("agent", "status", "--json", "--state-dir", tmp_path / "agent"))
    assert (left["pending"], left["dropped"]) == (0, 0), said.decode()

    expected = tmp_path / "undisturbed.jsonl"
    run("agent", "run", reader_bundle, "--questions", QUESTIONS, "--to-file", expected)
    assert stored_answers(collector.database) == sorted(answers_in(expected))
    (row,) = json.loads(run("collector", "report", "--format", "json", "--db", collector.database))["rows"]
    assert row["answered"] == row["selected"] == 334


def stored_answers(database: Path) -> list[tuple[str, str]]:
    connection = sqlite3.connect(database)
    try:
        return connection.execute("SELECT question_id, text FROM answers ORDER BY 1, 2").fetchall()
    finally:
        connection.close()


def answers_in(file: Path) -> list[tuple[str, str]]:
    records = [r for line in file.read_text().splitlines() for r in json.loads(line)["records"]]
    return [(r["question_id"], r["text"]) for r in records if r["type"] == "answer"]
