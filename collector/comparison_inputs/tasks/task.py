"""A computation over answers that takes long: its result is remembered, and another process could do it."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Generic, NamedTuple, TypeVar

from collector.comparison_inputs.answers import Answers
from collector.comparison_inputs.tasks.parcels import Posted, Weighed, do, parcels, weighed
from collector.store.findings_cache import FindingsCache, digest_of
from collector.workers.workers import Workers
from contract.codec import encode

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
    needs: "tuple[Task[Any], ...]" = ()
    """The tasks whose findings it reads from the `Answers`."""
    answers: int = 0
    """How many answers it reads, besides those of the runs among its arguments."""

    @property
    def digest(self) -> str:
        """The digest that names its finding."""
        return digest_of(self.kind, self.of)


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
        missing = self._missing(tasks)
        self.prepare_needs(missing.values())
        self._give_out(missing, self._workers, progress)

    def prepare_needs(self, tasks: Iterable[Task[Any]]) -> None:
        """Let workers compute what tasks need, and not the tasks, which need more than an order may carry."""
        if self._workers is None:
            return
        needed = self._missing(need for task in self._missing(tasks).values() for need in task.needs)
        self._give_out(needed, self._workers, None)
        for need in needed.values():  # what workers may not or could not compute
            self._ensure(need)

    def keep(self, tasks: Iterable[Task[Any]]) -> None:
        """Keep the findings of tasks, if they are known, although nothing may recall them this time."""
        for task in tasks:
            self._cache.use(task.digest)

    def recall(self, task: Task[T]) -> T:
        """Return the finding of a task, computed only if it is not known."""
        return self._cache.recall(task.kind, task.of, task.shape, lambda: self._computed(task))

    def _computed(self, task: Task[T]) -> T:
        for need in task.needs:
            self._ensure(need)
        return task.compute(self._answers)

    def _ensure(self, task: Task[Any]) -> None:
        digest = task.digest
        if not self._cache.has(digest):
            self._cache.add(digest, encode(self._computed(task)).decode())

    def _missing(self, tasks: Iterable[Task[Any]]) -> dict[str, Task[Any]]:
        named = ((task.digest, task) for task in tasks)
        return {digest: task for digest, task in named if not self._cache.has(digest)}

    def _give_out(
        self,
        missing: Mapping[str, Task[Any]],
        workers: Workers,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        digests: list[str] = []
        posted: list[Weighed] = []
        for digest, task in missing.items():
            found = weighed(task.of, task.compute, tuple(need.digest for need in task.needs), task.answers)
            if found is not None:
                digests.append(digest)
                posted.append(found)
        if not posted:
            return
        new = self._new(need for each in posted for need in each.task.needs)
        sizes = {need: len(finding) for need, finding in new.items()}
        together, done = parcels(posted, workers.size(), sizes), 0
        # Each order has the tasks, and those of the findings they need that are not in the database yet.
        orders = [_order([posted[place].task for place in places], new) for places in together]
        for number, findings in workers.compute(self._answers.store, do, orders):
            for place, finding in zip(together[number], findings, strict=True):
                if finding is not None:
                    self._cache.add(digests[place], finding)
            done += len(findings)
            if progress is not None:
                progress(done, len(posted))

    def _new(self, digests: Iterable[str]) -> dict[str, str]:
        """Return those findings that workers cannot read, since they are not stored."""
        named = ((digest, self._cache.new(digest)) for digest in dict.fromkeys(digests))
        return {digest: finding for digest, finding in named if finding is not None}


def _order(tasks: list[Posted], new: Mapping[str, str]) -> tuple[list[Posted], dict[str, str]]:
    return tasks, {need: new[need] for task in tasks for need in task.needs if need in new}
