"""Workers that compute for this process, and what happens when one of them dies."""

from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from types import TracebackType
from typing import Any, Final, Self

from collector.errors import BadInput, CollectorError, WorkersUnavailable
from collector.store.database import Store
from collector.workers.cluster import DaskEngine
from collector.workers.engine import Engine
from collector.workers.local import LocalEngine
from collector.workers.order import Work, carry_out, packed, sender

MOST: Final = 1_024
"""The most processes of this machine."""
MOST_DEATHS: Final = 3
"""How often a pool is replaced after the death of a worker before the work is given up."""
AHEAD: Final = 4
"""How many orders per worker are given at once: the arguments of all of them would take much memory."""
LOOK_SECONDS: Final = 5.0
PATIENCE_SECONDS: Final = 60.0
"""How long to wait for a worker to come back after all of them are gone."""


class Workers:
    """Carries out orders on workers, each exactly once for its result, in any order.

    Args:
        engine: starts the workers.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._engine.close()

    def size(self) -> int:
        """Return how many orders are carried out at once."""
        self._engine.executor()
        return max(1, self._engine.size())

    def compute(
        self, store: Store, work: Work, arguments: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Any]]:
        """Call a function with each of several arguments, and yield each result as it comes.

        A worker that dies is replaced, and what it had not finished is done again.

        Args:
            store: the database, which each worker opens to read.
            work: the function.
            arguments: its arguments after the store.

        Returns:
            The place of the arguments, and the result.

        Raises:
            WorkersUnavailable: workers have another version, cannot read the database, or keep dying.
        """
        to_whom, deaths = sender(store), 0
        waiting = list(range(len(arguments)))[::-1]
        given: dict[Future[Any], int] = {}
        try:
            while waiting or given:
                try:
                    executor = self._engine.executor()
                    while waiting and len(given) < AHEAD * max(1, self._engine.size()):
                        order = packed(work, arguments[waiting[-1]])
                        given[executor.submit(carry_out, *to_whom, order)] = waiting[-1]
                        waiting.pop()
                    for future in self._finished(given):
                        result = future.result()
                        yield given.pop(future), result
                except CollectorError:
                    raise
                except Exception as error:
                    if not self._engine.has_broken(error):
                        sentence = self._engine.explained(error)
                        if sentence is None:
                            raise
                        raise WorkersUnavailable(sentence) from error
                    deaths += 1
                    if deaths > MOST_DEATHS:
                        raise WorkersUnavailable(
                            f"workers died {deaths} times, as they do without memory: give a lower number to "
                            "--workers"
                        ) from None
                    self._engine.drop()
                    waiting += given.values()
                    given.clear()
        finally:
            for future in given:  # what nobody waits for any more
                future.cancel()

    def _finished(self, given: dict[Future[Any], int]) -> set[Future[Any]]:
        """Wait for results.

        Raises:
            WorkersUnavailable: all workers are gone, and none comes back.
        """
        alone = 0.0
        while True:
            done = wait(given, LOOK_SECONDS, FIRST_COMPLETED).done
            if done:
                return done
            alone = 0.0 if self._engine.size() else alone + LOOK_SECONDS
            if alone >= PATIENCE_SECONDS:
                raise WorkersUnavailable("all workers are gone, and none has come back for a minute")


def workers_of(text: str) -> Workers:
    """Return the workers that `--workers` names; they are started when they are needed.

    Raises:
        BadInput: the text is neither a number nor the address of a scheduler.
    """
    if text.startswith(("tcp://", "tls://")):
        return Workers(DaskEngine(text))
    if text.isascii() and text.isdigit() and 1 <= int(text) <= MOST:
        return Workers(LocalEngine(int(text)))
    raise BadInput(
        f"--workers {text!r} is neither a number of processes, 1 to {MOST}, nor the address of a scheduler "
        "such as tcp://scheduler:8786"
    )
