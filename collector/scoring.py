"""Brings the derived scores up to date. What has been scored is never scored again."""

from collections.abc import Callable

from collector import squad
from collector.accuracy import GoldSets
from collector.bertscore import PAIRS_AT_ONCE, Pair, Scorer
from collector.runs import all_runs
from collector.store import Store, utc_now

Progress = Callable[[int, int], None]
"""Called with what is done and what there is."""


def score_answers(store: Store) -> int:
    """Compute Exact Match and F1 of every answer that lacks them; returns how many.

    An answer with an error is wrong. Runs whose accuracy is withheld are left alone.
    """
    sets = GoldSets(store)
    scored = 0
    golds: dict[int, dict[str, tuple[str, ...]]] = {}
    for run in all_runs(store):
        question_set = sets.of(run)
        if question_set is None:
            continue
        if question_set not in golds:
            golds[question_set] = _golds(store, question_set)
        known: dict[tuple[str, str], squad.Score] = {}
        rows = []
        for seq, question_id, text, error in store.tuples(
            "SELECT seq, question_id, text, error FROM answers LEFT JOIN scores USING (stream, seq) "
            "WHERE stream = ? AND scores.f1 IS NULL",
            run.stream,
        ):
            texts = golds[question_set].get(question_id)
            if texts is None:
                continue
            if error is not None:
                score = squad.Score(False, 0.0)
            elif (question_id, text) in known:
                score = known[question_id, text]
            else:
                score = known[question_id, text] = squad.score(text, texts)
            rows.append((run.stream, seq, score.exact_match, score.f1))
        if rows:
            with store.writing() as conn:
                conn.executemany("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", rows)
            scored += len(rows)
    return scored


def score_pairs(store: Store, scorer: Scorer, progress: Progress) -> int:
    """Compute the BERTScore of every distinct pair of answer and gold that lacks it; returns how many."""
    with store.writing() as conn:
        conn.execute(
            "INSERT INTO bertscore_models (hash, model, layers, last_used_at) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (hash) DO UPDATE SET last_used_at = excluded.last_used_at",
            (scorer.hash, scorer.model, scorer.layers, utc_now()),
        )
    number = store.value("SELECT scorer FROM bertscore_models WHERE hash = ?", scorer.hash)
    pairs = sorted(_pairs_without_score(store, number))
    progress(0, len(pairs))
    for start in range(0, len(pairs), PAIRS_AT_ONCE):
        part = pairs[start : start + PAIRS_AT_ONCE]
        rows = [(number, *pair, *score) for pair, score in zip(part, scorer.score(part), strict=True)]
        with store.writing() as conn:
            conn.executemany("INSERT OR REPLACE INTO bertscores VALUES (?, ?, ?, ?, ?, ?)", rows)
        progress(start + len(part), len(pairs))
    return len(pairs)


def _golds(store: Store, question_set: int) -> dict[str, tuple[str, ...]]:
    golds: dict[str, tuple[str, ...]] = {}
    for question_id, text in store.tuples(
        "SELECT question_id, text FROM golds WHERE question_set = ? ORDER BY question_id, position",
        question_set,
    ):
        golds[question_id] = (*golds.get(question_id, ()), text)
    return golds


def _pairs_without_score(store: Store, scorer: int) -> set[Pair]:
    sets = GoldSets(store)
    pairs: set[Pair] = set()
    for run in all_runs(store):
        question_set = sets.of(run)
        if question_set is not None:
            pairs.update(
                Pair(*row)
                for row in store.tuples(
                    "SELECT DISTINCT answers.text, golds.text FROM answers "
                    "JOIN golds ON golds.question_set = ? AND golds.question_id = answers.question_id "
                    "LEFT JOIN bertscores ON scorer = ? AND candidate = answers.text "
                    "AND reference = golds.text "
                    "WHERE stream = ? AND error IS NULL AND bertscores.f1 IS NULL",
                    question_set,
                    scorer,
                    run.stream,
                )
            )
    return pairs
