"""One bundle on one question file: a run, from its first record to its last, continued where it was left.

The order of things: load (timed), the first question cold (timed apart), warm-up (not recorded), then every
selected question, once or in several passes, in chunks. Between two chunks the worker is silent and this
process works: it commits the chunk, samples the machine and lets results be delivered; see `worker.py` for
why.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from agent import plan as plans
from agent.energy import Meter, find_meter
from agent.errors import BundleRefused, OutOfMemory, WorkerDied
from agent.estimate import shortage
from agent.outbox import Outbox
from agent.plan import Plan
from agent.process import WorkerProcess
from agent.progress import Progress
from agent.protocol import Answered, time_ns
from agent.runlog import RunLog
from agent.selection import Passes
from agent.serving import serve
from agent.stop import Stop
from agent.tally import Tally
from agent.telemetry import Telemetry
from agent.verdict import may_end, verdict
from contract.records import Mark, RunFinished, RunStatus

CHUNK_SECONDS: Final = 0.5
"""After so long the worker pauses: what a kill can cost, and how old what is published is at most."""
CHUNK_QUESTIONS: Final = 64
PAUSE_SECONDS: Final = 0.2
"""Between two tries to commit what a full outbox does not take."""

Between = Callable[[Progress], None]
"""Called between two chunks: the time to deliver and to talk."""
Meanwhile = Callable[[], None]
"""Called while the worker computes for minutes: must cost next to nothing."""


class Run:
    """One run.

    Args:
        plan: what to measure.
        outbox: where its records go.
        stop: ends it early; it can be continued.
        resume: continue a run of the same identity where it was left, if there is one.
        root: where the machine's `/proc`, `/sys` and programs are.
        start_worker: makes the process that answers.
    """

    def __init__(
        self,
        plan: Plan,
        outbox: Outbox,
        stop: Stop,
        *,
        resume: bool = True,
        root: Path = Path("/"),
        start_worker: Callable[[Stop], WorkerProcess] = WorkerProcess,
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
            plan.questions, plan.settings.seed, shuffled=plan.settings.scenario != plans.OFFLINE
        )
        self._peak_rss_bytes: int | None = None
        self._load_ns: int | None = None
        self._first_ns: int | None = None
        self._temperature_celsius: float | None = None
        self._between: Between = lambda _: None
        self._meanwhile: Meanwhile = lambda: None
        self._log = RunLog(plan, outbox, self._passes, resume=resume, wait=self._wait_for_room)
        self.resumed_at = self._log.resumed_at
        """Questions that an earlier process has answered of this run."""
        self._tally = Tally(plan.settings.scenario, self.resumed_at)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._log.run_id

    def measure(self, between: Between, meanwhile: Meanwhile = lambda: None) -> RunFinished:
        """Ask what has not been asked yet.

        Args:
            between: called between two chunks.
            meanwhile: called a few times a second during what takes minutes without a pause.

        Returns:
            The last record, committed. A worker's death or a bundle that turns out wrong is a result.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        self._between, self._meanwhile = between, meanwhile
        self._log.begin()
        status: RunStatus = "complete"
        reason = ""
        try:
            self._check_memory()
            with self._start_worker(self._stop) as worker:
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
        plan = self._plan
        match plan.settings.scenario:
            case plans.SERVER:
                served = serve(
                    plan.settings,
                    self._warm_ns,
                    self._passes,
                    worker,
                    between=lambda: self._between(self._progress()),
                    meanwhile=self._while_it_computes,
                )
                self._tally.served(served.trials, served.valid_qps)
                self._record(served.answered, (), busy=served.busy)
            case plans.LOADGEN:
                answered = worker.under_loadgen(plan.questions, plan.settings, self._while_it_computes)
                self._record(answered, (), busy=worker.was_busy)
            case _:
                while not self._may_end():
                    self._chunk(worker)
                    self._between(self._progress())

    def _may_end(self) -> bool:
        seconds = self._log.elapsed_ns / 1e9
        return may_end(self._plan.settings, len(self._plan.questions), self._log.asked, seconds, self._tally)

    def _while_it_computes(self) -> None:
        if self._meter is not None and self._meter.samples_power:
            self._meter.look()
        self._meanwhile()

    def _prepare(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        self._load_ns = worker.load(self._plan.bundle, settings).load_ns
        first = worker.ask(self._plan.questions[:1], CHUNK_SECONDS)
        self._first_ns = time_ns(first.outcomes[0])
        self._peak_rss_bytes = first.peak_rss_bytes
        warm = 0
        self._warm_ns = self._first_ns
        while warm < settings.warmup_questions:
            # Warm-up goes around the run's questions, so that it sees the lengths that will be timed.
            at = warm % len(self._plan.questions)
            wanted = self._plan.questions[at : at + settings.warmup_questions - warm]
            outcomes = worker.ask(wanted, CHUNK_SECONDS).outcomes
            warm += len(outcomes)
            self._warm_ns = sum(map(time_ns, outcomes)) // len(outcomes)

    def _check_memory(self) -> None:
        if self._plan.ignore_memory:
            return
        lacking = shortage(self._plan.bundle.manifest, self._plan.settings.max_tokens, self._root)
        if lacking is not None:
            raise OutOfMemory(
                f"out of memory (estimated): {lacking.sentence}; --ignore-memory tries it nevertheless"
            )

    def _find_meter(self) -> None:
        meter = find_meter(self._root)
        self._energy_source = meter.source if meter else None
        # Joules count from the start of the run, so one that goes on has none from there.
        self._meter = None if self.resumed_at else meter

    def _chunk(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        wanted = self._passes.at(self._log.asked, max(CHUNK_QUESTIONS, settings.batch_size))
        before = self._telemetry.read().throttle
        meter = self._meter
        look = meter.look if meter is not None and meter.samples_power else None
        answered = worker.ask(wanted, CHUNK_SECONDS, look, batch_size=settings.batch_size)
        self._record(answered, before, busy=worker.was_busy)

    def _record(self, answered: Answered, before: tuple[Mark, ...], *, busy: bool) -> None:
        after = self._telemetry.read()
        marks: set[Mark] = {*before, *after.throttle}
        if busy:
            marks.add("agent_busy")
        self._peak_rss_bytes = answered.peak_rss_bytes
        self._temperature_celsius = after.temperature_celsius
        self._tally.add(answered, frozenset(marks))
        joules = self._meter.joules() if self._meter else None
        elapsed_ns = self._log.add(answered, sorted(marks), after, joules)
        if after.throttle:
            self._tally.throttled(elapsed_ns)

    def _wait_for_room(self, reason: str) -> None:
        self._between(self._progress(reason))
        self._stop.wait(PAUSE_SECONDS)
        self._stop.check()

    def _progress(self, paused: str | None = None) -> Progress:
        return Progress(
            run_id=self.run_id,
            title=self._plan.title,
            answered=self._log.asked,
            selected=len(self._plan.questions),
            times_ns=self._tally.times_ns,
            temperature_celsius=self._temperature_celsius,
            paused=paused,
        )
