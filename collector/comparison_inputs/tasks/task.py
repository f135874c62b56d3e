"""A computation over answers that takes long: its result is remembered, and another process could do it."""

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from collector.comparison_inputs.answers import Answers
from collector.store.findings_cache import FindingsCache

T = TypeVar("T")


class Task(NamedTuple, Generic[T]):
    """One computation. It refers to runs and never to a connection, so it can be sent to another process."""

    kind: str
    """The kind of finding."""
    of: tuple[str, ...]
    """The digests of all numbers that it depends on, in a meaningful order."""
    shape: Any
    """The type of the finding, one that msgspec encodes."""
    compute: Callable[[Answers], T]
    """A function of a module, or a `partial` of one with runs and numbers."""


class Memo:
    """Does tasks, each once in the life of the numbers that it depends on."""

    def __init__(self, answers: Answers, cache: FindingsCache) -> None:
        self._answers = answers
        self._cache = cache

    def recall(self, task: Task[T]) -> T:
        """Return the finding of a task, computed only if it is not known."""
        return self._cache.recall(task.kind, task.of, task.shape, lambda: task.compute(self._answers))
