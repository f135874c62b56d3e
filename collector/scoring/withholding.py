"""Decides whether the accuracy of a run is shown, and gives the reason if it is withheld."""

from typing import Final

from collector.store.database import Store
from collector.store.runs import Run
from commandline.counted import counted
from contract.bundle import Weights

RANDOM_WEIGHTS: Final = (
    "random weights: time, memory and size are those of the true architecture, but an accuracy would mean "
    "nothing"
)
NOT_SCORED: Final = "not every answer is scored: run collector score"
NO_GOLDS: Final = "the question file has no gold answers or was never added: run collector questions add FILE"

_TITLES_NAMED: Final = 3


class GoldSets:
    """The question sets that have gold answers, and the articles that they ask about."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._sets: dict[str, int] = dict(
            store.tuples(
                "SELECT sha256, question_set FROM question_sets WHERE question_set IN "
                "(SELECT question_set FROM golds)"
            )
        )
        self._titles: dict[int, frozenset[str]] = {}

    def of(self, run: Run) -> int | None:
        """Return the question set to score a run by; None if its accuracy is withheld."""
        return None if self.withheld(run) else self._sets[run.questions_sha256]

    def withheld(self, run: Run) -> str | None:
        """Return why the accuracy of a run is withheld; None if it is shown.

        It is withheld if the manifest lists articles that the model was trained on, and the questions are
        about any of them. If the manifest only describes the training data in words, a person has to decide.
        """
        weights = run.bundle.weights
        if weights.origin == "random":
            return RANDOM_WEIGHTS
        question_set = self._sets.get(run.questions_sha256)
        if question_set is None:
            return NO_GOLDS
        return _trained_on(weights, self._asked_about(question_set))

    def _asked_about(self, question_set: int) -> frozenset[str]:
        if question_set not in self._titles:
            rows = self._store.tuples("SELECT title FROM passages WHERE question_set = ?", question_set)
            self._titles[question_set] = frozenset(title for (title,) in rows if title)
        return self._titles[question_set]


def _trained_on(weights: Weights, asked_about: frozenset[str]) -> str | None:
    known = weights.trained_on(asked_about)
    if not known:
        return None
    named = ", ".join(known[:_TITLES_NAMED])
    if len(known) > _TITLES_NAMED:
        named += f" and {len(known) - _TITLES_NAMED} more"
    return (
        f"the model was trained on {len(known)} of the {counted(len(asked_about), 'article')} of these "
        f"questions ({named}), so its accuracy on them would mean nothing"
    )
