"""Records of the contract as rows of the database."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from contract.records import Answer, Record, RunFinished, RunStarted, Sample

_INSERT_RUN: Final = "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_ANSWER: Final = "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_SAMPLE: Final = "INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_FINISH: Final = "INSERT INTO finishes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


def insert(conn: sqlite3.Connection, stream: int, records: Iterable[Record]) -> None:
    """Insert records that are not stored yet, within the caller's transaction."""
    answers: list[tuple[Any, ...]] = []
    samples: list[tuple[Any, ...]] = []
    for record in records:
        match record:
            case Answer():
                answers.append(_answer(stream, record))
            case Sample():
                samples.append(_sample(stream, record))
            case RunStarted():
                conn.execute(_INSERT_RUN, _run(stream, record))
            case RunFinished():
                conn.execute(_INSERT_FINISH, _finish(stream, record))
    conn.executemany(_INSERT_ANSWER, answers)
    conn.executemany(_INSERT_SAMPLE, samples)


def _run(stream: int, r: RunStarted) -> tuple[Any, ...]:
    return (
        stream,
        r.started_at,
        r.clock_synchronised,
        r.bundle.model,
        r.bundle.title,
        r.bundle.precision,
        r.bundle.architecture.layers,
        r.bundle.parameters,
        r.bundle.weights.origin,
        r.bundle_sha256,
        _json(r.bundle),
        r.device.hardware_class,
        _json(r.device),
        r.questions.name,
        r.questions.sha256,
        r.questions.total,
        r.questions.selected,
        _json(r.settings),
        _json(r.remarks),
        _json(r.thread_trials),
    )


def _answer(stream: int, r: Answer) -> tuple[Any, ...]:
    return (
        stream,
        r.seq,
        r.question_id,
        r.repeat,
        r.at_ns,
        r.text,
        r.start_char,
        r.end_char,
        r.confidence,
        r.tokenize_ns,
        r.infer_ns,
        r.decode_ns,
        r.windows,
        r.tokens,
        ",".join(r.marks) or None,
        r.error,
        r.waited_ns,
    )


def _sample(stream: int, r: Sample) -> tuple[Any, ...]:
    return (
        stream,
        r.seq,
        r.at_ns,
        r.temperature_celsius,
        r.clock_hz,
        ",".join(r.throttle) or None,
        r.worker_rss_bytes,
        r.energy_joules,
    )


def _finish(stream: int, r: RunFinished) -> tuple[Any, ...]:
    return (
        stream,
        r.seq,
        r.status,
        r.reason,
        r.answered,
        r.errors,
        r.elapsed_ns,
        r.load_ns,
        r.first_ns,
        r.peak_rss_bytes,
        r.energy_source,
        r.finished_at,
        None if r.outcome is None else _json(r.outcome),
    )


def _json(value: object) -> str:
    return msgspec.json.encode(value, order="deterministic").decode()
