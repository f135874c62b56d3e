"""Reads the answers of runs and of imported predictions as arrays, which can be megabytes."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from collector.comparison_inputs.means.pieces import means_of_piece, pieces
from collector.comparison_inputs.rounds import Round, rounds_of
from collector.errors import NumbersChanged
from collector.scoring.golds import Golds
from collector.statistics.accuracy.clusters import Clusters
from collector.store.database import Store
from collector.store.findings_cache import stored_finding
from collector.store.runs import Run
from collector.summaries.articles import Articles
from collector.summaries.columns import ERROR, MARKED, Columns, Keys, PerQuestion, joined, median_times
from collector.summaries.held import Held, array_bytes
from collector.summaries.question_means import Judged, Packed, QuestionMeans, question_means
from collector.summaries.run_summary import Derived
from contract import squad_metrics as squad

_BERTSCORES: Final = """
SELECT predictions.question_id, max(bertscores.f1)
FROM predictions JOIN systems USING (system)
JOIN golds ON golds.question_set = systems.question_set AND golds.question_id = predictions.question_id
JOIN bertscores ON candidate = predictions.text AND reference = golds.text
WHERE system = ? AND scorer = ? GROUP BY predictions.question_id
"""


_PACKED: Final = msgspec.json.Decoder(Packed)


class RunSet(NamedTuple):
    """Runs whose answers are taken together."""

    runs: tuple[Run, ...]
    """In the order in which the collector first received something of them; at least one."""
    run_digests: tuple[str, ...]
    """The digest of the numbers of each run."""

    @property
    def questions_sha256(self) -> str:
        """The digest of the question file, which all runs share."""
        return self.runs[0].questions_sha256

    @property
    def digests(self) -> tuple[str, ...]:
        """Digests that identify all numbers of the runs, and how they are spread over devices."""
        device_ids = tuple(run.device_id for run in self.runs)
        return self.run_digests if len(set(device_ids)) == 1 else (*self.run_digests, *device_ids)

    @property
    def devices(self) -> "dict[str, RunSet]":
        """The runs of each device, in order of the devices' names."""
        pairs: dict[str, list[tuple[Run, str]]] = defaultdict(list)
        for run, digest in zip(self.runs, self.run_digests, strict=True):
            pairs[run.device_id].append((run, digest))
        return {device_id: RunSet(*zip(*pairs[device_id], strict=True)) for device_id in sorted(pairs)}

    def shared_with(self, other: "RunSet") -> "RunSet":
        """Return the runs on devices that others ran on too; all of them if there is no such device."""
        return self._on({run.device_id for run in other.runs}) or self

    def _on(self, device_ids: Collection[str]) -> "RunSet | None":
        pairs = zip(self.runs, self.run_digests, strict=True)
        chosen = [pair for pair in pairs if pair[0].device_id in device_ids]
        if len(chosen) == len(self.runs):
            return self
        return RunSet(*zip(*chosen, strict=True)) if chosen else None


class PredictionSet(NamedTuple):
    """Imported predictions of one model on one question file."""

    system: int
    """Their number in the table `systems`."""
    question_set: int
    questions_sha256: str
    digests: tuple[str, ...]
    """Digests that identify the predictions and their scores."""


Source = RunSet | PredictionSet
"""Where answers come from."""


class Remembered(NamedTuple):
    """A row by its means, which are findings. It may have thousands of runs, which are not named."""

    questions_sha256: str
    findings: tuple[str, ...]
    """The digests of the findings, which are `Packed` means of ranges of questions in ascending order."""


Side = Source | Remembered
"""What is compared question by question."""


class Answers:
    """The answers of a database, read only by what was not computed before.

    Attributes:
        store: the database; all reads are within one `store.reading()`.
        derived: the columns and summaries of its runs.
        golds: the gold answers of its question files.

    Args:
        finding: returns a finding as JSON by its digest, None if it is not known; that of the database if no
            function is given.
        files: question files that were read before, to which new ones are added; None to begin without any.
    """

    def __init__(
        self,
        store: Store,
        derived: Derived,
        finding: Callable[[str], str | None] | None = None,
        files: Held | None = None,
    ) -> None:
        self.store = store
        self.derived = derived
        self.golds = Golds(store)
        self._finding = partial(stored_finding, store) if finding is None else finding
        self._articles = Articles(store, files)
        self._held = Held()

    def clusters(self, side: Side, questions: NDArray[np.uint64]) -> Clusters:
        """Group questions of a side by article, as far as there are enough articles.

        Args:
            side: where answers to the questions come from.
            questions: hashes of the questions, in ascending order.
        """
        return self._articles.clusters(side.questions_sha256, questions)

    def means(self, side: Side) -> QuestionMeans:
        """Return the mean scores and times of each question of a side.

        Raises:
            NumbersChanged: they are to be remembered, and are not.
        """
        if isinstance(side, Remembered):
            return self._held.get(side, partial(self._recalled, side), array_bytes)
        if isinstance(side, PredictionSet):
            return question_means([Judged.of(self._predicted(side))], ())
        return self._held.get(side.digests, partial(self._summed_up, side), array_bytes)

    def columns(self, source: Source) -> Columns:
        """Return all answers as columns."""
        if isinstance(source, PredictionSet):
            return self._predicted(source)
        return joined([self.derived.columns(run) for run in source.runs])

    def of_run(self, run: Run) -> Columns:
        """Return the answers of one run as columns."""
        return self.derived.columns(run)

    def question_ns(self, device: RunSet) -> PerQuestion:
        """Return the median time of each question that has a time, of the runs of one device."""
        return self._held.get(
            ("times", device.digests), lambda: median_times(self.columns(device)), array_bytes
        )

    def rounds(self, source: RunSet) -> tuple[Round, ...]:
        """Return the times of each round of each run: the units of replication, in order of run and round.

        A run without rounds is one round. Rounds without a time that counts are left out.
        """
        pairs = zip(source.runs, source.run_digests, strict=True)
        return tuple(found for run, digest in pairs for found in self._rounds(run, digest))

    def text(self, run: Run, seq: int) -> tuple[str, str]:
        """Return the question id and the text of one answer."""
        sql = "SELECT question_id, text FROM answers WHERE stream = ? AND seq = ?"
        ((question_id, text),) = self.store.tuples(sql, run.stream, seq)
        return question_id, text

    def _rounds(self, run: Run, digest: str) -> tuple[Round, ...]:
        return self._held.get(
            ("rounds", digest, run.stream),
            lambda: tuple(rounds_of(self.store, run, self.derived.columns(run))),
            lambda rounds: sum(map(array_bytes, rounds)),
        )

    def _recalled(self, side: Remembered) -> QuestionMeans:
        return QuestionMeans.joined(
            [QuestionMeans.unpacked(self._packed(digest)) for digest in side.findings]
        )

    def _packed(self, digest: str) -> Packed:
        text = self._finding(digest)
        if text is None:
            raise NumbersChanged(f"finding {digest} is not remembered")
        return _PACKED.decode(text)

    def _summed_up(self, source: RunSet) -> QuestionMeans:
        cut = pieces(source.runs, source.run_digests)
        return QuestionMeans.joined([means_of_piece(piece, self.derived) for piece in cut])

    def _predicted(self, source: PredictionSet) -> Columns:
        return Columns.of(self._rows(source), Keys())

    def _rows(self, source: PredictionSet) -> Iterator[tuple[object, ...]]:
        scorer, nan = self.derived.scorer, float("nan")
        texts = "SELECT question_id, text FROM predictions WHERE system = ?"
        predicted = dict(self.store.tuples(texts, source.system))
        bertscores = dict(self.store.tuples(_BERTSCORES, source.system, scorer))
        for seq, (question_id, golds) in enumerate(self.golds.of(source.question_set).items()):
            text = predicted.get(question_id)
            score = squad.Score(False, 0.0) if text is None else squad.score(text, golds)
            state = ERROR if text is None else MARKED  # an answer, and no time
            alike = nan if scorer is None else 0.0 if text is None else bertscores.get(question_id, nan)
            yield question_id, seq, 0, 0, state, text or "", *map(float, score), alike
