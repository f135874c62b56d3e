"""When the accuracy of a run means something, and what to say when it does not."""

import re
from typing import Final

from collector.runs import Run
from collector.store import Store

RANDOM_WEIGHTS: Final = (
    "random weights: time, memory and size are those of the true architecture, an accuracy would mean nothing"
)
TRAINED_ON_THESE: Final = (
    "its training data includes these questions, so its accuracy on them would mean nothing"
)
NO_GOLDS: Final = "the question file has no gold answers, or was never added: collector questions add FILE"

_SQUAD_DEV_TITLES: Final = """
1973_oil_crisis American_Broadcasting_Company Amazon_rainforest Apollo_program Black_Death Chloroplast
Civil_disobedience Computational_complexity_theory Construction Ctenophora Doctor_Who Economic_inequality
European_Union_law Force French_and_Indian_War Fresno,_California Genghis_Khan Geology Harvard_University
Huguenot Immune_system Imperialism Intergovernmental_Panel_on_Climate_Change Islamism
Jacksonville,_Florida Kenya Martin_Luther Newcastle_upon_Tyne Nikola_Tesla Normans Oxygen Packet_switching
Pharmacy Prime_number Private_school Rhine Scottish_Parliament Sky_(United_Kingdom) Southern_California
Steam_engine Super_Bowl_50 Teacher United_Methodist_Church University_of_Chicago Victoria_(Australia)
Victoria_and_Albert_Museum Warsaw Yuan_dynasty
"""
_TRAINED_ON_DEV: Final = re.compile(r"\bsquad\b.*\bdev(elopment)?\b", re.IGNORECASE | re.DOTALL)
_HUMAN_ID: Final = re.compile(r"[0-9a-f]{24}")


class GoldSets:
    """Which question sets have gold answers, and which are SQuAD v1.1 dev or part of it.

    SQuAD dev is known by what it is, not by what its file is called: a question whose id is of SQuAD's form
    under a title that is one of its 48 articles.
    """

    def __init__(self, store: Store) -> None:
        self._sets: dict[str, int] = dict(
            store.tuples(
                "SELECT sha256, question_set FROM question_sets WHERE question_set IN "
                "(SELECT question_set FROM golds)"
            )
        )
        self._squad_dev = {
            sha256 for sha256, question_set in self._sets.items() if _is_squad_dev(store, question_set)
        }

    def of(self, run: Run) -> int | None:
        """The question set to score a run by; None when its accuracy is withheld."""
        return None if self.withheld(run) else self._sets[run.questions_sha256]

    def withheld(self, run: Run) -> str | None:
        """Why no accuracy of this run is shown; None when it is.

        A manifest says in words what its model was trained on, which cannot be matched with a question file
        in general. One case can, and matters: SQuAD dev is the questions that everybody reports on.
        """
        weights = run.bundle.weights
        if weights.origin == "random":
            return RANDOM_WEIGHTS
        if run.questions_sha256 not in self._sets:
            return NO_GOLDS
        if run.questions_sha256 in self._squad_dev and _TRAINED_ON_DEV.search(weights.training_data or ""):
            return TRAINED_ON_THESE
        return None


def _is_squad_dev(store: Store, question_set: int) -> bool:
    rows = store.tuples(
        "SELECT title, min(question_id) FROM passages JOIN questions USING (question_set, passage) "
        "WHERE question_set = ? GROUP BY title",
        question_set,
    )
    titles = frozenset(_SQUAD_DEV_TITLES.split())
    return any(title in titles and _HUMAN_ID.fullmatch(question_id) for title, question_id in rows)
