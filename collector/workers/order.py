"""An order for a worker: a function of this package and its arguments, carried out on a copy of the program.

The worker opens the database itself, to read. What it finds goes back to the process that gave the order,
which alone writes.
"""

import pickle
import socket
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, NamedTuple

from collector.errors import BadInput, WorkersUnavailable
from collector.store.database import Store
from collector.store.findings_cache import RULES
from collector.store.opening import open_store_to_read

Work = Callable[..., Any]
"""A function of a module, whose first argument is the store, open for reading within `store.reading()`."""


class Sender(NamedTuple):
    """Who gives orders."""

    program: str
    """The version of the program and of its rules: a worker must have the same."""
    database: str
    """What `--db` names: the path of a file, or the address of a database of PostgreSQL."""
    collector_id: str
    """Identifies the database: the worker may have another one at that place."""


def program() -> str:
    """Return the version of this program and of the rules of its findings."""
    try:
        return f"{version('distilbench')}, rules {RULES}"
    except PackageNotFoundError:  # run from a clone that is not installed
        return f"of a clone, rules {RULES}"


def sender(store: Store) -> Sender:
    """Return what workers must know of this process and its database."""
    return Sender(program(), store.name, store.collector_id)


def packed(work: Work, arguments: tuple[Any, ...]) -> bytes:
    """Write an order. It is read only once the versions are known to be the same."""
    return pickle.dumps((work, arguments), pickle.HIGHEST_PROTOCOL)


def carry_out(expected: str, database: str, collector_id: str, order: bytes) -> Any:
    """Do what an order says; this is called on the worker. The first arguments are a `Sender`'s.

    Raises:
        WorkersUnavailable: this worker has another version of the program, or cannot read the database.
    """
    if program() != expected:
        raise WorkersUnavailable(
            f"the worker on {socket.gethostname()} has distilbench {program()}, and this is {expected}: "
            "install the same version on every worker"
        )
    work, arguments = pickle.loads(order)  # noqa: S301  # written by `packed`, in the process that we serve
    try:
        store = open_store_to_read(database)
    except BadInput as error:
        raise WorkersUnavailable(
            f"the worker on {socket.gethostname()} cannot read the database: {error}; {_SAME}"
        ) from None
    with store, store.reading():
        if store.collector_id != collector_id:
            raise WorkersUnavailable(
                f"the worker on {socket.gethostname()} has another database at {database!r}: {_SAME}"
            )
        return work(store, *arguments)


_SAME: Final = "a SQLite file must be at the same path on all workers"
