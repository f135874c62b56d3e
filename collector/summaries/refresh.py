"""Brings the derived scores up to date, without computing any score twice."""

from collections.abc import Callable, Iterable, Iterator

from collector.scoring.bertscore import PAIRS_AT_ONCE, Pair, Scorer
from collector.scoring.golds import Golds
from collector.scoring.withholding import GoldSets
from collector.store.database import Store
from collector.store.runs import all_runs
from collector.summaries.run_summary import Derived
from commandline.clock import utc_now

Progress = Callable[[int, int], None]
"""Function that is called with how much is done and how much there is."""


def score_answers(store: Store, progress: Progress | None = None) -> int:
    """Compute Exact Match and F1 of every answer without them, and return how many answers were scored.

    Runs whose accuracy is withheld get no scores. The stored columns of each run are brought up to date too.
    """
    derived = Derived(store)
    runs = all_runs(store)
    scored = 0
    for done, run in enumerate(runs, start=1):
        scored += derived.refresh(run)
        if progress is not None:
            progress(done, len(runs))
    return scored


def score_pairs(store: Store, scorer: Scorer, progress: Progress) -> int:
    """Compute the BERTScore of every distinct pair of answer and gold answer without one; return how many.

    An answer that equals one of its gold answers is compared only with that one: no score would be higher.
    """
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO bertscore_models (hash, model, layers, last_used_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (hash) DO UPDATE SET last_used_at = excluded.last_used_at",
            (scorer.hash, scorer.model, scorer.layers, utc_now()),
        )
    number = store.value("SELECT scorer FROM bertscore_models WHERE hash = ?", scorer.hash)
    # Sorted by gold answer, so that each gold answer is encoded once for all its pairs.
    pairs = sorted(_pairs_without_score(store, number), key=lambda pair: (pair.reference, pair.candidate))
    progress(0, len(pairs))
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = pairs[start : start + PAIRS_AT_ONCE]
        rows = [(number, *pair, *score) for pair, score in zip(part, scorer.score(part), strict=True)]
        with store.deriving(), store.writing_behind() as conn:
            conn.executemany("INSERT OR REPLACE INTO bertscores VALUES (?, ?, ?, ?, ?, ?)", rows)
            conn.execute("DELETE FROM run_columns")  # columns contain these scores, so they are out of date
        progress(start + len(part), len(pairs))
    with store.writing() as conn:  # results computed during the scoring lacked some scores
        conn.execute("UPDATE bertscore_models SET last_used_at = ? WHERE scorer = ?", (utc_now(), number))
    return len(pairs)


def _pairs_without_score(store: Store, scorer: int) -> set[Pair]:
    golds = Golds(store)
    known = {
        Pair(*row)
        for row in store.tuples("SELECT candidate, reference FROM bertscores WHERE scorer = ?", scorer)
    }
    pairs: set[Pair] = set()
    for question_set, answers in _answers(store):
        texts = golds.of(question_set)
        for question_id, text in answers:
            references = texts.get(question_id, ())
            pairs.update(Pair(text, r) for r in ((text,) if text in references else references))
    return pairs - known


def _answers(store: Store) -> Iterator[tuple[int, Iterable[tuple[str, str]]]]:
    """Yield question ids and texts of the runs that have an accuracy, and of the imported predictions."""
    sets = GoldSets(store)
    for run in all_runs(store):
        question_set = sets.of(run)
        if question_set is not None:
            sql = "SELECT question_id, text FROM answers WHERE stream = ? AND error IS NULL"
            yield question_set, store.tuples(sql, run.stream)
    for system, question_set in list(store.tuples("SELECT system, question_set FROM systems")):
        yield question_set, store.tuples("SELECT question_id, text FROM predictions WHERE system = ?", system)
