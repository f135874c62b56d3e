"""How long an order takes on a device and what it can detect, estimated from what was measured before."""

import statistics
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, NamedTuple

import numpy as np

from collector.comparison_inputs.machine import Machine, machine_of
from collector.comparison_inputs.rounds import in_turns, rounds_of
from collector.orders.ordered_plan import OrderedPlan
from collector.orders.paces import Basis, Pace, Paces
from collector.orders.recipients import Recipient
from collector.store.database import Store
from collector.store.runs import Run, all_runs
from collector.summaries.columns import TIMED
from collector.summaries.run_summary import Derived
from commandline.estimation.detection import (
    ASSUMED_SPREAD,
    smallest_f1_difference,
    smallest_time_difference,
)
from commandline.estimation.rounds import (
    DEFAULT_MINUTES,
    DEFAULT_ROUNDS,
    rounds_for,
    turns_for,
    warmup_questions,
)
from contract.orders.order import OrderedRun
from contract.scenarios import SERVER, SINGLE_STREAM, SUSTAINED

_MOST_PAIRS: Final = 20
"""How many pairs of runs tell how much rounds differ: the newest ones."""
_LEAST_ROUNDS: Final = 3


class Forecast(NamedTuple):
    """What an order takes on a device, and tells."""

    seconds: float | None
    """Without the pauses to cool down; None if it is not known."""
    basis: Basis | None
    """The worst basis among the bundles; None if the time is not known, or is given by the plan."""
    cooling_seconds: float
    """How long the pauses take at most."""
    open_ended: bool
    """Whether a run repeats its questions until a percentile is known."""
    unknown: tuple[str, ...]
    """The bundles whose time is not known there. If there are none and the time is not known, a run of the
    scenario `server` takes as long as it needs to find its rate."""
    time_difference: float | None
    """The smallest detectable difference in time, as a share; None if the order detects none."""
    spread_measured: bool
    """Whether that is by the spread between rounds that was measured there; otherwise one is assumed."""
    f1_difference: float
    """The smallest detectable difference in F1, 0 to 1, at worst."""


class Forecaster:
    """Estimates orders from the runs of a database.

    Args:
        store: the database.
        plan: the plan.
    """

    def __init__(self, store: Store, plan: OrderedPlan) -> None:
        self._store = store
        self._plan = plan
        self._runs = [run for run in reversed(all_runs(store)) if run.answers > 1]  # the newest first
        self._derived = Derived(store)
        self._paces = Paces(store, self._runs)
        self._spreads: dict[Machine | None, float | None] = {}

    def forecast(self, device: Recipient) -> Forecast:
        """Estimate the plan on a device."""
        plan = self._plan
        seconds: list[float] = []
        bases: list[Basis] = []
        unknown: list[str] = []
        searches = False
        for run in plan.runs:
            given = _given_seconds(run)
            if given is not None:
                seconds += [given] * len(run.bundles)
                continue
            if run.scenario == SERVER:
                searches = True
                continue
            questions = plan.questions[run.questions].file.sha256
            for name in run.bundles:
                pace = self._paces.pace(device, plan.bundles[name], run, questions)
                if pace is None:
                    unknown.append(name)
                else:
                    seconds.append(_seconds(run, self._asked(run), pace))
                    bases.append(pace.basis)
        spread = self._spread(device.machine)
        rounds = max(map(self._turns, plan.runs))
        difference = smallest_time_difference(rounds, ASSUMED_SPREAD if spread is None else spread)
        return Forecast(
            seconds=None if unknown or searches else plan.timing.rounds * sum(seconds),
            basis=None if unknown or searches or not bases else max(bases, key=lambda basis: basis.rank),
            cooling_seconds=60 * plan.timing.cool_down_minutes * (self._parts() - 1),
            open_ended=any(run.until is not None for run in plan.runs),
            unknown=tuple(dict.fromkeys(unknown)),
            time_difference=difference,
            spread_measured=spread is not None,
            f1_difference=smallest_f1_difference(max(map(self._asked, plan.runs))),
        )

    def _asked(self, run: OrderedRun) -> int:
        """How many questions a run asks in one pass."""
        total = len(self._plan.questions[run.questions].file.questions)
        return total if run.limit is None else min(run.limit, total)

    def _parts(self) -> int:
        """How many parts the device cools down between: bundles that take turns are one part."""
        parts = sum(1 if _rounds(run, self._asked(run)) > 1 else len(run.bundles) for run in self._plan.runs)
        return parts * self._plan.timing.rounds

    def _turns(self, run: OrderedRun) -> int:
        """In how many rounds the bundles of a run take turns; 1 if they take none."""
        rounds = _rounds(run, self._asked(run)) if len(run.bundles) > 1 else 1
        return rounds * self._plan.timing.rounds if rounds > 1 else 1

    def _turns_in_a_round(self, run: OrderedRun) -> int:
        asked = max(self._asked(run), run.min_queries)
        return turns_for(run.turns or 1, _rounds(run, asked), asked)

    def _spread(self, machine: Machine | None) -> float | None:
        """Standard deviation between rounds of the log ratio of two bundles' times, on a machine type."""
        if machine is None:
            return None
        if machine not in self._spreads:
            found = list(self._spreads_measured(machine))
            self._spreads[machine] = statistics.median(found) if found else None
        return self._spreads[machine]

    def _spreads_measured(self, machine: Machine) -> Iterable[float]:
        turns = {self._turns_in_a_round(run) for run in self._plan.runs if self._turns(run) > 1}
        mine = [
            run
            for run in self._runs
            if run.settings.scenario == SINGLE_STREAM
            and run.settings.rounds > 1
            and run.settings.turns in turns
            and machine_of(run.device) == machine
        ]
        pairs = 0
        for one, other in pairwise(mine):
            if pairs == _MOST_PAIRS or one.device_id != other.device_id:
                continue
            ratios = self._ratios(one, other)
            if len(ratios) >= _LEAST_ROUNDS:
                pairs += 1
                yield statistics.stdev(ratios)

    def _ratios(self, one: Run, other: Run) -> Sequence[float]:
        """The mean log ratio of the times of two runs, in each round that they share."""
        sides = []
        for run in (one, other):
            columns = self._derived.columns(run)
            sides.append(list(rounds_of(self._store, run, columns.where(columns.state == TIMED))))
        paired = in_turns(*sides)
        if paired is None:
            return []
        logs = np.log(np.maximum(paired.left_ns, 1) / np.maximum(paired.right_ns, 1))
        return [float(logs[paired.round == number].mean()) for number in np.unique(paired.round)]


def _rounds(run: OrderedRun, asked: int) -> int:
    """How many rounds a run has in which its bundles take turns."""
    if run.scenario != SINGLE_STREAM:
        return 1
    return rounds_for(run.rounds or DEFAULT_ROUNDS, max(asked, run.min_queries))


def _given_seconds(run: OrderedRun) -> float | None:
    """How long one bundle of a run takes if that does not depend on its pace; None if it does."""
    return 60 * (run.minutes or DEFAULT_MINUTES) if run.scenario == SUSTAINED else None


def _seconds(run: OrderedRun, asked: int, pace: Pace) -> float:
    """About how long one bundle of a run takes at a pace."""
    rounds = _rounds(run, asked)
    questions = max(asked, run.min_queries)
    questions += sum(warmup_questions(run.warmup, first=number == 0) for number in range(rounds))
    seconds = max(rounds * pace.start + questions * pace.question, run.min_seconds)
    return seconds if run.max_seconds is None else min(seconds, run.max_seconds)
