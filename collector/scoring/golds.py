"""Gold answers, and the Exact Match and F1 of a run's answers against them."""

from collections.abc import Iterator, Sequence
from typing import Final

from collector.store.database import Store
from collector.store.runs import Run
from contract import squad_metrics as squad

SCORES_HELD: Final = 500_000
"""How many scores are kept in memory: other runs often give the same answer to a question."""
ROWS_AT_ONCE: Final = 2_000
"""Rows per transaction. This many take about 5 ms, so ingest is not delayed."""


class KnownScores:
    """Scores of texts against gold answers, whichever database they are of."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, tuple[str, ...]], squad.Score] = {}

    def of(self, text: str, golds: tuple[str, ...]) -> squad.Score:
        """Return the score of an answer against the gold answers of its question."""
        found = self._known.get((text, golds))
        if found is None:
            if len(self._known) >= SCORES_HELD:
                self._known.clear()
            found = self._known[text, golds] = squad.score(text, golds)
        return found


class Golds:
    """The gold answers, read once per question set, and the scores of other answers against them.

    Args:
        store: the database.
        scores: scores that are known, to which new ones are added; None to begin without any.
    """

    def __init__(self, store: Store, scores: KnownScores | None = None) -> None:
        self._store = store
        self._sets: dict[int, dict[str, tuple[str, ...]]] = {}
        self._scores = KnownScores() if scores is None else scores

    def of(self, question_set: int) -> dict[str, tuple[str, ...]]:
        """Return the gold answers by question id, in the order of the file."""
        if question_set not in self._sets:
            golds: dict[str, tuple[str, ...]] = {}
            for question_id, text in self._store.tuples(
                "SELECT question_id, text FROM golds WHERE question_set = ? ORDER BY question_id, position",
                question_set,
            ):
                golds[question_id] = (*golds.get(question_id, ()), text)
            self._sets[question_set] = golds
        return self._sets[question_set]

    def score(self, question_set: int, question_id: str, text: str) -> squad.Score | None:
        """Return the score of an answer; None if its question has no gold answer."""
        golds = self.of(question_set).get(question_id)
        return None if golds is None else self._scores.of(text, golds)


ScoreRow = tuple[int, int, bool, float]
"""A row of the table `scores`: the run's stream, the answer's number, whether it matches exactly, its F1."""


def missing_scores(store: Store, run: Run, golds: Golds, question_set: int) -> list[ScoreRow]:
    """Compute Exact Match and F1 of a run's unscored answers. An answer with an error is wrong."""
    return list(_scores(store, run, golds, question_set))


def store_scores(store: Store, run: Run, rows: Sequence[ScoreRow]) -> None:
    """Store scores of a run in small transactions. The caller is within `store.deriving()`."""
    for start in range(0, len(rows), ROWS_AT_ONCE):
        with store.writing_behind() as conn:
            # Columns without these scores must not be left if the program dies before they are made again.
            conn.execute("DELETE FROM run_columns WHERE stream = ?", (run.stream,))
            conn.insert("scores", ("stream", "seq", "exact_match", "f1"), rows[start : start + ROWS_AT_ONCE])


def drop_scores(store: Store, stream: int) -> None:
    """Delete the scores of a run, and what was computed from them, in small transactions.

    The caller is within `store.deriving()`.
    """
    with store.writing_behind() as conn:
        conn.execute("DELETE FROM run_columns WHERE stream = ?", (stream,))
    last = store.value("SELECT max(seq) FROM scores WHERE stream = ?", stream)
    for start in range(0, 0 if last is None else last + 1, ROWS_AT_ONCE):
        with store.writing_behind() as conn:
            conn.execute(
                "DELETE FROM scores WHERE stream = ? AND seq >= ? AND seq < ?",
                (stream, start, start + ROWS_AT_ONCE),
            )


def _scores(store: Store, run: Run, golds: Golds, question_set: int) -> Iterator[ScoreRow]:
    for seq, question_id, text, error in store.tuples(
        "SELECT seq, question_id, text, error FROM answers LEFT JOIN scores USING (stream, seq) "
        "WHERE stream = ? AND scores.f1 IS NULL",
        run.stream,
    ):
        score = golds.score(question_set, question_id, text)
        if score is not None:
            right, f1 = (False, 0.0) if error is not None else score
            yield run.stream, seq, right, f1


def gold_texts(store: Store) -> list[str]:
    """Return all gold answers of all question files; the order does not depend on when they were added."""
    return [text for (text,) in store.tuples("SELECT text FROM golds ORDER BY question_id, position, text")]
