"""Records of the contract as rows of the database."""

import sqlite3
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from contract.bundle import decode_manifest
from contract.codec import encode
from contract.device import Device
from contract.errors import ContractError
from contract.records import (
    Answer,
    Canary,
    Outcome,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    Sample,
    Settings,
    ThreadTrial,
)

Row = dict[str, Any]
"""The values of one row by column."""

TABLES: Final = (
    *("runs", "answers", "canaries", "samples"),
    *("round_starts", "round_finishes", "resumes", "finishes"),
)
"""The tables of records: every record is in one of them."""
JSON_COLUMNS: Final[dict[str, Callable[[bytes], Any]]] = {
    "bundle": decode_manifest,
    "device": msgspec.json.Decoder(Device).decode,
    "settings": msgspec.json.Decoder(Settings).decode,
    "remarks": msgspec.json.Decoder(tuple[str, ...]).decode,
    "thread_trials": msgspec.json.Decoder(tuple[ThreadTrial, ...]).decode,
    "outcome": msgspec.json.Decoder(Outcome).decode,
}
"""The columns that hold JSON, with the function that decodes it."""


def insert(conn: sqlite3.Connection, stream: int, records: Iterable[Record]) -> None:
    """Insert records that are not stored yet, within the caller's transaction."""
    rows: dict[str, list[Row]] = {table: [] for table in TABLES}
    for record in records:
        table, row = _table_and_row(stream, record)
        rows[table].append(row)
    for table, made in rows.items():
        if made:
            columns, places = ", ".join(made[0]), ", ".join("?" * len(made[0]))
            sql = f"INSERT INTO {table} ({columns}) VALUES ({places})"  # noqa: S608  # our own names
            conn.executemany(sql, (tuple(row.values()) for row in made))


def is_stored(conn: sqlite3.Connection, stream: int, record: Record) -> bool:
    """Return whether this very record is stored under its number, and not another one.

    Values are compared, not bytes: what an older distilbench stored may lack fields that have defaults.
    """
    table, row = _table_and_row(stream, record)
    where = "stream = ?" if table == "runs" else "stream = ? AND seq = ?"
    key = (stream,) if table == "runs" else (stream, record.seq)
    sql = f"SELECT {', '.join(row)} FROM {table} WHERE {where}"  # noqa: S608  # our own names
    found = conn.execute(sql, key).fetchone()
    return found is not None and all(
        stored == value or (column in JSON_COLUMNS and _equal_json(column, stored, value))
        for (column, value), stored in zip(row.items(), found, strict=True)
    )


def _table_and_row(stream: int, record: Record) -> tuple[str, Row]:
    match record:
        case Answer():
            return "answers", _answer(stream, record)
        case Canary():
            return "canaries", _canary(stream, record)
        case Sample():
            return "samples", _sample(stream, record)
        case RoundStarted():
            return "round_starts", _round_start(stream, record)
        case RoundFinished():
            return "round_finishes", _round_finish(stream, record)
        case RunResumed():
            return "resumes", _resume(stream, record)
        case RunStarted():
            return "runs", _run(stream, record)
        case RunFinished():
            return "finishes", _finish(stream, record)


def _equal_json(column: str, stored: str | None, value: str | None) -> bool:
    if stored is None or value is None:
        return False
    decode = JSON_COLUMNS[column]
    try:
        return bool(decode(stored.encode()) == decode(value.encode()))
    except (ContractError, msgspec.MsgspecError, UnicodeError):
        return False


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


def _canary(stream: int, r: Canary) -> Row:
    return {
        "stream": stream,
        "seq": r.seq,
        "question_id": r.question_id,
        "text": r.text,
        "confidence": r.confidence,
        "error": r.error,
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
