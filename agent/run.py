"""One bundle on one question file: a run, from its first record to its last, continued where it was left.

The order of things: load (timed), the first question cold (timed apart), warm-up (not recorded), then every
selected question once, in chunks. Between two chunks the worker is silent and this process works: it commits
the chunk, samples the machine and lets results be delivered; see `worker.py` for why.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from agent.clock import synchronised, utc_now
from agent.energy import Meter, find_meter
from agent.errors import BundleRefused, OutboxFull, OutOfMemory, WorkerDied
from agent.estimate import shortage
from agent.outbox import Outbox, Place
from agent.plan import Plan
from agent.process import WorkerProcess
from agent.protocol import Answered, Outcome
from agent.stop import Stop
from agent.telemetry import Telemetry
from contract.records import (
    Answer,
    Mark,
    Record,
    RunFinished,
    RunStarted,
    RunStatus,
    Sample,
)

CHUNK_SECONDS: Final = 0.5
"""After so long the worker pauses: what a kill can cost, and how old what is published is at most."""
CHUNK_QUESTIONS: Final = 64
PAUSE_SECONDS: Final = 0.2
"""Between two tries to commit what a full outbox does not take."""


class Progress(NamedTuple):
    """How far a run is."""

    run_id: str
    title: str
    """The bundle for people."""
    answered: int
    selected: int
    times_ns: Sequence[int]
    """Time of each question answered since this process began."""
    temperature_celsius: float | None
    paused: str | None = None
    """Why nothing is asked at the moment, as one sentence."""


Between = Callable[[Progress], None]
"""Called between two chunks: the time to deliver and to talk."""


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
        self._outbox = outbox
        self._stop = stop
        self._start_worker = start_worker
        self._root = root
        self._telemetry = Telemetry(root)
        self._meter: Meter | None = None
        self._energy_source: str | None = None
        self._times_ns: list[int] = []
        self._peak_rss_bytes: int | None = None
        self._load_ns: int | None = None
        self._first_ns: int | None = None
        self._temperature_celsius: float | None = None
        self._between: Between = lambda _: None
        self._started = _started(plan)
        left = outbox.unfinished(plan.identity)
        if left is not None and not resume:
            self._abandon(left)
            left = None
        self.resumed_at = left.asked if left else 0
        """Questions that an earlier process has answered of this run."""
        self._place = left or outbox.begin(uuid.uuid4().hex, plan.device.device_id, plan.identity)
        self._origin_ns = time.monotonic_ns() - self._place.elapsed_ns

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._place.run_id

    def measure(self, between: Between) -> RunFinished:
        """Ask what has not been asked yet.

        Returns:
            The last record, committed. A worker's death or a bundle that turns out wrong is a result.

        Raises:
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        self._between = between
        if self._place.next_seq == 0:
            self._commit([self._started], self._place)
        status: RunStatus = "complete"
        reason = ""
        try:
            self._check_memory()
            with self._start_worker(self._stop) as worker:
                self._prepare(worker)
                self._find_meter()
                while self._place.asked < len(self._plan.questions):
                    self._chunk(worker)
                    between(self._progress())
        except (WorkerDied, BundleRefused, OutOfMemory) as failure:
            status, reason = "failed", str(failure)
        return self._finish(status, reason)

    def _prepare(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        self._load_ns = worker.load(self._plan.bundle, settings).load_ns
        first = worker.ask(self._plan.questions[:1], CHUNK_SECONDS)
        self._first_ns = _time_ns(first.outcomes[0])
        self._peak_rss_bytes = first.peak_rss_bytes
        warm = 0
        while warm < settings.warmup_questions:
            # Warm-up goes around the run's questions, so that it sees the lengths that will be timed.
            at = warm % len(self._plan.questions)
            wanted = self._plan.questions[at : at + settings.warmup_questions - warm]
            warm += len(worker.ask(wanted, CHUNK_SECONDS).outcomes)

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
        asked = self._place.asked
        wanted = self._plan.questions[asked : asked + CHUNK_QUESTIONS]
        before = self._telemetry.read().throttle
        meter = self._meter
        look = meter.look if meter is not None and meter.samples_power else None
        answered = worker.ask(wanted, CHUNK_SECONDS, look)
        self._record(answered, before, busy=worker.was_busy)

    def _record(self, answered: Answered, before: tuple[Mark, ...], *, busy: bool) -> None:
        after = self._telemetry.read()
        marks: set[Mark] = {*before, *after.throttle}
        if busy:
            marks.add("agent_busy")
        self._peak_rss_bytes = answered.peak_rss_bytes
        seq = self._place.next_seq
        records: list[Record] = [
            _answer(outcome, seq + index, self._origin_ns, tuple(sorted(marks)))
            for index, outcome in enumerate(answered.outcomes)
        ]
        elapsed_ns = time.monotonic_ns() - self._origin_ns
        records.append(
            Sample(
                seq=seq + len(records),
                at_ns=elapsed_ns,
                temperature_celsius=after.temperature_celsius,
                clock_hz=after.clock_hz,
                throttle=after.throttle,
                worker_rss_bytes=answered.rss_bytes,
                energy_joules=self._meter.joules() if self._meter else None,
            )
        )
        good = [outcome for outcome in answered.outcomes if outcome.error is None]
        self._times_ns += [_time_ns(outcome) for outcome in good]
        self._temperature_celsius = after.temperature_celsius
        self._commit(
            records,
            self._place._replace(
                asked=self._place.asked + len(answered.outcomes),
                errors=self._place.errors + len(answered.outcomes) - len(good),
                elapsed_ns=elapsed_ns,
            ),
        )

    def _finish(self, status: RunStatus, reason: str) -> RunFinished:
        elapsed_ns = time.monotonic_ns() - self._origin_ns
        last = RunFinished(
            seq=self._place.next_seq,
            status=status,
            reason=reason,
            answered=self._place.asked - self._place.errors,
            errors=self._place.errors,
            elapsed_ns=elapsed_ns,
            load_ns=self._load_ns,
            first_ns=self._first_ns,
            peak_rss_bytes=self._peak_rss_bytes,
            energy_source=self._energy_source,
            finished_at=utc_now(),
        )
        self._commit([last], self._place._replace(elapsed_ns=elapsed_ns, finished=True))
        return last

    def _commit(self, records: Sequence[Record], place: Place) -> None:
        """Commit, when there is room; until then the run pauses and results may be delivered."""
        after = place._replace(next_seq=place.next_seq + len(records))
        while True:
            try:
                self._outbox.append(after, records, utc_now())
            except OutboxFull as full:
                self._between(self._progress(str(full)))
                self._stop.wait(PAUSE_SECONDS)
                self._stop.check()
            else:
                self._place = after
                return

    def _progress(self, paused: str | None = None) -> Progress:
        return Progress(
            run_id=self.run_id,
            title=self._plan.title,
            answered=self._place.asked,
            selected=len(self._plan.questions),
            times_ns=self._times_ns,
            temperature_celsius=self._temperature_celsius,
            paused=paused,
        )

    def _abandon(self, place: Place) -> None:
        last = RunFinished(
            seq=place.next_seq,
            status="interrupted",
            reason="the run was interrupted, and begun anew",
            answered=place.asked - place.errors,
            errors=place.errors,
            elapsed_ns=place.elapsed_ns,
            finished_at=utc_now(),
        )
        self._outbox.append(place._replace(next_seq=place.next_seq + 1, finished=True), [last], utc_now())


def _started(plan: Plan) -> RunStarted:
    return RunStarted(
        seq=0,
        device=plan.device,
        bundle_sha256=plan.bundle.sha256,
        bundle=plan.bundle.manifest,
        questions=plan.question_set,
        settings=plan.settings,
        started_at=utc_now(),
        clock_synchronised=synchronised(),
        remarks=plan.remarks,
        thread_trials=plan.thread_trials,
    )


def _answer(outcome: Outcome, seq: int, origin_ns: int, marks: tuple[Mark, ...]) -> Answer:
    return Answer(
        seq=seq,
        at_ns=outcome.asked_at_ns - origin_ns,
        question_id=outcome.question_id,
        text=outcome.text,
        start_char=outcome.start_char,
        end_char=outcome.end_char,
        confidence=outcome.confidence,
        tokenize_ns=outcome.tokenize_ns,
        infer_ns=outcome.infer_ns,
        decode_ns=outcome.decode_ns,
        windows=outcome.windows,
        tokens=outcome.tokens,
        marks=marks,
        error=outcome.error,
    )


def _time_ns(outcome: Outcome) -> int:
    return outcome.tokenize_ns + outcome.infer_ns + outcome.decode_ns
