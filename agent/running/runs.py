"""The runs of one command, which take turns: one round of each, then the next round of each.

With several turns in a round, the workers of all runs are loaded together, if there is memory for them.
"""

import secrets
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, closing
from typing import Final

from agent.errors import OutboxFull, OutboxRolledBack
from agent.machine.memory_estimate import shortage
from agent.machine.remarks import remarks
from agent.outbox.state_folder import OpenedState
from agent.planning.history import History
from agent.planning.plan import Plan
from agent.planning.rounds import in_order
from agent.running.forecast import advice, announcement, spread_of
from agent.running.round import Meanwhile
from agent.running.run import Between, Run
from agent.stop_signal import Stopped
from commandline.clock import utc_now
from contract.records import RunFinished

ONE_AFTER_THE_OTHER: Final = "bundles have the turns of this round one after the other"
"""How the remark on a round begins whose bundles could not be loaded together."""


class Runs:
    """Measures one run per plan.

    Args:
        plans: what to measure, with the same seed.
        state: the state folder; its outbox receives the records.
        say: prints a sentence for the user.
        resume: continue interrupted runs of the same identity.
    """

    def __init__(
        self, plans: Sequence[Plan], state: OpenedState, say: Callable[[str], None], *, resume: bool
    ) -> None:
        self._plans = plans
        self._state = state
        self._say = say
        self._seed = plans[0].settings.seed
        self._turns = plans[0].settings.turns
        self._resume = resume
        self._history = History(state.folder)
        self._expected = [self._history.pace(plan) for plan in plans]
        self._epoch = secrets.token_hex(8)
        self._apart = self._ever_apart = False
        self._runs: list[Run] = []
        for plan in plans:
            self._runs.append(self._started(plan))

    @property
    def seconds_left(self) -> float | None:
        """About how long all rounds that are left take; None if that is not known yet."""
        left = [run.seconds_left(pace) for run, pace in zip(self._runs, self._expected, strict=True)]
        return None if None in left else sum(seconds for seconds in left if seconds is not None)

    def announcement(self) -> list[str]:
        """What is going to be measured, how long it takes and what it can detect, in sentences."""
        return announcement(self._plans, self.seconds_left, self._history.spread(self._turns))

    @property
    def advice(self) -> str | None:
        """What a part of the questions would tell, if all take long; None if that is not known yet."""
        paces = [run.pace or pace for run, pace in zip(self._runs, self._expected, strict=True)]
        return advice(self._plans, paces)

    def measure_rounds(self, between: Between, meanwhile: Meanwhile) -> None:
        """Measure all rounds of all runs.

        Raises:
            Stopped: a signal came; what was measured is in the outbox, and the same command continues it.
        """
        try:
            self._measure_rounds(between, meanwhile)
        finally:
            self._keep()

    def _measure_rounds(self, between: Between, meanwhile: Meanwhile) -> None:
        while (number := self._next_round()) is not None:
            places = [
                place
                for place in in_order(len(self._runs), self._seed, number)
                if self._runs[place].next_round == number
            ]
            apart = self._what_forbids_turns(places) if self._turns > 1 else None
            for together in [places] if self._turns > 1 and apart is None else [[place] for place in places]:
                self._measure_round(number, together, apart, between, meanwhile)

    def finish(self, between: Between, meanwhile: Meanwhile) -> list[tuple[str, RunFinished]]:
        """Write the last records of all runs, in the order in which the runs began.

        They are committed at once: of a command that is interrupted here, all runs have ended or none.

        Returns:
            The id and the last record of each run, in the order of the plans.

        Raises:
            Stopped: a signal came.
        """
        began = in_order(len(self._runs), self._seed, 0)
        while True:
            try:
                endings = {place: self._runs[place].ending(between) for place in began}
                self._state.outbox.append_together([each.added for each in endings.values()], utc_now())
            except OutboxFull as full:
                self._wait(began[0], full)
            except OutboxRolledBack as reason:
                for place, run in enumerate(self._runs):
                    if self._state.outbox.rolled_back(run.run_id):
                        self._start_over(place, reason)
                self.measure_rounds(between, meanwhile)
            else:
                return [(run.run_id, endings[place].last) for place, run in enumerate(self._runs)]

    def _wait(self, place: int, full: OutboxFull) -> None:
        try:
            self._runs[place].wait_for_room(str(full))
        except Stopped as stopped:
            self._say_stopped(place, stopped)
            raise

    def _keep(self) -> None:
        """Keep for later commands what this one has measured."""
        paces = [
            (plan, run.pace)
            for plan, run in zip(self._plans, self._runs, strict=True)
            if run.pace is not None
        ]
        # Rounds in which the bundles did not alternate say nothing about those in which they do.
        spread = None if self._ever_apart else spread_of([run.log_times for run in self._runs])
        self._history.add(paces, spread, self._turns)

    def _next_round(self) -> int | None:
        """The lowest number of a round that a run still has to measure; None after the last round."""
        return min((number for run in self._runs if (number := run.next_round) is not None), default=None)

    def _what_forbids_turns(self, places: Sequence[int]) -> str | None:
        """Why the workers of some runs are not loaded together now, as a sentence; None if they are.

        The settings of a run do not depend on the memory of the moment: the same command must resume it.
        """
        plans = [self._plans[place] for place in places]
        if plans[0].ignore_memory or len(plans) == 1:
            return None
        longest = max(plan.settings.max_tokens for plan in plans)
        lacking = shortage([plan.bundle.manifest for plan in plans], longest)
        if lacking is None:
            self._apart = False
            return None
        reason = f"{ONE_AFTER_THE_OTHER}, since all models cannot be loaded together: {lacking.sentence}"
        if not self._apart:
            self._say(reason)
        self._apart = self._ever_apart = True
        return reason

    def _measure_round(
        self,
        number: int,
        places: Sequence[int],
        remark: str | None,
        between: Between,
        meanwhile: Meanwhile,
    ) -> None:
        """Measure a round of some runs, whose workers are loaded at the same time.

        Args:
            number: of the round.
            places: of the runs.
            remark: what else speaks against measuring now.
            between: as for `measure_rounds`.
            meanwhile: as for `measure_rounds`.
        """
        with ExitStack() as workers:
            rounds: dict[int, Generator[None]] = {}
            now = (*([remark] if remark else []), *(found.sentence for found in remarks()))
            for place in places:
                rounds[place] = self._runs[place].turns(between, meanwhile, now)
                workers.enter_context(closing(rounds[place]))
                self._go_on(place, rounds[place])
            for turn in range(self._turns):
                for place in in_order(len(self._runs), self._seed, number, turn):
                    if place in rounds:
                        self._go_on(place, rounds[place])

    def _go_on(self, place: int, its_round: Generator[None]) -> None:
        try:
            next(its_round, None)
        except OutboxRolledBack as reason:
            self._start_over(place, reason)
        except Stopped as stopped:
            self._say_stopped(place, stopped)
            raise

    def _started(self, plan: Plan) -> Run:
        run = Run(
            plan,
            self._state.outbox,
            self._state.stop,
            resume=self._resume,
            epoch=self._epoch,
            besides=[other.run_id for other in self._runs],
        )
        if run.resumed_after is not None:
            self._say(f"{plan.title}: continuing after {run.resumed_after}")
        return run

    def _start_over(self, place: int, reason: OutboxRolledBack) -> None:
        self._say(f"{self._plans[place].title}: {reason}")
        self._runs[place] = self._started(self._plans[place])

    def _say_stopped(self, place: int, stopped: Stopped) -> None:
        self._say(f"{self._plans[place].title}: stopped by {stopped}; the same command resumes from here")
