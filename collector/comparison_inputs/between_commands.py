"""What changes from one command to another: runs that were not measured in turns differ by more than chance.

Between two commands the machine may have become warmer, and a process may have been luckier. The questions of
a run say nothing about that, since all of them met the same process and the same minutes.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Final, NamedTuple

from collector.comparison_inputs.answers import RunSet
from collector.comparison_inputs.machine import Machine
from collector.comparison_inputs.rounds import turns_of
from collector.comparison_inputs.standing import otherwise
from collector.comparison_inputs.tasks.level import LevelChange, level_change
from collector.comparison_inputs.tasks.task import Memo, Task
from collector.findings.scenario_run import COMPARED
from collector.statistics.timing.spread import Spread
from collector.store.database import Store
from collector.store.runs import Run
from collector.summaries.run_summary import Derived
from commandline.standing import variant

LEAST_QUESTIONS: Final = 10
"""The fewest questions that two runs must share to count as a repeat; an agent's round has as many."""

MachineType = tuple[str, str]
"""The hardware class and the machine type."""


class CommandSpread(NamedTuple):
    """How much the times of one bundle differ between commands on one machine type."""

    log_sd: float
    """Standard deviation of the logarithm of a command's times. Two commands differ by √2 of it."""
    repeats: int
    """How many repeated measurements it is computed from."""

    @property
    def spread(self) -> Spread:
        """The variance with its degrees of freedom.

        A run between two repeats is part of both, so there are fewer degrees than repeats: those of the mean
        square successive difference (von Neumann and others, 1941).
        """
        return Spread(self.log_sd**2, 2 * self.repeats**2 / (3 * self.repeats - 1))


def command_spreads(
    store: Store, runs: Iterable[Run], machine: Callable[[Run], Machine], derived: Derived, memo: Memo
) -> dict[MachineType, CommandSpread]:
    """Compute the spread between commands of each machine type on which something was measured repeatedly.

    A repeat is a run and the one before it, of one bundle with equal settings and versions on one device, in
    different commands. The spread is pooled over bundles and devices: each repeat differs by two deviations,
    so half its square is one variance.
    """
    squares: dict[MachineType, list[float]] = defaultdict(list)
    repeats = list(_repeats(store, runs))
    memo.prepare(_change(*pair, derived) for pair in repeats)
    for earlier, later in repeats:
        change = memo.recall(_change(earlier, later, derived))
        if change.questions >= LEAST_QUESTIONS:
            squares[later.device.hardware_class, machine(later).label].append(change.log_ratio**2)
    return {
        where: CommandSpread(math.sqrt(math.fsum(found) / (2 * len(found))), len(found))
        for where, found in squares.items()
    }


def _change(earlier: Run, later: Run, derived: Derived) -> Task[LevelChange]:
    return level_change(*(RunSet((run,), (derived.digest(run),)) for run in (earlier, later)))


def _repeats(store: Store, runs: Iterable[Run]) -> Iterator[tuple[Run, Run]]:
    by_bundle: dict[tuple[object, ...], list[Run]] = defaultdict(list)
    for run in runs:
        if run.settings.scenario == COMPARED:
            by_bundle[run.device_id, run.questions_sha256, variant(run)].append(run)
    for alike in by_bundle.values():
        for earlier, later in pairwise(alike):
            if otherwise(earlier, later) == ((), ()) and not (
                set(turns_of(store, earlier)) & set(turns_of(store, later))
            ):
                yield earlier, later
