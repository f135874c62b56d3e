"""Workers of a cluster: those of a Dask scheduler, which needs the extra `cluster`."""

import logging
from concurrent.futures import CancelledError, Executor
from typing import TYPE_CHECKING, Final

from collector.errors import WorkersUnavailable
from commandline.program.installation import how_to_add

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS: Final = 15.0
"""How long to wait for the scheduler."""
WORKER_SECONDS: Final = 60.0
"""How long to wait for its first worker, which may only be starting: its imports alone take seconds."""


class DaskEngine:
    """Gives orders to a scheduler, which gives them to its workers, and again if one of them dies.

    Args:
        address: where the scheduler is, such as `tcp://scheduler:8786`.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client: Client | None = None
        self._executor: Executor | None = None

    def executor(self) -> Executor:
        """Connect to the scheduler.

        Raises:
            WorkersUnavailable: the extra is not installed, or there is no scheduler or no worker.
        """
        if self._executor is None:
            try:
                from distributed import Client
            except ImportError:
                raise WorkersUnavailable(
                    f"--workers {self._address} needs the extra `cluster`: {how_to_add('cluster')}"
                ) from None
            _quieten()
            try:
                self._client = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
            except (OSError, ValueError) as error:
                raise WorkersUnavailable(f"no scheduler can be reached at {self._address}: {error}") from None
            try:
                self._client.wait_for_workers(1, WORKER_SECONDS)
            except TimeoutError:
                raise WorkersUnavailable(f"the scheduler at {self._address} has no worker") from None
            self._executor = self._client.get_executor(pure=False)
        return self._executor

    def size(self) -> int:
        """Return how many threads all workers have."""
        return 0 if self._client is None else sum(self._client.nthreads().values())

    def has_broken(self, error: BaseException) -> bool:
        """Return False: the scheduler has given the order to other workers already."""
        return False

    def drop(self) -> None:
        """Do nothing: the scheduler replaces its workers."""

    def explained(self, error: BaseException) -> str | None:
        """Say that all workers died that tried to carry out an order, or that they have another program."""
        if type(error).__name__ == "KilledWorker":
            return f"workers of {self._address} die when they compute this, as without memory: {error}"
        if isinstance(error, CancelledError | OSError):  # the store's own errors are sentences already
            return f"the connection to the scheduler at {self._address} was lost: see whether it still runs"
        if isinstance(error, ImportError | AttributeError) or "deserializ" in str(error):
            return f"a worker of {self._address} does not have this version of distilbench: {error}"
        return None

    def close(self) -> None:
        """Leave the scheduler; its workers drop the orders of this process."""
        if self._client is not None:
            self._client.close()
        self._client = self._executor = None


def _quieten() -> None:
    """Keep Dask from printing tracebacks: what matters is raised, and becomes one sentence."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in {"distributed", "tornado"}:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
