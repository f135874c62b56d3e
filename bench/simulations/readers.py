"""Made-up readers and question files, for the simulations of accuracy.

Articles differ in how hard they are, questions too, and each reader has articles that suit it. With whole
articles of 20 to 400 questions, the standard error of a mean is then 2 to 3 times that of independent
questions, as it is for five published systems on the articles of SQuAD's development set.
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.statistics.accuracy.clusters import Clusters

Scores = NDArray[np.float64]
_PARTIAL: Final = np.array([0.25, 0.4, 0.5, 2 / 3, 0.8])
_WRONG: Final = 0.6
"""Share of the answers that are not exact and have no word of a gold answer."""
_HARD_ARTICLES: Final = 0.6
_SUITED_ARTICLES: Final = 0.25
_HARD_QUESTIONS: Final = 1.5
_ALIKE: Final = 0.75
_MANY: Final = 200_000


class Sitting(NamedTuple):
    """The scores of some readers on the same questions."""

    clusters: Clusters
    scores: tuple[Scores, ...]


Sizes = Callable[[np.random.Generator], NDArray[np.int64]]
"""Draws the number of questions of each article."""


def whole(articles: int) -> Sizes:
    """Whole articles of 20 to 400 questions, most of them of about 170."""
    return lambda rng: np.clip(np.rint(np.exp(rng.normal(np.log(170), 0.75, articles))), 20, 400).astype(
        np.int64
    )


def some(questions: int, articles: int) -> Sizes:
    """This many questions in all, spread evenly: articles differ by at most one question."""
    each, left = divmod(questions, articles)
    return lambda _: np.where(np.arange(articles) < left, each + 1, each)


def sit(rng: np.random.Generator, sizes: Sizes, abilities: Sequence[float]) -> Sitting:
    """Draw articles and questions, and let readers answer them.

    Args:
        rng: the random draws.
        sizes: draws the number of questions of each article.
        abilities: of each reader, the logit of its chance of an exact answer to a usual question.
    """
    counts = sizes(rng)
    article = np.repeat(np.arange(len(counts)), counts)
    easy = _easy(rng, counts, article)
    scores = []
    for ability in abilities:
        suited = rng.normal(0, _SUITED_ARTICLES, len(counts))[article]
        scores.append(_answered(rng, ability + easy + suited))
    return Sitting(Clusters.coarsest(article, article), tuple(scores))


@cache
def true_score(ability: float) -> float:
    """The mean score of a reader over all articles and questions that could be drawn."""
    rng = np.random.default_rng(0)
    spread = np.sqrt(_HARD_ARTICLES**2 + _HARD_QUESTIONS**2 + _SUITED_ARTICLES**2)
    exact = float((1 / (1 + np.exp(-ability - spread * rng.normal(size=_MANY)))).mean())
    return exact + (1 - exact) * (1 - _WRONG) * float(_PARTIAL.mean())


def true_exact_match(ability: float) -> float:
    """The share of exact answers among all questions that could be drawn."""
    partial = (1 - _WRONG) * float(_PARTIAL.mean())
    return (true_score(ability) - partial) / (1 - partial)


def true_similarity(ability: float) -> float:
    """The mean BERTScore of a reader over all questions that could be drawn."""
    return _ALIKE + (1 - _ALIKE) * true_exact_match(ability)


@cache
def ability_of(score: float) -> float:
    """Find the ability of a reader whose mean score is this one, 0 to 1."""
    low, high = -8.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if true_score(middle) < score else (low, middle)
    return (low + high) / 2


def precisions(
    rng: np.random.Generator, sizes: Sizes, ability: float, flickers: float = 0.0, lost: float = 0.0
) -> Sitting:
    """Draw articles and questions, and let two precisions of one reader answer them.

    The second one's mean score is that of the first, less the share `lost`.

    Args:
        rng: the random draws.
        sizes: draws the number of questions of each article.
        ability: of the reader.
        flickers: the share of the questions that both answer independently of each other.
        lost: the share of the second one's answers that become wholly wrong.
    """
    counts = sizes(rng)
    article = np.repeat(np.arange(len(counts)), counts)
    logits = ability + _easy(rng, counts, article) + rng.normal(0, _SUITED_ARTICLES, len(counts))[article]
    first = _answered(rng, logits)
    second = np.where(rng.random(len(article)) < flickers, _answered(rng, logits), first)
    second = np.where(rng.random(len(article)) < lost, 0.0, second)
    return Sitting(Clusters.coarsest(article, article), (first, second))


def similarities(rng: np.random.Generator, scores: Scores) -> Scores:
    """Turn token scores into BERTScores: 1 for an exact answer, and about 0.75 for any other."""
    return np.where(scores == 1, 1.0, np.clip(rng.normal(_ALIKE, 0.08, len(scores)), 0, 1))


def _easy(rng: np.random.Generator, counts: NDArray[np.int64], article: NDArray[np.int64]) -> Scores:
    of_articles: Scores = rng.normal(0, _HARD_ARTICLES, len(counts))[article]
    return of_articles + rng.normal(0, _HARD_QUESTIONS, len(article))


def _answered(rng: np.random.Generator, logits: Scores) -> Scores:
    exact = rng.random(len(logits)) < 1 / (1 + np.exp(-logits))
    partial = np.where(rng.random(len(logits)) < _WRONG, 0.0, rng.choice(_PARTIAL, len(logits)))
    return np.where(exact, 1.0, partial)
