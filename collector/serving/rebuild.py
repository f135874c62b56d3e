"""Computes derived data again from the raw rows; the result is the same bytes if nothing was damaged.

BERTScores are kept: they need their model, and are computed once in the life of a database.
"""

import numpy as np

from collector.comparison.compare import compare
from collector.scoring.golds import drop_scores
from collector.store.database import Store
from collector.summaries.refresh import Progress, score_answers
from contract.messages import SeqRange

_RECORDS = """
SELECT 0 FROM runs WHERE stream = ?1 UNION ALL SELECT seq FROM answers WHERE stream = ?1
UNION ALL SELECT seq FROM samples WHERE stream = ?1 UNION ALL SELECT seq FROM finishes WHERE stream = ?1
"""


def rebuild(store: Store, progress: Progress) -> int:
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
    score_answers(store, progress)
    compare(store)
    return len(streams)


def _correct_ranges(store: Store, stream: int) -> None:
    with store.reading():
        correct = _ranges(store, stream) == _stored_ranges(store, stream)
    if not correct:
        with store.writing() as conn:
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
