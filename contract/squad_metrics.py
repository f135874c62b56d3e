"""Exact Match and token F1, as the official SQuAD v1.1 evaluation computes them.

Source of the rules: `evaluate-v1.1.py`, Rajpurkar et al., 2016. Scores are 0 to 1 here; the script prints
percent. EM and F1 each take their best value over a question's gold answers. `export` limits a loss of F1 and
`collector` reports F1, so both compute it here.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from typing import Final, NamedTuple

_ARTICLES: Final = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION: Final = str.maketrans("", "", string.punctuation)
_LONGEST_REMEMBERED: Final = 200


class Score(NamedTuple):
    """How well an answer agrees with the gold answers."""

    exact_match: bool
    f1: float


def normalize(text: str) -> str:
    """Return a text in lower case, without ASCII punctuation, English articles and surplus white space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def token_f1(prediction: str, gold: str) -> float:
    """Return the F1 of two texts as bags of normalised words: 0 if they share none, even two empty texts."""
    return _f1(_normalized(prediction), _normalized(gold))


def score(prediction: str, golds: Iterable[str]) -> Score:
    """Score a prediction against at least one gold answer."""
    normalized = _normalized(prediction)
    expected = {_normalized(gold) for gold in golds}
    if normalized and normalized in expected:
        return Score(True, 1.0)  # the highest score
    return Score(normalized in expected, max(_f1(normalized, gold) for gold in expected))


def _normalized(text: str) -> str:
    # The same gold answers come with every run, and many answers with every precision: a cache saves time.
    return _remembered(text) if len(text) <= _LONGEST_REMEMBERED else normalize(text)


_remembered = lru_cache(maxsize=200_000)(normalize)


def _f1(prediction: str, gold: str) -> float:
    if prediction == gold:
        return 1.0 if gold else 0.0
    predicted, expected = prediction.split(), gold.split()
    if set(predicted).isdisjoint(expected):
        return 0.0
    shared = sum((Counter(predicted) & Counter(expected)).values())
    precision, recall = shared / len(predicted), shared / len(expected)
    return 2 * precision * recall / (precision + recall)
