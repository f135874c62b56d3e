"""A run measures one bundle on one question file, from the first record to the last, and can be resumed.

It consists of rounds, each with a fresh worker. The order is: load (timed), the first question cold (timed
apart), warm-up (not recorded), then the round's share of the selected questions, once or in several passes,
in chunks. Between two chunks the worker is silent and this process works: it commits the chunk, samples the
machine and lets results be delivered; `agent/worker/main.py` explains why. Between two rounds of a run the
other runs of the command have their turn.
"""

import secrets
from collections.abc import Callable, Collection
from math import inf
from pathlib import Path
from statistics import median
from typing import Final

from agent.errors import BundleRefused, OutOfMemory, WorkerDied
from agent.machine.energy import Meter, find_meter
from agent.machine.memory_estimate import shortage
from agent.machine.telemetry import Telemetry
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan
from agent.planning.selection import Passes
from agent.progress import Progress
from agent.running.marks import LOOK_SECONDS, MachineWatch, Stretch
from agent.running.rounds import Shares, planned, warmup_of
from agent.running.run_log import RunLog
from agent.running.warm_up import CHUNK_SECONDS, Prepared, prepare
from agent.stop_signal import Stop
from agent.stopping.rate_search import RateSearch, arrivals_ns, queries_for
from agent.stopping.stop_rule import may_end, verdict
from agent.stopping.tally import Tally
from agent.worker.process import WorkerProcess
from agent.worker.protocol import Answered
from commandline.counted import counted
from contract import scenarios
from contract.records import RoundFinished, RunFinished, RunStatus, Settings

CHUNK_QUESTIONS: Final = 64
_NO_LIMIT_SECONDS: Final = 1e9
PAUSE_SECONDS: Final = 0.2
"""Seconds between two attempts to commit to a full outbox."""

Between = Callable[[Progress], None]
"""Called between two chunks: the time to deliver results and to print messages."""
Meanwhile = Callable[[], None]
"""Called while the worker computes for minutes: must cost next to nothing."""


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
        self._telemetry = Telemetry(root)
        self._meter: Meter | None = None
        self._energy_source: str | None = None
        self._warm_ns = 0
        self._failure: str | None = None
        self._prepared: list[Prepared] = []
        self._open_round: int | None = None
        self._round = 0
        self._shares = Shares(planned(plan.settings, len(plan.questions)), plan.settings.rounds)
        self._passes = Passes(
            plan.questions, plan.settings.seed, shuffled=plan.settings.scenario != scenarios.OFFLINE
        )
        self._peak_rss_bytes: int | None = None
        self._round_peak: int | None = None
        self._temperature_celsius: float | None = None
        self._between: Between = lambda _: None
        self._meanwhile: Meanwhile = lambda: None
        self._log = RunLog(
            plan,
            outbox,
            self._passes,
            resume=resume,
            wait=self._wait_for_room,
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
        if self._failure is not None or (self._prepared and self._plan.settings.rounds == 1):
            return None
        # A stop rule that counts the times of this process needs a first round to count any.
        known = self._prepared or self._plan.settings.percentile is None
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
            self.measure_round(between, meanwhile)
        return self.finish(between)

    def measure_round(
        self, between: Between, meanwhile: Meanwhile = lambda: None, remarks: tuple[str, ...] = ()
    ) -> str | None:
        """Ask the questions of the next round, or those that an interruption has left of it.

        Args:
            between: called between two chunks.
            meanwhile: called a few times per second during work that takes minutes without a pause.
            remarks: what speaks against measuring now.

        Returns:
            Why the run has failed, so that it has no further rounds; None if it has not.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        self._between, self._meanwhile = between, meanwhile
        self._log.begin()
        self._round = self._shares.round_of(self._log.asked)
        try:
            self._check_memory()
            with self._log.clock(), self._start_worker(self._stop, self._plan.settings) as worker:
                self._prepare(worker, remarks)
                self._ask(worker)
        except (WorkerDied, BundleRefused, OutOfMemory) as failure:
            self._failure, self._open_round = str(failure), None
        return self._failure

    def finish(self, between: Between = lambda _: None) -> RunFinished:
        """Commit the last record and return it; no round is measured after it.

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
        cold = [each.first_ns for each in self._prepared if each.first_ns is not None]
        return self._log.finish(
            status,
            reason,
            self._tally.outcome(),
            load_ns=round(median(each.load_ns for each in self._prepared)) if self._prepared else None,
            first_ns=round(median(cold)) if cold else None,
            peak_rss_bytes=self._peak_rss_bytes,
            energy_source=self._energy_source,
            ends=None if self._open_round is None else self._round_end(),
        )

    def _ask(self, worker: WorkerProcess) -> None:
        match self._plan.settings.scenario:
            case scenarios.SERVER:
                self._serve(worker)
            case scenarios.LOADGEN:
                self._between(self._progress(stage="LoadGen asks"))
                plan, watch = self._plan, self._watch(worker, LOOK_SECONDS)
                answered = worker.under_loadgen(plan.questions, plan.settings, self._while_it_computes(watch))
                self._record(answered, watch.end())
            case _:
                end = self._shares.end(self._round)
                while not self._may_end() and (end is None or self._log.asked < end):
                    self._chunk(worker, end)
                    self._between(self._progress())

    @property
    def _asks_in_chunks(self) -> bool:
        return self._plan.settings.scenario not in (scenarios.SERVER, scenarios.LOADGEN)

    def _may_end(self) -> bool:
        seconds = self._log.elapsed_ns / 1e9
        return may_end(self._plan.settings, len(self._plan.questions), self._log.asked, seconds, self._tally)

    def _round_end(self) -> RoundFinished:
        return RoundFinished(seq=0, round=self._round, at_ns=0, peak_rss_bytes=self._round_peak)

    def _chunk(self, worker: WorkerProcess, end: int | None) -> None:
        settings = self._plan.settings
        most = max(CHUNK_QUESTIONS, settings.batch_size)
        if end is not None:
            most = min(most, end - self._log.asked)
        wanted = self._passes.at(self._log.asked, most)
        watch = self._watch(worker, inf)  # a chunk is short: this process sleeps meanwhile
        look = watch.look if self._meter is not None and self._meter.samples_power else None
        answered = worker.ask(wanted, CHUNK_SECONDS, look, batch_size=settings.batch_size)
        self._record(answered, watch.end(), end)

    def _serve(self, worker: WorkerProcess) -> None:
        """Try rates. Nothing is committed or sent during one: it would delay the questions that wait.

        Only at its end is it known whether its answers belong to the run. The state between two rates is
        kept, so an interruption loses only the rate that is being tried.
        """
        settings = self._plan.settings
        bound_ns = settings.latency_bound_ns or 0
        search = RateSearch(settings, self._warm_ns, self._log.kept)
        while (qps := search.next()) is not None:
            seconds_left = None
            if settings.max_seconds is not None:
                seconds_left = settings.max_seconds - self._log.elapsed_ns / 1e9
                if seconds_left <= 0:
                    break
            self._between(self._progress(stage=search.stage))
            count = queries_for(qps, settings, seconds_left)
            arrivals = arrivals_ns(qps, count, settings.seed)
            watch = self._watch(worker, LOOK_SECONDS)
            answered = worker.ask(
                [self._passes.at(place, 1)[0] for place in range(count)],
                _NO_LIMIT_SECONDS if seconds_left is None else seconds_left + bound_ns / 1e9,
                self._while_it_computes(watch),
                arrivals_ns=arrivals,
            )
            stretches = watch.end()
            self._note(answered, stretches)
            waits = [answered.busy_ns - arrival for arrival in arrivals[len(answered.outcomes) :]]
            search.record(
                qps,
                self._log.answers(answered.outcomes, stretches),
                [wait for wait in waits if wait > bound_ns],
            )
            over = search.next() is None
            self._log.add(search.answers if over else (), stretches, answered.rss_bytes, kept=search.kept())
        if search.answers and not self._log.asked:
            self._log.add(search.answers)
        self._tally.served(search.trials, search.best_qps)

    def _watch(self, worker: WorkerProcess, look_seconds: float) -> MachineWatch:
        return MachineWatch(self._telemetry, self._meter, worker.own_work, look_seconds)

    def _while_it_computes(self, watch: MachineWatch) -> Meanwhile:
        def work() -> None:
            watch.look()
            self._meanwhile()

        return work

    def _record(self, answered: Answered, stretches: tuple[Stretch, ...], end: int | None = None) -> None:
        self._note(answered, stretches)
        answers = self._log.answers(answered.outcomes, stretches)
        self._tally.add(answers, answered.busy_ns, answered.loadgen)
        # The end of a round is committed with its last answers, so that no interruption comes in between.
        over = end is not None and self._log.asked + len(answers) >= end
        self._log.add(answers, stretches, answered.rss_bytes, ends=self._round_end() if over else None)
        if over:
            self._open_round = None

    def _saw_peak(self, rss_bytes: int | None) -> None:
        self._round_peak = rss_bytes
        if rss_bytes is not None:
            self._peak_rss_bytes = max(self._peak_rss_bytes or 0, rss_bytes)

    def _note(self, answered: Answered, stretches: tuple[Stretch, ...]) -> None:
        self._saw_peak(answered.peak_rss_bytes)
        self._temperature_celsius = stretches[-1].after.temperature_celsius
        for stretch in stretches:
            if stretch.after.throttle:
                self._tally.throttled(self._log.since_start(stretch.end_ns))

    def _prepare(self, worker: WorkerProcess, remarks: tuple[str, ...]) -> None:
        ready = prepare(
            worker,
            self._plan,
            warmup_of(self._plan.settings, first=not self._prepared),
            lambda what: self._between(self._progress(preparing=what)),
        )
        self._prepared.append(ready)
        self._warm_ns = ready.warm_ns
        self._saw_peak(ready.peak_rss_bytes)
        self._log.start_round(self._round, ready.load_ns, ready.first_ns, remarks)
        self._open_round = self._round
        self._find_meter()

    def _check_memory(self) -> None:
        if self._plan.ignore_memory:
            return
        lacking = shortage(self._plan.bundle.manifest, self._plan.settings.max_tokens, self._root)
        if lacking is not None:
            raise OutOfMemory(
                f"out of memory (estimated): {lacking.sentence}; --ignore-memory tries it anyway"
            )

    def _find_meter(self) -> None:
        settings = self._plan.settings
        # Joules count from the start of the round; and a search asks many more questions than it records.
        searches = settings.scenario == scenarios.SERVER and settings.qps is None
        self._meter = None if searches else find_meter(self._root)
        self._energy_source = self._meter.source if self._meter else None

    def _wait_for_room(self, reason: str) -> None:
        self._between(self._progress(reason))
        self._stop.wait(PAUSE_SECONDS)
        self._stop.check()

    def _progress(
        self, paused: str | None = None, stage: str | None = None, preparing: str | None = None
    ) -> Progress:
        rounds = self._plan.settings.rounds
        number = f"round {self._round + 1}" + (f" of {rounds}" if self._round < rounds else "")
        return Progress(
            run_id=self.run_id,
            title=self._plan.title,
            answered=self._log.asked,
            selected=len(self._plan.questions),
            times_ns=self._tally.times_ns,
            temperature_celsius=self._temperature_celsius,
            paused=paused,
            stage=stage,
            preparing=preparing,
            round=number if rounds > 1 else None,
        )
