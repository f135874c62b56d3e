"""The answers whose time is reported are the answers that are scored: one record all the way."""

import json
import math
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from contract.questions import decode_questions
from contract.records import Answer, Record
from contract.squad_metrics import score
from tests.agent.collector import FakeCollector
from tests.e2e.programs import QUESTIONS, Collector, run
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

QUESTIONS_ASKED = 25


@pytest.mark.proof
def test_what_was_timed_is_what_is_sent_stored_and_scored(
    broker: Mosquitto, reader_bundle: Path, tmp_path: Path
) -> None:
    state = tmp_path / "agent"
    where = ("--broker", broker.url, "--state-dir", state)
    asked = ("--questions", QUESTIONS, "--limit", str(QUESTIONS_ASKED))
    run("agent", "run", reader_bundle, *asked, *where, "--flush-seconds", "0")
    kept = in_the_outbox(state / "outbox.db")
    assert len(kept) == len({answer.question_id for answer in kept}) == QUESTIONS_ASKED

    collector = Collector(tmp_path, "--broker", broker.url)
    collector.start()
    with FakeCollector(broker.port, silent=True) as wire:
        run("agent", "flush", *where)
        collector.stop()
        wire.wait_for(lambda: sum(isinstance(r, Answer) for r in wire.records.values()) == QUESTIONS_ASKED)
    assert [r for _, r in sorted(wire.records.items()) if isinstance(r, Answer)] == kept
    assert in_the_database(collector.database) == kept

    run("collector", "questions", "add", QUESTIONS, "--db", collector.database)
    said = run("collector", "report", "--format", "json", "--db", collector.database)
    (row,) = json.loads(said)["rows"]
    golds = {
        q.id: [gold.text for gold in q.golds] for q in decode_questions(QUESTIONS.read_bytes()).questions
    }
    scores = [score(answer.text, golds[answer.question_id]) for answer in kept]
    assert sum(one.exact_match for one in scores) > 0, "this reader can read"
    assert row["exact_match"] == pytest.approx(100 * mean([one.exact_match for one in scores]))
    assert row["f1"] == pytest.approx(100 * mean([one.f1 for one in scores]))
    times = sorted(a.tokenize_ns + a.infer_ns + a.decode_ns for a in kept if not a.marks)
    for percent in (50, 90):
        expected = times[math.ceil(percent / 100 * len(times)) - 1]
        assert row[f"p{percent}_ms"] == pytest.approx(expected / 1e6)


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def in_the_outbox(path: Path) -> list[Answer]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        bodies = db.execute("SELECT body FROM records ORDER BY seq").fetchall()
    records = [msgspec.json.decode(body, type=Record) for (body,) in bodies]
    return [record for record in records if isinstance(record, Answer)]


def in_the_database(path: Path) -> list[Answer]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        db.row_factory = sqlite3.Row
        rows = [dict(row) for row in db.execute("SELECT * FROM answers ORDER BY seq")]
    for row in rows:
        row.pop("stream")
        row["marks"] = tuple(row["marks"].split(",")) if row["marks"] else ()
    return [msgspec.convert(row, Answer) for row in rows]
