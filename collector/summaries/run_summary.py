"""Keeps the scores and columns of each run up to date. Both can be computed again from the stored rows.

Rows of a run are added but never changed. So its columns are up to date if they were made from as many
records as are stored, with the BERTScores of the BERTScore model that was used last, by the present rules.
"""

import hashlib
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np

from collector.errors import NumbersChanged
from collector.scoring.golds import Golds, KnownScores, ScoreRow, missing_scores, store_scores
from collector.scoring.withholding import GoldSets
from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.columns import ERROR, MARKED, TIMED, Columns, Keys, arrays
from collector.summaries.question_means import Judged
from collector.summaries.question_ranges import QuestionRange
from collector.summaries.timeline import RULES, Answered, Timeline, timeline
from contract.codec import encode

COLUMNS_HELD: Final = 12
"""How many runs have their columns in memory; 100,000 answers take a few megabytes."""

ANSWERS_A_PART: Final = 10_000
"""How many answers are written at once: their columns are half a megabyte, written in about 10 ms."""

_TIMELINE: Final = msgspec.json.Decoder(Timeline)
_FIELDS: Final = ", ".join(Columns._fields)
_FIRSTS: Final = "SELECT substr(question, 1, 8) FROM column_parts WHERE stream = ? ORDER BY part"
_JUDGED_FIELDS: Final = ", ".join(Judged._fields)
_JUDGED: Final = f"""
SELECT {_JUDGED_FIELDS} FROM column_parts WHERE stream = ? AND part BETWEEN ? AND ? ORDER BY part
"""  # noqa: S608  # our own names

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
    """The summary and the columns of a run, as just computed."""

    summary: Summary
    columns: Columns


class Remade(NamedTuple):
    """The derived data of a run, as just computed and not stored."""

    scores: list[ScoreRow]
    """The scores of the answers that had none."""
    made: _Made
    scorer: int | None
    """The BERTScore model that was used last when this was computed."""


class Texts(NamedTuple):
    """What is known of texts, whichever database they are of."""

    keys: Keys
    scores: KnownScores


class Derived:
    """The derived data of a database: read from it if up to date, computed again if not.

    Args:
        store: the database, which may be open for reading only.
        texts: what is known of texts; None to begin without anything.
    """

    def __init__(self, store: Store, texts: Texts | None = None) -> None:
        texts = Texts(Keys(), KnownScores()) if texts is None else texts
        self.scorer: int | None = store.value(
            "SELECT scorer FROM bertscore_models ORDER BY last_used_at DESC, scorer DESC LIMIT 1"
        )
        self.sets = GoldSets(store)
        self._store = store
        self._golds = Golds(store, texts.scores)
        self._keys = texts.keys
        self._digests: dict[int, str] = {}
        self._computed: dict[int, Summary] = {}
        self._runs: dict[int, Run] = {}  # those in `_computed`
        self._held: OrderedDict[int, Columns] = OrderedDict()

    def summary(self, run: Run) -> Summary:
        """Return the summary of a run, computed if the stored one is out of date."""
        if run.stream not in self._computed:
            row = self._stored(run, "digest, course")
            if row is not None:  # not kept: the moments of many runs take much memory
                self._digests[run.stream] = row[0]
                return Summary(row[0], _TIMELINE.decode(row[1]))
            self._hold(run, self._make(run))
        return self._computed[run.stream]

    def digest(self, run: Run) -> str:
        """Return the digest of a run's numbers, computed if the stored one is out of date."""
        if run.stream not in self._digests:
            row = self._stored(run, "digest")
            self._digests[run.stream] = self.summary(run).digest if row is None else row[0]
        return self._digests[run.stream]

    def columns(self, run: Run) -> Columns:
        """Return the columns of a run, computed if the stored ones are out of date."""
        if run.stream not in self._held:
            if self._stored(run, "1") is None:
                # That its summary is known says nothing: it may have been computed, and its columns dropped.
                self._hold(run, self._make(run))
            else:
                parts = f"SELECT {_FIELDS} FROM column_parts WHERE stream = ? ORDER BY part"  # noqa: S608  # our own names
                self._held[run.stream] = Columns.from_bytes(self._store.tuples(parts, run.stream))
                self._drop_oldest()
        self._held.move_to_end(run.stream)
        return self._held[run.stream]

    def judged(self, stream: int, digest: str, questions: QuestionRange) -> Judged:
        """Return the answers of a run to a range of questions, as means are made of them.

        Only those parts of its stored columns are read that have answers to such questions.

        Args:
            stream: the run.
            digest: the digest of its numbers.
            questions: the range.

        Raises:
            NumbersChanged: the database has other numbers of the run now.
        """
        computed = self._runs.get(stream)
        if computed is not None:
            self.columns(computed)
        if self._digest_of(stream) != digest:
            raise NumbersChanged(f"the numbers of run {stream} have changed")
        held = self._held.get(stream)
        if held is not None:
            found = Judged.of(held)
        else:
            parts = (0, sys.maxsize) if questions.are_all else questions.parts(self._firsts(stream))
            found = Judged(*arrays(self._store.tuples(_JUDGED, stream, *parts), Judged._fields))
        return found if questions.are_all else questions.of(found)

    def _firsts(self, stream: int) -> list[int]:
        return [int.from_bytes(first, "little") for (first,) in self._store.tuples(_FIRSTS, stream)]

    def _digest_of(self, stream: int) -> str | None:
        if stream not in self._digests:
            digest: str | None = self._store.value("SELECT digest FROM run_columns WHERE stream = ?", stream)
            if digest is None:
                return None
            self._digests[stream] = digest
        return self._digests[stream]

    def refresh(self, run: Run) -> int:
        """Score the answers of a run that are not scored, and store its columns if they are out of date.

        Returns:
            How many answers were scored.

        Raises:
            StorageUnavailable: the database cannot be written.
        """
        if self.is_current(run):
            return 0
        with self._store.deriving(run.stream):
            return 0 if self.is_current(run) else self.keep(run, self.remake(run))

    def is_current(self, run: Run) -> bool:
        """Return whether the stored columns of a run are up to date."""
        return self._stored(run, "1") is not None

    def remake(self, run: Run) -> Remade:
        """Compute the scores that a run lacks, and its columns with them; nothing is stored."""
        question_set = self.sets.of(run)
        scores = [] if question_set is None else missing_scores(self._store, run, self._golds, question_set)
        return Remade(scores, self._make(run, scores), self.scorer)

    def keep(self, run: Run, remade: Remade) -> int:
        """Store the derived data of a run, and return how many answers were scored.

        The caller has been within `store.deriving()` since before they were computed.
        """
        if remade.scorer != self.scorer:
            return 0  # another BERTScore model was used meanwhile; the next report computes this again
        store_scores(self._store, run, remade.scores)
        self._save(run, remade.made)
        return len(remade.scores)

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
                conn.execute("DELETE FROM column_parts WHERE stream = ? AND part = ?", (run.stream, part))
                conn.insert(
                    "column_parts", ("stream", "part", *Columns._fields), [(run.stream, part, *blobs)]
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
            f"SELECT {fields} FROM run_columns WHERE stream = ? AND records = ? AND coalesce(scorer, 0) = ? "  # noqa: S608  # our own names
            "AND CAST(json_extract(course, '$.rules') AS BIGINT) = ?"
        )
        return next(self._store.tuples(sql, run.stream, run.records, self.scorer or 0, RULES), None)

    def _make(self, run: Run, scores: Sequence[ScoreRow] = ()) -> _Made:
        fresh = {seq: (exact_match, f1) for _, seq, exact_match, f1 in scores}
        return _make(self._store, run, self.sets.of(run), self.scorer, self._keys, fresh)

    def _hold(self, run: Run, made: _Made) -> None:
        self._computed[run.stream] = made.summary
        self._runs[run.stream] = run
        self._digests[run.stream] = made.summary.digest
        self._held[run.stream] = made.columns
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        if len(self._held) > COLUMNS_HELD:
            self._held.popitem(last=False)


def _make(
    store: Store,
    run: Run,
    question_set: int | None,
    scorer: int | None,
    keys: Keys,
    fresh: Mapping[int, tuple[bool, float]],
) -> _Made:
    """Compute columns and summary; `fresh` has the scores that are not stored yet, by answer."""
    rows = list(store.tuples(_ANSWERS, run.stream))
    if fresh:
        rows = [(*row[:5], *fresh.get(row[1], row[5:7]), *row[7:]) for row in rows]
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
