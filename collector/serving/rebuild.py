"""Computes derived data again from the raw rows; the result is the same bytes if nothing was damaged.

BERTScores are kept: they need their model, and are computed once in the life of a database.
"""

from typing import Final

import numpy as np

from collector.comparison.compare import compare
from collector.intake.record_rows import TABLES
from collector.scoring.golds import drop_scores
from collector.store.database import Store
from collector.summaries.refresh import Progress, score_answers
from collector.workers.workers import Workers
from contract.messages import SeqRange

_RECORDS: Final = " UNION ALL ".join(
    f"SELECT {'0' if table == 'runs' else 'seq'} FROM {table} WHERE stream = ?1"  # noqa: S608  # our own names
    for table in TABLES
)


def rebuild(store: Store, progress: Progress, workers: Workers | None = None) -> int:
    """Compute ranges, scores, columns and findings again, in small transactions; returns the number of runs.

    Reports and ingest may run meanwhile.
    """
    streams = [stream for (stream,) in store.tuples("SELECT stream FROM streams ORDER BY stream")]
    for stream in streams:
        _correct_ranges(store, stream)
        with store.deriving():
            drop_scores(store, stream)
    with store.writing() as conn:
        conn.execute("DELETE FROM findings")
    score_answers(store, progress, workers)
    compare(store, workers=workers)
    return len(streams)


def _correct_ranges(store: Store, stream: int) -> None:
    with store.reading():
        correct = _ranges(store, stream) == _stored_ranges(store, stream)
    if not correct:
        run_id = store.value("SELECT run_id FROM streams WHERE stream = ?", stream)
        with store.writing() as conn:
            conn.lock_runs([run_id])
            conn.execute("DELETE FROM ranges WHERE stream = ?", (stream,))
            rows = ((stream, *pair) for pair in _ranges(store, stream))
            conn.executemany("INSERT INTO ranges VALUES (?, ?, ?)", rows)


def _ranges(store: Store, stream: int) -> list[SeqRange]:
    seqs = np.sort(np.array([seq for (seq,) in store.tuples(_RECORDS, stream)], np.int64))
    if not len(seqs):
        return []
    breaks = np.flatnonzero(np.diff(seqs) != 1)
    firsts, lasts = seqs[np.append(0, breaks + 1)], seqs[np.append(breaks, len(seqs) - 1)]
    return list(zip(firsts.tolist(), lasts.tolist(), strict=True))


def _stored_ranges(store: Store, stream: int) -> list[SeqRange]:
    return [
        (first, last)
        for first, last in store.tuples(
            "SELECT first_seq, last_seq FROM ranges WHERE stream = ? ORDER BY first_seq", stream
        )
    ]
