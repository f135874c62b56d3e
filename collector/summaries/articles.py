"""Which questions of a file are of one paragraph and of one article, by the hashes that columns have."""

from functools import partial
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from collector.statistics.accuracy.clusters import Clusters
from collector.store.database import Store
from collector.summaries.columns import Keys
from collector.summaries.held import Held, array_bytes

_QUESTIONS: Final = """
SELECT question_id, passage, title FROM question_sets JOIN questions USING (question_set)
JOIN passages USING (question_set, passage) WHERE sha256 = ?
ORDER BY question_id
"""
_FILES: Final = "SELECT question_set, added_at FROM question_sets WHERE sha256 = ?"


class _Members(NamedTuple):
    """The questions of a file, in order of their hashes."""

    question: NDArray[np.uint64]
    paragraph: NDArray[np.int64]
    article: NDArray[np.int64]


class Articles:
    """The articles of the question files in a database, read once per file.

    A paragraph without a title is an article by itself, unless no paragraph of the file has one.

    Args:
        store: the database; all reads are within one `store.reading()`.
        held: files that were read before, also of other databases, to which new ones are added; None to begin
            without any.
    """

    def __init__(self, store: Store, held: Held | None = None) -> None:
        self._store = store
        self._held = Held() if held is None else held
        self._files: dict[str, _Members] = {}

    def clusters(self, questions_sha256: str, questions: NDArray[np.uint64]) -> Clusters:
        """Group questions by the largest unit of which there are enough.

        Args:
            questions_sha256: the digest of the question file.
            questions: hashes of the questions, in ascending order.
        """
        if questions_sha256 not in self._files:
            self._files[questions_sha256] = self._read(questions_sha256)
        file = self._files[questions_sha256]
        places = np.searchsorted(file.question, questions)
        if not len(file.question) or not np.array_equal(file.question.take(places, mode="clip"), questions):
            return Clusters.alone(len(questions))
        return Clusters.coarsest(file.article[places], file.paragraph[places])

    def _read(self, sha256: str) -> _Members:
        # As it was added to its database, a file never changes there.
        added = next(self._store.tuples(_FILES, sha256), ())
        key = (self._store.collector_id, sha256, *added)
        return self._held.get(key, partial(_members, self._store, sha256), array_bytes)


def _members(store: Store, sha256: str) -> _Members:
    rows = list(store.tuples(_QUESTIONS, sha256))
    question = np.array(Keys().of(row[0] for row in rows), np.uint64)
    paragraph = np.array([row[1] for row in rows], np.int64)
    titled = any(title for _, _, title in rows)
    numbers: dict[str | int, int] = {}
    article = np.array(
        [numbers.setdefault(title or place * titled, len(numbers)) for _, place, title in rows], np.int64
    )
    order = np.argsort(question)
    return _Members(question[order], paragraph[order], article[order])
