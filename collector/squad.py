"""Exact Match and token F1, as the official SQuAD v1.1 evaluation computes them.

Source of the rules: `evaluate-v1.1.py`, Rajpurkar et al., 2016. Scores are 0 to 1 here; the script prints
percent. Both take the best over a question's gold answers, each for itself.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)


class Score(NamedTuple):
    """How well an answer agrees with what people answered."""

    exact_match: bool
    f1: float


def normalize(text: str) -> str:
    """Lower case, without ASCII punctuation, English articles and surplus white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(prediction: str, gold: str) -> float:
    """F1 of the bags of normalised words; 0 when they share none, two empty ones included."""
    predicted, expected = normalize(prediction).split(), normalize(gold).split()
    shared = sum((Counter(predicted) & Counter(expected)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)


def score(prediction: str, golds: Iterable[str]) -> Score:
    """Score a prediction against at least one gold answer."""
    golds = tuple(golds)
    normalized = normalize(prediction)
    return Score(
        any(normalized == normalize(gold) for gold in golds),
        max(token_f1(prediction, gold) for gold in golds),
    )
