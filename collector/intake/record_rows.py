"""Records of the contract as rows of the database."""

import sqlite3
from collections.abc import Iterable
from typing import Any, Final

from contract.codec import encode
from contract.records import (
    Answer,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
)

Row = dict[str, Any]
"""The values of one row by column."""

TABLES: Final = ("runs", "answers", "samples", "round_starts", "round_finishes", "resumes", "finishes")
"""The tables of records: every record is in one of them."""


def insert(conn: sqlite3.Connection, stream: int, records: Iterable[Record]) -> None:
    """Insert records that are not stored yet, within the caller's transaction."""
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    for record in records:
        match record:
            case Answer():
                rows["answers"].append(_answer(stream, record))
            case Sample():
                rows["samples"].append(_sample(stream, record))
            case RoundStarted():
                rows["round_starts"].append(_round_start(stream, record))
            case RoundFinished():
                rows["round_finishes"].append(_round_finish(stream, record))
            case RunResumed():
                rows["resumes"].append(_resume(stream, record))
            case RunStarted():
                rows["runs"].append(_run(stream, record))
            case RunFinished():
                rows["finishes"].append(_finish(stream, record))
    for table, made in rows.items():
        if made:
            columns, places = ", ".join(made[0]), ", ".join("?" * len(made[0]))
            sql = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608  # our own names
            conn.executemany(sql, (tuple(row.values()) for row in made))


def _run(stream: int, r: RunStarted) -> Row:
    return {
        "stream": stream,
        "started_at": r.started_at,
        "clock_synchronised": r.clock_synchronised,
        "model": r.bundle.model,
        "title": r.bundle.title,
        "precision": r.bundle.precision,
        "layers": r.bundle.architecture.layers,
        "parameters": r.bundle.parameters,
        "weights_origin": r.bundle.weights.origin,
        "bundle_sha256": r.bundle_sha256,
        "bundle": encode(r.bundle).decode(),
        "hardware_class": r.device.hardware_class,
        "device": encode(r.device).decode(),
        "questions_name": r.questions.name,
        "questions_sha256": r.questions.sha256,
        "questions_total": r.questions.total,
        "questions_selected": r.questions.selected,
        "settings": encode(r.settings).decode(),
        "remarks": encode(r.remarks).decode(),
        "thread_trials": encode(r.thread_trials).decode(),
        "epoch": r.epoch,
    }


def _answer(stream: int, r: Answer) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "question_id": r.question_id,
        "repeat": r.repeat,
        "at_ns": r.at_ns,
        "text": r.text,
        "start_char": r.start_char,
        "end_char": r.end_char,
        "confidence": r.confidence,
        "tokenize_ns": r.tokenize_ns,
        "infer_ns": r.infer_ns,
        "decode_ns": r.decode_ns,
        "windows": r.windows,
        "tokens": r.tokens,
        "marks": ",".join(r.marks) or None,
        "error": r.error,
        "waited_ns": r.waited_ns,
    }


def _sample(stream: int, r: Sample) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "at_ns": r.at_ns,
        "temperature_celsius": r.temperature_celsius,
        "clock_hz": r.clock_hz,
        "throttle": ",".join(r.throttle) or None,
        "worker_rss_bytes": r.worker_rss_bytes,
        "energy_joules": r.energy_joules,
    }


def _round_start(stream: int, r: RoundStarted) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "round": r.round,
        "at_ns": r.at_ns,
        "load_ns": r.load_ns,
        "first_ns": r.first_ns,
        "remarks": encode(r.remarks).decode(),
    }


def _round_finish(stream: int, r: RoundFinished) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "round": r.round,
        "at_ns": r.at_ns,
        "peak_rss_bytes": r.peak_rss_bytes,
    }


def _resume(stream: int, r: RunResumed) -> Row:
    return {"stream": stream, "seq": r.seq, "epoch": r.epoch, "resumed_at": r.resumed_at}


def _finish(stream: int, r: RunFinished) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "status": r.status,
        "reason": r.reason,
        "answered": r.answered,
        "errors": r.errors,
        "elapsed_ns": r.elapsed_ns,
        "load_ns": r.load_ns,
        "first_ns": r.first_ns,
        "peak_rss_bytes": r.peak_rss_bytes,
        "energy_source": r.energy_source,
        "finished_at": r.finished_at,
        "outcome": None if r.outcome is None else encode(r.outcome).decode(),
    }
