"""Questions of one article are alike, so what is drawn at random is articles, not questions."""

from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

FEWEST: Final = 6
"""A test of fewer units can never give a p value below 0.05: a fair coin falls alike 5 times in 1 of 16."""
_FEWEST_EFFECTIVE: Final = 4.0
_LEAST: Final = 0.25
"""The variance between units is not below this part of that of questions alone, unless by chance."""


class ClusterSpread(NamedTuple):
    """How far chance moves the sum of some residuals."""

    variance: float
    freedom: float
    """Degrees of freedom; 0 if there is only one unit, whose spread cannot be known."""


class Clusters(NamedTuple):
    """The unit of which each question is part: an article, a paragraph or the question itself."""

    unit: str
    """`article`, `paragraph` or `question`."""
    of: NDArray[np.int64]
    """The number of each question's unit, from 0."""
    units: int
    """How many units there are."""

    @classmethod
    def of_unit(cls, unit: str, keys: ArrayLike) -> Self:
        """Number units by their keys, one key per question."""
        distinct, of = np.unique(np.asarray(keys), return_inverse=True)
        return cls(unit, of.astype(np.int64), len(distinct))

    @classmethod
    def coarsest(cls, articles: ArrayLike, paragraphs: ArrayLike) -> Self:
        """Choose the largest unit of which there are enough: articles, else paragraphs, else questions.

        There must be at least `FEWEST` of them, and they must be worth at least 4 units of equal size.

        Args:
            articles: a key of the article of each question.
            paragraphs: a key of the paragraph of each question.
        """
        for unit, keys in (("article", articles), ("paragraph", paragraphs)):
            found = cls.of_unit(unit, keys)
            if found.units >= FEWEST and found.effective >= _FEWEST_EFFECTIVE:
                return found
        return cls.alone(len(np.asarray(articles)))

    @classmethod
    def alone(cls, questions: int) -> Self:
        """Make a unit of each question."""
        return cls("question", np.arange(questions), questions)

    @property
    def shares(self) -> NDArray[np.float64]:
        """The share of the questions that each unit has."""
        shares: NDArray[np.float64] = np.bincount(self.of, minlength=self.units) / len(self.of)
        return shares

    @property
    def effective(self) -> float:
        """How many units of equal size they are worth (Kish, 1965)."""
        return float(1 / (self.shares**2).sum())

    def totals(self, values: ArrayLike) -> NDArray[np.float64]:
        """Sum up the values of each unit's questions."""
        totals = np.zeros(self.units)
        np.add.at(totals, self.of, np.asarray(values, np.float64))
        return totals

    def spread(self, residuals: ArrayLike) -> ClusterSpread:
        """Estimate the variance of a sum of residuals from the units' sums, whatever units have in common.

        A unit pulls the mean towards itself by its share, so its square is divided by what is left (Bell and
        McCaffrey, 2002). With units of one question, this is the usual variance. Large units leave fewer
        degrees of freedom: the number of equal units that they are worth, less one (Carter, Schnepel and
        Steigerwald, 2017). The variance is at least a quarter of that of independent questions: a few
        units that happen to agree prove little.

        Args:
            residuals: one per question; their sum is 0.
        """
        if self.units == 1:
            return ClusterSpread(0.0, 0.0)
        values = np.asarray(residuals, np.float64)
        between = float((self.totals(values) ** 2 / (1 - self.shares)).sum())
        alone = float((values**2).sum()) * len(values) / (len(values) - 1)
        return ClusterSpread(max(between, _LEAST * alone), self.effective - 1)
