"""Gold answers, and the Exact Match and F1 of a run's answers against them."""

from collections.abc import Iterator
from typing import Final

from collector import squad
from collector.runs import Run
from collector.store import Store

ROWS_AT_ONCE: Final = 10_000
"""A transaction of these takes well under 100 ms, so ingest is not held up."""


class Golds:
    """What people answered, read once for each question set."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sets: dict[int, dict[str, tuple[str, ...]]] = {}

    def of(self, question_set: int) -> dict[str, tuple[str, ...]]:
        """The gold answers by question id, in the order of the file."""
        if question_set not in self._sets:
            golds: dict[str, tuple[str, ...]] = {}
            for question_id, text in self._store.tuples(
                "SELECT question_id, text FROM golds WHERE question_set = ? ORDER BY question_id, position",
                question_set,
            ):
                golds[question_id] = (*golds.get(question_id, ()), text)
            self._sets[question_set] = golds
        return self._sets[question_set]


def score_run(store: Store, run: Run, golds: dict[str, tuple[str, ...]]) -> int:
    """Compute Exact Match and F1 of every answer of a run that lacks them; returns how many.

    An answer with an error is wrong.
    """
    rows = list(_scores(store, run, golds))
    for start in range(0, len(rows), ROWS_AT_ONCE):
        with store.writing() as conn:
            # Columns made before these scores must not outlive a crash between here and their renewal.
            conn.execute("DELETE FROM run_columns WHERE stream = ?", (run.stream,))
            conn.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows[start : start + ROWS_AT_ONCE]
            )
    return len(rows)


def _scores(
    store: Store, run: Run, golds: dict[str, tuple[str, ...]]
) -> Iterator[tuple[int, int, bool, float]]:
    known: dict[tuple[str, str], squad.Score] = {}
    for seq, question_id, text, error in store.tuples(
        "SELECT seq, question_id, text, error FROM answers LEFT JOIN scores USING (stream, seq) "
        "WHERE stream = ? AND scores.f1 IS NULL",
        run.stream,
    ):
        texts = golds.get(question_id)
        if texts is None:
            continue
        if error is not None:
            score = squad.Score(False, 0.0)
        elif (question_id, text) in known:
            score = known[question_id, text]
        else:
            score = known[question_id, text] = squad.score(text, texts)
        yield run.stream, seq, score.exact_match, score.f1


def gold_texts(store: Store) -> list[str]:
    """Every gold answer of every question file, in an order that does not depend on when they were added."""
    return [text for (text,) in store.tuples("SELECT text FROM golds ORDER BY question_id, position, text")]
