"""Imported predictions, as they take part in a comparison."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final

from collector.comparison_inputs.groups import Entrant
from collector.findings.between_rows import RowName
from collector.scoring.golds import Golds
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.summaries.columns import ERROR, MARKED, Columns, Keys
from contract import squad_metrics as squad

ANY_HARDWARE: Final = "any hardware"
"""The hardware class in the rows of imported predictions, which were not measured."""

ORIGIN: Final = "predictions"
"""The `weights_origin` of rows of imported predictions."""

_BERTSCORES: Final = """
SELECT predictions.question_id, max(bertscores.f1)
FROM predictions JOIN systems USING (system)
JOIN golds ON golds.question_set = systems.question_set AND golds.question_id = predictions.question_id
JOIN bertscores ON candidate = predictions.text AND reference = golds.text
WHERE system = ? AND scorer = ? GROUP BY predictions.question_id
"""


class System(Entrant):
    """Imported predictions of one model on one question file: they have answers but no times."""

    is_measured = False

    def __init__(
        self, store: Store, golds: Golds, cache: FindingsCache, system: int, scorer: int | None
    ) -> None:
        """Read one model's predictions from the database.

        Args:
            store: the database.
            golds: the gold answers of its question files.
            cache: results that were computed before.
            system: the number of the predictions in the table `systems`.
            scorer: the number of the BERTScore model; None for no BERTScores.
        """
        super().__init__(cache)
        self._scorer = scorer
        self._store = store
        self._golds = golds
        self._system = system
        ((model, self._question_set, digest, self.questions, questions_sha256),) = store.tuples(
            "SELECT model, question_set, systems.sha256, name, question_sets.sha256 FROM systems "
            "JOIN question_sets USING (question_set) WHERE system = ?",
            system,
        )
        self.name = RowName(
            hardware_class=ANY_HARDWARE,
            machine=ANY_HARDWARE,
            questions_sha256=questions_sha256,
            model=model,
            precision="",
        )
        self.withheld = None
        used = store.value(
            "SELECT hash || ' ' || last_used_at FROM bertscore_models WHERE scorer = ?", scorer
        )
        self.digests = (ORIGIN, digest, questions_sha256, *(() if used is None else (used,)))

    @cached_property
    def columns(self) -> Columns:
        """The answers and their scores."""
        predicted = dict(
            self._store.tuples("SELECT question_id, text FROM predictions WHERE system = ?", self._system)
        )
        return Columns.of(self._rows(predicted), Keys())

    def _rows(self, predicted: dict[str, str]) -> Iterator[tuple[object, ...]]:
        bertscores = dict(self._store.tuples(_BERTSCORES, self._system, self._scorer))
        nan = float("nan")
        for seq, (question_id, texts) in enumerate(self._golds.of(self._question_set).items()):
            text = predicted.get(question_id)
            score = squad.Score(False, 0.0) if text is None else squad.score(text, texts)
            state = ERROR if text is None else MARKED  # an answer, and no time
            alike = nan if self._scorer is None else 0.0 if text is None else bertscores.get(question_id, nan)
            yield question_id, seq, 0, state, text or "", *map(float, score), alike


def systems(store: Store, golds: Golds, cache: FindingsCache, scorer: int | None) -> list[System]:
    """List the imported predictions on question files with gold answers, in order of the model's name."""
    numbers = store.tuples(
        "SELECT system FROM systems WHERE question_set IN (SELECT question_set FROM golds) "
        "ORDER BY model, system"
    )
    return [System(store, golds, cache, number, scorer) for (number,) in list(numbers)]
