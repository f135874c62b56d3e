"""Keeps the scores and columns of each run up to date. Both can be computed again from the stored rows.

Rows of a run are added but never changed. So its columns are up to date if they were made from as many
records as are stored, with the BERTScores of the BERTScore model that was used last, by the present rules.
"""

import hashlib
from collections import OrderedDict
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from collector.scoring.golds import Golds, score_run
from collector.scoring.withholding import GoldSets
from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.columns import ERROR, MARKED, TIMED, Columns, Keys
from collector.summaries.timeline import RULES, Answered, Timeline, timeline
from contract.codec import encode

COLUMNS_HELD: Final = 12
"""How many runs have their columns in memory; 100,000 answers take a few megabytes."""

ANSWERS_A_PART: Final = 10_000
"""How many answers are written at once: their columns are half a megabyte, written in about 10 ms."""

_TIMELINE: Final = msgspec.json.Decoder(Timeline)
_FIELDS: Final = ", ".join(Columns._fields)

_ANSWERS: Final = """
SELECT question_id, seq, tokenize_ns + infer_ns + decode_ns, error IS NOT NULL, text, exact_match, f1,
    tokens, at_ns, marks
FROM answers LEFT JOIN scores USING (stream, seq)
WHERE stream = ? ORDER BY seq
"""
_BERTSCORES: Final = """
SELECT answers.question_id, answers.text, max(bertscores.f1)
FROM (SELECT DISTINCT question_id, text FROM answers WHERE stream = ? AND error IS NULL) AS answers
JOIN golds ON golds.question_set = ? AND golds.question_id = answers.question_id
JOIN bertscores ON scorer = ? AND candidate = answers.text AND reference = golds.text
GROUP BY answers.question_id, answers.text
"""


class Summary(NamedTuple):
    """The derived data of a run without its columns."""

    digest: str
    """Hash of the columns and the timeline: equal digests mean equal numbers."""
    timeline: Timeline


class _Made(NamedTuple):
    """The summary and the columns of a run, as just computed or read."""

    summary: Summary
    columns: Columns


class Derived:
    """The derived data of a database: read from it if up to date, computed again if not."""

    def __init__(self, store: Store) -> None:
        """Find the BERTScore model that was used last; `store` may be open for reading only."""
        self.scorer: int | None = store.value(
            "SELECT scorer FROM bertscore_models ORDER BY last_used_at DESC, scorer DESC LIMIT 1"
        )
        self.sets = GoldSets(store)
        self._store = store
        self._golds = Golds(store)
        self._keys = Keys()
        self._summaries: dict[int, Summary] = {}
        self._held: OrderedDict[int, Columns] = OrderedDict()

    def summary(self, run: Run) -> Summary:
        """Return the summary of a run, computed if the stored one is out of date."""
        if run.stream not in self._summaries:
            row = self._stored(run, "digest, course")
            if row is None:
                self._hold(run, self._make(run))
            else:
                self._summaries[run.stream] = Summary(row[0], _TIMELINE.decode(row[1]))
        return self._summaries[run.stream]

    def columns(self, run: Run) -> Columns:
        """Return the columns of a run, computed if the stored ones are out of date."""
        if run.stream not in self._held:
            summary = self.summary(run)  # also computes the columns if they are out of date
            if run.stream not in self._held:
                parts = f"SELECT {_FIELDS} FROM column_parts WHERE stream = ? ORDER BY part"  # noqa: S608  # our own names
                self._hold(run, _Made(summary, Columns.from_bytes(self._store.tuples(parts, run.stream))))
        self._held.move_to_end(run.stream)
        return self._held[run.stream]

    def refresh(self, run: Run) -> int:
        """Score the answers of a run that are not scored, and store its columns if they are out of date.

        Returns:
            How many answers were scored.

        Raises:
            StorageUnavailable: the database cannot be written.
        """
        if self._stored(run, "1") is not None:
            return 0
        with self._store.deriving():
            if self._stored(run, "1") is not None:  # another process has done it meanwhile
                return 0
            question_set = self.sets.of(run)
            scored = 0 if question_set is None else score_run(self._store, run, self._golds, question_set)
            self._save(run, self._make(run))
        return scored

    def _save(self, run: Run, made: _Made) -> None:
        """Write columns in small transactions, so that other writers wait only briefly.

        The entry in `run_columns`, which marks the columns as up to date, is deleted first and written last.
        """
        with self._store.writing_behind() as conn:
            conn.execute("DELETE FROM run_columns WHERE stream = ?", (run.stream,))
        answers = len(made.columns.seq)
        count = -(-answers // ANSWERS_A_PART)
        for part in range(count):
            blobs = made.columns.to_bytes(slice(part * ANSWERS_A_PART, (part + 1) * ANSWERS_A_PART))
            with self._store.writing_behind() as conn:
                conn.execute(
                    f"INSERT OR REPLACE INTO column_parts (stream, part, {_FIELDS}) "  # noqa: S608  # our own names
                    f"VALUES (?, ?{', ?' * len(blobs)})",
                    (run.stream, part, *blobs),
                )
        kept = encode(made.summary.timeline).decode()
        with self._store.writing_behind() as conn:
            conn.execute("DELETE FROM column_parts WHERE stream = ? AND part >= ?", (run.stream, count))
            conn.execute(
                "INSERT INTO run_columns VALUES (?, ?, ?, ?, ?)",
                (run.stream, run.records, self.scorer, made.summary.digest, kept),
            )

    def _stored(self, run: Run, fields: str) -> Any:
        sql = (
            f"SELECT {fields} FROM run_columns WHERE stream = ? AND records = ? AND scorer IS ? "  # noqa: S608  # our own names
            "AND json_extract(course, '$.rules') IS ?"
        )
        return next(self._store.tuples(sql, run.stream, run.records, self.scorer, RULES), None)

    def _make(self, run: Run) -> _Made:
        return _make(self._store, run, self.sets.of(run), self.scorer, self._keys)

    def _hold(self, run: Run, made: _Made) -> None:
        self._summaries[run.stream] = made.summary
        self._held[run.stream] = made.columns
        if len(self._held) > COLUMNS_HELD:
            self._held.popitem(last=False)


def _make(store: Store, run: Run, question_set: int | None, scorer: int | None, keys: Keys) -> _Made:
    rows = list(store.tuples(_ANSWERS, run.stream))
    bertscores: dict[tuple[str, str], float] = {}
    if question_set is not None and scorer is not None:
        bertscores = {
            (question_id, text): f1
            for question_id, text, f1 in store.tuples(_BERTSCORES, run.stream, question_set, scorer)
        }
    nan = float("nan")
    columns = Columns.of(
        (
            (
                question_id,
                seq,
                ns,
                tokens,
                ERROR if error else TIMED if marks is None else MARKED,
                text,
                nan if exact_match is None or question_set is None else exact_match,
                nan if f1 is None or question_set is None else f1,
                nan
                if scorer is None or question_set is None
                else 0.0
                if error
                else bertscores.get((question_id, text), nan),
            )
            for question_id, seq, ns, error, text, exact_match, f1, tokens, _, marks in rows
        ),
        keys,
    )
    order = np.argsort(columns.seq)
    answered = Answered(
        np.array([row[-2] for row in rows], np.int64),
        columns.time_ns[order],
        columns.tokens[order],
        columns.state[order],
        {place: row[-1] for place, row in enumerate(rows) if row[-1] is not None},
    )
    what_happened = timeline(store, run.stream, answered)
    digest = hashlib.sha256(encode(what_happened))
    for blob in columns.to_bytes():
        digest.update(hashlib.sha256(blob).digest())
    return _Made(Summary(digest.hexdigest(), what_happened), columns)
