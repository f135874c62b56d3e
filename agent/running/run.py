"""A run measures one bundle on one question file, from the first record to the last, and can be resumed.

The order is: load (timed), the first question cold (timed apart), warm-up (not recorded), then every
selected question, once or in several passes, in chunks. Between two chunks the worker is silent and this
process works: it commits the chunk, samples the machine and lets results be delivered;
`agent/worker/main.py` explains why.
"""

from collections.abc import Callable
from math import inf
from pathlib import Path
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
from agent.running.run_log import RunLog
from agent.stop_signal import Stop
from agent.stopping.rate_search import RateSearch, arrivals_ns, queries_for
from agent.stopping.stop_rule import may_end, verdict
from agent.stopping.tally import Tally
from agent.worker.process import WorkerProcess
from agent.worker.protocol import Answered, time_ns
from commandline.counted import counted
from contract import scenarios
from contract.records import RunFinished, RunStatus, Settings

CHUNK_SECONDS: Final = 0.5
"""The worker pauses this often: a kill loses at most this much, and results are published with this delay."""
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
        self._passes = Passes(
            plan.questions, plan.settings.seed, shuffled=plan.settings.scenario != scenarios.OFFLINE
        )
        self._peak_rss_bytes: int | None = None
        self._load_ns: int | None = None
        self._first_ns: int | None = None
        self._temperature_celsius: float | None = None
        self._between: Between = lambda _: None
        self._meanwhile: Meanwhile = lambda: None
        self._log = RunLog(plan, outbox, self._passes, resume=resume, wait=self._wait_for_room)
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

    def measure(self, between: Between, meanwhile: Meanwhile = lambda: None) -> RunFinished:
        """Ask the questions that have not been asked yet.

        Args:
            between: called between two chunks.
            meanwhile: called a few times per second during work that takes minutes without a pause.

        Returns:
            The last record, committed. A worker that dies or a bundle that turns out to be wrong is a result.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        self._between, self._meanwhile = between, meanwhile
        self._log.begin()
        status: RunStatus = "complete"
        reason = ""
        try:
            self._check_memory()
            with self._start_worker(self._stop, self._plan.settings) as worker:
                self._prepare(worker)
                self._find_meter()
                self._ask(worker)
            status, reason = verdict(
                self._plan.settings, len(self._plan.questions), self._log.asked, self._tally
            )
        except (WorkerDied, BundleRefused, OutOfMemory) as failure:
            status, reason = "failed", str(failure)
        return self._log.finish(
            status,
            reason,
            self._tally.outcome(),
            load_ns=self._load_ns,
            first_ns=self._first_ns,
            peak_rss_bytes=self._peak_rss_bytes,
            energy_source=self._energy_source,
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
                while not self._may_end():
                    self._chunk(worker)
                    self._between(self._progress())

    def _may_end(self) -> bool:
        seconds = self._log.elapsed_ns / 1e9
        return may_end(self._plan.settings, len(self._plan.questions), self._log.asked, seconds, self._tally)

    def _chunk(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        wanted = self._passes.at(self._log.asked, max(CHUNK_QUESTIONS, settings.batch_size))
        watch = self._watch(worker, inf)  # a chunk is short: this process sleeps meanwhile
        look = watch.look if self._meter is not None and self._meter.samples_power else None
        answered = worker.ask(wanted, CHUNK_SECONDS, look, batch_size=settings.batch_size)
        self._record(answered, watch.end())

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

    def _record(self, answered: Answered, stretches: tuple[Stretch, ...]) -> None:
        self._note(answered, stretches)
        answers = self._log.answers(answered.outcomes, stretches)
        self._tally.add(answers, answered.busy_ns, answered.loadgen)
        self._log.add(answers, stretches, answered.rss_bytes)

    def _note(self, answered: Answered, stretches: tuple[Stretch, ...]) -> None:
        self._peak_rss_bytes = answered.peak_rss_bytes
        self._temperature_celsius = stretches[-1].after.temperature_celsius
        for stretch in stretches:
            if stretch.after.throttle:
                self._tally.throttled(self._log.since_start(stretch.end_ns))

    def _prepare(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        self._load_ns = worker.load(self._plan.bundle, settings).load_ns
        first = worker.ask(self._plan.questions[:1], CHUNK_SECONDS)
        (outcome,) = first.outcomes
        self._first_ns = time_ns(outcome) if outcome.error is None else None
        self._peak_rss_bytes = first.peak_rss_bytes
        warm = 0
        self._warm_ns = time_ns(outcome)
        warm_ns = 0
        while warm < settings.warmup_questions:
            # Warm-up cycles through the run's questions, so that it sees the lengths that will be timed.
            at = warm % len(self._plan.questions)
            wanted = self._plan.questions[at : at + settings.warmup_questions - warm]
            outcomes = worker.ask(wanted, CHUNK_SECONDS).outcomes
            warm += len(outcomes)
            warm_ns += sum(map(time_ns, outcomes))
            self._warm_ns = warm_ns // warm

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
        # Joules count from the start of the run, so a resumed run has none; and a search asks many more
        # questions than it records.
        searches = settings.scenario == scenarios.SERVER and settings.qps is None
        meter = None if searches else find_meter(self._root)
        self._energy_source = meter.source if meter else None
        self._meter = None if self._log.resumed else meter

    def _wait_for_room(self, reason: str) -> None:
        self._between(self._progress(reason))
        self._stop.wait(PAUSE_SECONDS)
        self._stop.check()

    def _progress(self, paused: str | None = None, stage: str | None = None) -> Progress:
        return Progress(
            run_id=self.run_id,
            title=self._plan.title,
            answered=self._log.asked,
            selected=len(self._plan.questions),
            times_ns=self._tally.times_ns,
            temperature_celsius=self._temperature_celsius,
            paused=paused,
            stage=stage,
        )
