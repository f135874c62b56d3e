"""What a pool of workers must offer, besides the executor that the standard library describes."""

from concurrent.futures import Executor
from typing import Protocol


class Engine(Protocol):
    """Starts workers, and starts others if they die."""

    def executor(self) -> Executor:
        """Return the executor to give orders to, started if there is none.

        Raises:
            WorkersUnavailable: there are no workers.
        """

    def size(self) -> int:
        """Return how many orders can be carried out at once; 0 if all workers are gone."""

    def has_broken(self, error: BaseException) -> bool:
        """Return whether an order failed only because its worker died, so that another may carry it out."""

    def drop(self) -> None:
        """Drop an executor that a worker's death has broken; `executor` then starts another one."""

    def explained(self, error: BaseException) -> str | None:
        """Return a sentence if the workers are to blame for an error, and None if the order is."""

    def close(self) -> None:
        """End what was started here, also if orders are being carried out."""
