"""A run measures one bundle on one question file, from the first record to the last, and can be resumed.

It consists of rounds: see `agent/running/round.py`. Between two rounds of a run the other runs of the command
have their turn; with several turns in a round, also between two of these.
"""

import secrets
from collections.abc import Callable, Collection, Generator
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Final

from agent.errors import BundleRefused, OutOfMemory, WorkerDied
from agent.machine.memory_estimate import shortage
from agent.outbox.outbox import Outbox
from agent.planning.history import Pace
from agent.planning.plan import Plan
from agent.planning.rounds import Shares, planned, warmup_of
from agent.planning.selection import Passes
from agent.progress import Progress
from agent.running.forecast import Work, pace_of, seconds_left
from agent.running.round import Meanwhile, Round, meter_of
from agent.running.run_log import Ending, RunLog
from agent.running.warm_up import Prepared
from agent.stop_signal import Stop
from agent.stopping.rate_search import RateSearch
from agent.stopping.stop_rule import may_end, verdict
from agent.stopping.tally import Tally
from agent.worker.process import WorkerProcess
from commandline.counted import counted
from contract import scenarios
from contract.records import RunFinished, RunStatus, Settings

PAUSE_SECONDS: Final = 0.2
"""Seconds between two attempts to commit to a full outbox."""

Between = Callable[[Progress], None]
"""Called between two chunks: the time to deliver results and to print messages."""


class Run:
    """Measures one run.

    Args:
        plan: what to measure.
        outbox: receives the records.
        stop: ends the run early; it can be resumed.
        resume: continue an interrupted run of the same identity, if there is one.
        besides: ids of the command's other runs, which are not continued here.
        epoch: the number that the command's runs share; None for a number of its own.
        root: where the machine's `/proc`, `/sys` and programs are.
        start_worker: starts the process that answers.
    """

    def __init__(
        self,
        plan: Plan,
        outbox: Outbox,
        stop: Stop,
        *,
        resume: bool = True,
        besides: Collection[str] = (),
        epoch: str | None = None,
        root: Path = Path("/"),
        start_worker: Callable[[Stop, Settings], WorkerProcess] = WorkerProcess,
    ) -> None:
        self._plan = plan
        self._stop = stop
        self._start_worker = start_worker
        self._root = root
        self._failure: str | None = None
        self._number = 0
        self._rounds: list[Round] = []
        self._whole: dict[int, Round] = {}
        self._measuring = False
        self._shares = Shares(planned(plan.settings, len(plan.questions)), plan.settings.rounds)
        self._passes = Passes(
            plan.questions, plan.settings.seed, shuffled=plan.settings.scenario != scenarios.OFFLINE
        )
        self._between: Between = lambda _: None
        self._log = RunLog(
            plan,
            outbox,
            self._passes,
            resume=resume,
            wait=self.wait_for_room,
            besides=besides,
            epoch=epoch or secrets.token_hex(8),
        )
        self._tally = Tally(plan.settings.scenario, self._log.resumed_at)

    @property
    def resumed_after(self) -> str | None:
        """What an earlier process has done of this run; None for a new run."""
        if self._log.kept:
            tried = len(RateSearch(self._plan.settings, 0, self._log.kept).trials)
            return counted(tried, "rate")
        selected = counted(len(self._plan.questions), "question")
        return f"{self._log.asked} of {selected}" if self._log.asked else None

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._log.run_id

    @property
    def next_round(self) -> int | None:
        """The number of the round that is to be measured next; None if the run only has to be finished."""
        if self._failure is not None or (self._ready and self._plan.settings.rounds == 1):
            return None
        # A stop rule that counts the times of this process needs a first round to count any.
        known = self._ready or self._plan.settings.percentile is None
        if self._asks_in_chunks and known and self._may_end():
            return None
        return self._shares.round_of(self._log.asked)

    def measure(self, between: Between, meanwhile: Meanwhile = lambda: None) -> RunFinished:
        """Measure all rounds that are left, without other runs in between, and finish the run.

        Args:
            between: called between two chunks.
            meanwhile: called a few times per second during work that takes minutes without a pause.

        Returns:
            The last record, committed. A worker that dies or a bundle that turns out to be wrong is a result.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        while self.next_round is not None:
            for _ in self.turns(between, meanwhile):
                pass
        return self.finish(between)

    def turns(
        self, between: Between, meanwhile: Meanwhile = lambda: None, remarks: tuple[str, ...] = ()
    ) -> Generator[None]:
        """Ask the questions of the next round, or those that an interruption has left of it, turn by turn.

        It pauses when its worker is ready, and after each turn but the last. The run's clock stands still
        meanwhile. If the run fails, it has no further turns or rounds. Closing the generator ends the worker.

        Args:
            between: called between two chunks.
            meanwhile: called a few times per second during work that takes minutes without a pause.
            remarks: what speaks against measuring now.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        self._between = between
        self._log.begin()
        self._number = self._shares.round_of(self._log.asked)
        self._measuring = True
        try:
            self._check_memory()
            yield from self._measure(meanwhile, remarks)
        except (WorkerDied, BundleRefused, OutOfMemory) as failure:
            self._failure = str(failure)
        finally:
            self._measuring = False

    def finish(self, between: Between = lambda _: None) -> RunFinished:
        """Commit the last record and return it; no round is measured after it.

        Args:
            between: called while the outbox has no room.
        """
        ending = self.ending(between)
        self._log.end(ending)
        return ending.last

    def ending(self, between: Between = lambda _: None) -> Ending:
        """The last record, not committed yet.

        Args:
            between: called while the outbox has no room.
        """
        self._between = between
        self._log.begin()
        status: RunStatus = "failed"
        reason = self._failure or ""
        if self._failure is None:
            status, reason = verdict(
                self._plan.settings, len(self._plan.questions), self._log.asked, self._tally
            )
        last = self._rounds[-1] if self._rounds else None
        sources = [one.energy_source for one in self._rounds]
        if last is None and self._log.asked:  # an earlier process has measured all rounds
            meter = meter_of(self._plan.settings, self._root)
            sources = [meter.source if meter else None]
        cold = [ready.first_ns for ready in self._ready if ready.first_ns is not None]
        return self._log.ending(
            status,
            reason,
            self._tally.outcome(),
            load_ns=round(median(ready.load_ns for ready in self._ready)) if self._ready else None,
            first_ns=round(median(cold)) if cold else None,
            peak_rss_bytes=max((r.peak_rss_bytes or 0 for r in self._rounds), default=0) or None,
            energy_source=next((source for source in reversed(sources) if source), None),
            ends=last.end_record if last and self._failure is None else None,
        )

    @property
    def pace(self) -> Pace | None:
        """How long the parts of the run take, as this process has measured; None before it has."""
        return pace_of(self._rounds)

    @property
    def log_times(self) -> dict[int, float]:
        """Mean logarithm of the times of each round that this process has measured from start to end."""
        return {number: one.log_time for number, one in self._whole.items() if one.log_time is not None}

    def seconds_left(self, expected: Pace | None) -> float | None:
        """About how long the rest of the run takes; None if it is not known.

        Args:
            expected: its pace in an earlier command, used until this process has measured one.
        """
        if not self._measuring and self.next_round is None:
            return 0.0
        settings = self._plan.settings
        open_now = bool(self._measuring and self._rounds and self._rounds[-1].end_record)
        starts = max(settings.rounds - self._shares.round_of(self._log.asked) - open_now, 0)
        questions = max(planned(settings, len(self._plan.questions)) - self._log.asked, 0)
        if not questions and settings.percentile is not None:
            return None  # it depends on the times
        warmups = [warmup_of(settings, first=not self._ready and number == 0) for number in range(starts)]
        work = Work(starts, questions + sum(warmups), self._log.elapsed_ns / 1e9)
        return seconds_left(settings, work, self.pace or expected)

    def _measure(self, meanwhile: Meanwhile, remarks: tuple[str, ...]) -> Generator[None]:
        warmup = warmup_of(self._plan.settings, first=not self._ready)
        ends = self._shares.ends(self._number, self._plan.settings.turns)
        began_at = self._log.asked
        with ExitStack() as process:
            with self._log.clock():
                worker = process.enter_context(self._start_worker(self._stop, self._plan.settings))
                now = Round(
                    self._plan,
                    self._number,
                    ends[-1],
                    worker,
                    self._log,
                    self._tally,
                    self._passes,
                    self._tell,
                    meanwhile,
                    self._root,
                )
                self._rounds.append(now)
                now.prepare(warmup, remarks)
            for end in ends:
                yield
                with self._log.clock():
                    now.ask(end)
        if began_at == (self._shares.end(self._number - 1) if self._number else 0):
            self._whole[self._number] = now

    @property
    def _ready(self) -> list[Prepared]:
        return [one.ready for one in self._rounds if one.ready is not None]

    @property
    def _asks_in_chunks(self) -> bool:
        return self._plan.settings.scenario not in (scenarios.SERVER, scenarios.LOADGEN)

    def _may_end(self) -> bool:
        seconds = self._log.elapsed_ns / 1e9
        return may_end(self._plan.settings, len(self._plan.questions), self._log.asked, seconds, self._tally)

    def _check_memory(self) -> None:
        if self._plan.ignore_memory:
            return
        lacking = shortage([self._plan.bundle.manifest], self._plan.settings.max_tokens, self._root)
        if lacking is not None:
            raise OutOfMemory(
                f"out of memory (estimated): {lacking.sentence}; --ignore-memory tries it anyway"
            )

    def wait_for_room(self, reason: str) -> None:
        """Wait a moment while the outbox is full, and let results be delivered.

        Raises:
            Stopped: a signal came.
        """
        self._tell(paused=reason)
        self._stop.wait(PAUSE_SECONDS)
        self._stop.check()

    def _tell(
        self, *, paused: str | None = None, stage: str | None = None, preparing: str | None = None
    ) -> None:
        temperatures = (one.temperature_celsius for one in reversed(self._rounds))
        rounds = self._plan.settings.rounds
        self._between(
            Progress(
                run_id=self.run_id,
                title=self._plan.title,
                answered=self._log.asked,
                selected=len(self._plan.questions),
                times_ns=self._tally.times_ns,
                temperature_celsius=next((known for known in temperatures if known is not None), None),
                paused=paused,
                stage=stage,
                preparing=preparing,
                place=(self._number + 1, rounds) if rounds > 1 else None,
            )
        )
