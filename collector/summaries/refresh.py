"""Brings the derived scores up to date, without computing any score twice."""

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from collector.scoring.bertscore import PAIRS_AT_ONCE, Pair, Scorer
from collector.scoring.golds import Golds, KnownScores
from collector.scoring.withholding import GoldSets
from collector.store.database import Store, is_address
from collector.store.runs import Run, all_runs
from collector.summaries.columns import Keys
from collector.summaries.run_summary import Derived, Remade, Texts
from collector.workers.workers import Workers
from commandline.clock import utc_now

Progress = Callable[[int, int], None]
"""Function that is called with how much is done and how much there is."""


BATCH_ANSWERS: Final = 500_000
"""How many answers per worker are computed in one `store.deriving()`, which other commands wait for."""
ORDERS: Final = 4
"""How many orders each worker gets of these."""
_TEXTS: Final = Texts(Keys(), KnownScores())
"""What a worker knows of texts, over all its orders: the answers of a run resemble those of others."""


def score_answers(store: Store, progress: Progress | None = None, workers: Workers | None = None) -> int:
    """Compute Exact Match and F1 of every answer without them, and return how many answers were scored.

    Runs whose accuracy is withheld get no scores. The stored columns of each run are brought up to date too.
    """
    derived = Derived(store)
    runs = all_runs(store)
    if workers is not None:
        return _on_workers(store, derived, runs, progress or (lambda done, total: None), workers)
    scored = 0
    for done, run in enumerate(_in_turn(store, runs), start=1):
        scored += derived.refresh(run)
        if progress is not None:
            progress(done, len(runs))
    return scored


def _in_turn(store: Store, runs: Sequence[Run]) -> Sequence[Run]:
    """The order in which runs are brought up to date; several collectors of one database begin at others."""
    return random.sample(runs, len(runs)) if is_address(store.name) else runs


def _on_workers(
    store: Store, derived: Derived, runs: Sequence[Run], progress: Progress, workers: Workers
) -> int:
    """Let workers compute, and store what they find: they only read the database."""
    stale = [run for run in runs if not derived.is_current(run)]
    done, scored = len(runs) - len(stale), 0
    progress(done, len(runs))
    if not stale:
        return 0
    size = workers.size()
    for batch in _parts(stale, BATCH_ANSWERS * size):
        with store.deriving():
            missing = [run for run in batch if not derived.is_current(run)]  # others may have stored some
            done += len(batch) - len(missing)
            answers = sum(run.answers for run in missing)
            orders = [(part,) for part in _parts(missing, answers // (size * ORDERS))]
            for place, found in workers.compute(store, remake, orders):
                for run, remade in zip(orders[place][0], found, strict=True):
                    scored += derived.keep(run, remade)
                done += len(found)
                progress(done, len(runs))
    return scored


def remake(store: Store, runs: Sequence[Run]) -> list[Remade]:
    """Compute the derived data of runs, on a worker."""
    derived = Derived(store, _TEXTS)
    return [derived.remake(run) for run in runs]


def _parts(runs: Sequence[Run], answers: int) -> Iterator[list[Run]]:
    """Divide runs into parts that end when they have this many answers."""
    part: list[Run] = []
    inside = 0
    for run in runs:
        part.append(run)
        inside += run.answers
        if inside >= answers:
            yield part
            part, inside = [], 0
    if part:
        yield part


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
            conn.executemany(
                "INSERT INTO bertscores VALUES (?, ?, ?, ?, ?, ?) "
                "ON CONFLICT (scorer, candidate, reference) DO UPDATE SET precision = excluded.precision, "
                "recall = excluded.recall, f1 = excluded.f1",
                rows,
            )
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
