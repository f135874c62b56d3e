"""The runs of one command, which take turns: one round of each, then the next round of each."""

import secrets
from collections.abc import Callable, Sequence

from agent.errors import OutboxRolledBack
from agent.machine.remarks import remarks
from agent.outbox.state_folder import OpenedState
from agent.planning.plan import Plan
from agent.running.rounds import turns
from agent.running.run import Between, Meanwhile, Run
from agent.stop_signal import Stopped
from contract.records import RunFinished


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
        self._resume = resume
        self._epoch = secrets.token_hex(8)
        self._runs: list[Run] = []
        for plan in plans:
            self._runs.append(self._started(plan))

    def measure_rounds(self, between: Between, meanwhile: Meanwhile) -> None:
        """Measure all rounds of all runs.

        Raises:
            Stopped: a signal came; what was measured is in the outbox, and the same command continues it.
        """
        while (number := self._next_round()) is not None:
            for place in turns(len(self._runs), self._seed, number):
                if self._runs[place].next_round == number:
                    self._measure_round(place, between, meanwhile)

    def finish(self, place: int, between: Between, meanwhile: Meanwhile) -> tuple[str, RunFinished]:
        """Write the last record of the run of a plan, by the plan's place.

        Returns:
            The run's id, and its last record.

        Raises:
            Stopped: a signal came.
        """
        while True:
            run = self._runs[place]
            try:
                return run.run_id, run.finish(between)
            except OutboxRolledBack as reason:
                self._start_over(place, reason)
                self.measure_rounds(between, meanwhile)
            except Stopped as stopped:
                self._say_stopped(place, stopped)
                raise

    def _next_round(self) -> int | None:
        """The lowest number of a round that a run still has to measure; None after the last round."""
        return min((number for run in self._runs if (number := run.next_round) is not None), default=None)

    def _measure_round(self, place: int, between: Between, meanwhile: Meanwhile) -> None:
        now = tuple(remark.sentence for remark in remarks())
        try:
            self._runs[place].measure_round(between, meanwhile, now)
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
