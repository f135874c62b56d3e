"""Tasks that are done together on a worker: those of the same runs, whose answers are then read once."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from collector.comparison_inputs.answers import Answers, PredictionSet
from collector.errors import NumbersChanged
from collector.store.database import Store
from collector.store.findings_cache import stored_finding
from collector.store.runs import Run
from collector.summaries.held import Held
from collector.summaries.run_summary import Derived
from contract.codec import encode

A_WORKER: Final = 8
"""How many parcels each worker gets, so that all of them end at about the same time."""
LEAST_ANSWERS: Final = 20_000
"""The fewest answers of a parcel: a worker opens the database for each, and reads its question file."""
MOST_ANSWERS: Final = 2_000_000
"""The answers at which a parcel ends, so that little is lost with a worker."""
MOST_SENT: Final = 5_000_000
"""The characters of findings at which a parcel ends: Dask warns of what is larger than 10 MB."""

A_TASK: Final = 5_000
"""As many answers as take about as long as what a task computes whatever their number, such as intervals."""
_QUESTION_FILES: Final = Held()
"""The question files that a worker has read, over all its orders."""


class Posted(NamedTuple):
    """A task without what a worker does not need."""

    of: tuple[str, ...]
    """The digests of all numbers that it depends on."""
    compute: "partial[Any]"
    """Its arguments contain the runs that it depends on, or they are named by their digests."""
    needs: tuple[str, ...] = ()
    """The digests of the findings that it reads."""


class Weighed(NamedTuple):
    """A task and how long it takes."""

    task: Posted
    answers: int
    """How many answers it reads, and `A_TASK` more."""


def weighed(
    of: tuple[str, ...], compute: "partial[Any]", needs: tuple[str, ...] = (), answers: int = 0
) -> Weighed | None:
    """Weigh a task by the answers of its runs; return None if it is about imported predictions.

    Their digest does not include the gold answers, so only the process that reads them in the same state of
    the database as everything else may compute with them.

    Args:
        of: see `Posted`.
        compute: see `Posted`.
        needs: see `Posted`.
        answers: how many answers it reads, besides those of the runs among its arguments.
    """
    answers += A_TASK
    for part in _parts(compute.args):
        if isinstance(part, PredictionSet):
            return None
        answers += part.answers
    return Weighed(Posted(of, compute, needs), answers)


def parcels(tasks: Sequence[Weighed], workers: int, sizes: Mapping[str, int]) -> list[list[int]]:
    """Divide tasks into parcels of neighbours; returns the places of the tasks of each.

    Args:
        tasks: the tasks.
        workers: how many workers there are.
        sizes: how many characters each finding has that tasks need and a parcel must contain, by digest.
    """
    total = sum(task.answers for task in tasks)
    enough = min(max(total // (workers * A_WORKER), LEAST_ANSWERS), MOST_ANSWERS)
    found: list[list[int]] = []
    inside = enough
    sent: dict[str, int] = {}
    for place, task in enumerate(tasks):
        if inside >= enough or sum(sent.values()) >= MOST_SENT:
            found.append([])
            inside = 0
            sent = {}
        found[-1].append(place)
        inside += task.answers
        sent |= {need: sizes[need] for need in task.task.needs if need in sizes}
    return found


def do(store: Store, tasks: Sequence[Posted], findings: Mapping[str, str]) -> list[str | None]:
    """Do tasks, and return their findings as JSON.

    Args:
        store: the database.
        tasks: the tasks.
        findings: those of the findings that they need which may not be in the database, by digest.

    Returns:
        None for a task of a run that has changed: its finding would be about other numbers.
    """
    derived = Derived(store)
    answers = Answers(
        store, derived, lambda digest: findings.get(digest) or stored_finding(store, digest), _QUESTION_FILES
    )
    return [_done(task, answers) for task in tasks]


def _done(task: Posted, answers: Answers) -> str | None:
    of = set(task.of)
    if not all(answers.derived.digest(run) in of for run in _parts(task.compute.args)):
        return None
    try:
        return encode(task.compute(answers)).decode()
    except NumbersChanged:
        return None


def _parts(value: Any) -> Iterator[Any]:
    """Yield the runs and the imported predictions in the arguments of a task."""
    if isinstance(value, Run | PredictionSet):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _parts(part)
