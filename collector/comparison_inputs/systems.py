"""Imported predictions, as they take part in a comparison."""

from typing import Final

from collector.comparison_inputs.answers import PredictionSet
from collector.comparison_inputs.groups import System
from collector.comparison_inputs.tasks.summing import sums
from collector.comparison_inputs.tasks.task import Memo
from collector.findings.between_rows import RowName
from collector.store.database import Store

ANY_HARDWARE: Final = "any hardware"
"""The hardware class in the rows of imported predictions, which were not measured."""

ORIGIN: Final = "predictions"
"""The `weights_origin` of rows of imported predictions."""

_SYSTEMS: Final = """
SELECT system, model, question_set, systems.sha256, name, question_sets.sha256
FROM systems JOIN question_sets USING (question_set)
WHERE question_set IN (SELECT question_set FROM golds) ORDER BY model, system
"""


def systems(store: Store, memo: Memo, scorer: int | None) -> list[System]:
    """List the imported predictions on question files with gold answers, in order of the model's name.

    Args:
        store: the database.
        memo: recalls or computes the sums.
        scorer: the number of the BERTScore model; None for no BERTScores.
    """
    used = store.value("SELECT hash || ' ' || last_used_at FROM bertscore_models WHERE scorer = ?", scorer)
    found = []
    for number, model, question_set, digest, questions, questions_sha256 in list(store.tuples(_SYSTEMS)):
        digests = (ORIGIN, digest, questions_sha256, *(() if used is None else (used,)))
        source = PredictionSet(number, question_set, questions_sha256, digests)
        name = RowName(
            hardware_class=ANY_HARDWARE,
            machine=ANY_HARDWARE,
            questions_sha256=questions_sha256,
            model=model,
            precision="",
        )
        found.append(
            System(
                name=name,
                questions=questions,
                withheld=None,
                source=source,
                measured=memo.recall(sums(source)),
            )
        )
    return found
