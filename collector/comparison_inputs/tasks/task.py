"""A computation over answers that takes long: its result is remembered, and another process could do it."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.tasks.parcels import Weighed, do, parcels, weighed
from collector.store.findings_cache import FindingsCache, digest_of
from collector.workers.workers import Workers

T = TypeVar("T")


class Task(NamedTuple, Generic[T]):
    """One computation. It refers to runs and never to a connection, so it can be sent to another process."""

    kind: str
    """The kind of finding."""
    of: tuple[str, ...]
    """The digests of all numbers that it depends on, in a meaningful order."""
    shape: Any
    """The type of the finding, one that msgspec encodes."""
    compute: "partial[T]"
    """A function of a module with runs and numbers, without its last argument, the `Answers`."""


class Memo:
    """Does tasks, each once in the life of the numbers that it depends on.

    Args:
        answers: the answers of the database.
        cache: the findings that are known.
        workers: who does tasks that are prepared; None if this process does all of them.
    """

    def __init__(self, answers: Answers, cache: FindingsCache, workers: Workers | None = None) -> None:
        self._answers = answers
        self._cache = cache
        self._workers = workers

    @property
    def alone(self) -> bool:
        """Whether this process does all tasks."""
        return self._workers is None

    def prepare(self, tasks: Iterable[Task[Any]], progress: Callable[[int, int], None] | None = None) -> None:
        """Let workers do those tasks that will be recalled and whose findings are not known.

        Args:
            tasks: the tasks, in an order in which neighbours are of the same runs.
            progress: called with how many of them are done and how many there are.
        """
        if self._workers is None:
            return
        missing: dict[str, Weighed] = {}
        for task in tasks:
            digest = digest_of(task.kind, task.of)
            if digest not in missing and not self._cache.has(digest):
                found = weighed(task.of, task.compute)
                if found is not None:
                    missing[digest] = found
        if not missing:
            return
        digests, posted, done = list(missing), list(missing.values()), 0
        together = parcels(posted, self._workers.size())
        orders = [([posted[place].task for place in places],) for places in together]
        for number, findings in self._workers.compute(self._answers.store, do, orders):
            for place, finding in zip(together[number], findings, strict=True):
                if finding is not None:
                    self._cache.add(digests[place], finding)
            done += len(findings)
            if progress is not None:
                progress(done, len(missing))

    def recall(self, task: Task[T]) -> T:
        """Return the finding of a task, computed only if it is not known."""
        return self._cache.recall(task.kind, task.of, task.shape, lambda: task.compute(self._answers))
