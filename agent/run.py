"""One bundle on one question file: a run, from its first record to its last, continued where it was left.

The order of things: load (timed), the first question cold (timed apart), warm-up (not recorded), then every
selected question, once or in several passes, in chunks. Between two chunks the worker is silent and this
process works: it commits the chunk, samples the machine and lets results be delivered; see `worker.py` for
why.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from agent import plan as plans
from agent.arrivals import arrivals_ns
from agent.bounds import CONFIDENCE, PERCENTILES, needed, percentile_bound
from agent.clock import synchronised, utc_now
from agent.energy import Meter, find_meter
from agent.errors import BundleRefused, OutboxFull, OutOfMemory, WorkerDied
from agent.estimate import shortage
from agent.outbox import Outbox, Place
from agent.plan import Plan
from agent.process import WorkerProcess
from agent.protocol import Answered
from agent.protocol import Outcome as AnswerOutcome
from agent.rates import RateSearch, queries_for
from agent.selection import in_pass
from agent.stop import Stop
from agent.telemetry import Telemetry
from contract.questions import Question
from contract.records import (
    Answer,
    Mark,
    Outcome,
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
        self._unmarked_ns: list[int] = []
        self._answered = 0
        self._busy_ns = 0
        self._warm_ns = 0
        self._throttled_ns: int | None = None
        self._outcome = Outcome()
        self._pass = 0, plan.questions
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
        self._times_asked = Counter(
            question.id for place in range(self._place.asked) for question in self._wanted(place, 1)
        )

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
                self._ask(worker)
            status, reason = self._verdict()
        except (WorkerDied, BundleRefused, OutOfMemory) as failure:
            status, reason = "failed", str(failure)
        return self._finish(status, reason)

    def _ask(self, worker: WorkerProcess) -> None:
        match self._plan.settings.scenario:
            case plans.SERVER:
                self._serve(worker)
            case plans.LOADGEN:
                answered = worker.under_loadgen(self._plan.questions, self._plan.settings)
                self._outcome = Outcome(loadgen=answered.loadgen)
                self._record(answered, (), busy=worker.was_busy)
            case _:
                while not self._over():
                    self._chunk(worker)
                    self._between(self._progress())

    def _over(self) -> bool:
        settings, asked = self._plan.settings, self._place.asked
        seconds = (time.monotonic_ns() - self._origin_ns) / 1e9
        if settings.max_seconds is not None and seconds >= settings.max_seconds and asked:
            return True
        return (
            asked >= max(len(self._plan.questions), settings.min_queries)
            and seconds >= settings.min_seconds
            and (settings.percentile is None or len(self._unmarked_ns) >= needed(settings.percentile))
        )

    def _verdict(self) -> tuple[RunStatus, str]:
        """Whether the run has what it was begun for."""
        settings, asked = self._plan.settings, self._place.asked
        wanted = max(len(self._plan.questions), settings.min_queries)
        if settings.scenario == plans.SERVER:
            return self._served()
        if settings.scenario != plans.SUSTAINED and asked < wanted:
            return "inconclusive", f"it ended after {asked} of {wanted} questions, as --max-seconds says"
        percent = settings.percentile
        if percent is not None and len(self._unmarked_ns) < needed(percent):
            return "inconclusive", (
                f"p{percent} is known with {CONFIDENCE:.0%} confidence from {needed(percent)} undisturbed "
                f"times on, and there are {len(self._unmarked_ns)}"
            )
        return "complete", ""

    def _serve(self, worker: WorkerProcess) -> None:
        """Try rates, and record the answers of the highest that holds the bound, or else of the last."""
        settings = self._plan.settings
        search = RateSearch(settings.qps, settings.latency_bound_ns or 0, self._warm_ns)
        kept: Answered | None = None
        kept_busy = False
        while (qps := search.next()) is not None:
            count = queries_for(qps, settings)
            answered = worker.ask(
                [self._wanted(place, 1)[0] for place in range(count)],
                settings.max_seconds or 0.0,
                arrivals_ns=arrivals_ns(qps, count, settings.seed),
            )
            if (
                search.took(qps, [o.waited_ns + _time_ns(o) for o in answered.outcomes])
                or not search.best_qps
            ):
                kept, kept_busy = answered, worker.was_busy
            self._between(self._progress())
        assert kept is not None, "at least one rate is tried"
        self._outcome = Outcome(rates=tuple(search.trials), valid_qps=search.best_qps)
        self._record(kept, (), busy=kept_busy)

    def _served(self) -> tuple[RunStatus, str]:
        bound_ns = self._plan.settings.latency_bound_ns or 0
        best = next((t for t in self._outcome.rates if t.held and t.qps == self._outcome.valid_qps), None)
        if best is None:
            return "inconclusive", f"at no rate that was tried did p99 stay within {bound_ns / 1e6:g} ms"
        if best.bound_ns is None:
            return "inconclusive", (
                f"{best.queries} questions were answered at the best rate, and p99 is known with "
                f"{CONFIDENCE:.0%} confidence from {needed(99)} on"
            )
        return "complete", ""

    def _wanted(self, asked: int, count: int) -> tuple[Question, ...]:
        """What is asked next, up to the end of a pass."""
        number, at = divmod(asked, len(self._plan.questions))
        if number != self._pass[0]:
            self._pass = number, in_pass(self._plan.questions, self._plan.settings.seed, number)
            if self._plan.settings.scenario == plans.OFFLINE:
                self._pass = number, self._plan.questions
        return self._pass[1][at : at + count]

    def _prepare(self, worker: WorkerProcess) -> None:
        settings = self._plan.settings
        self._load_ns = worker.load(self._plan.bundle, settings).load_ns
        first = worker.ask(self._plan.questions[:1], CHUNK_SECONDS)
        self._first_ns = _time_ns(first.outcomes[0])
        self._peak_rss_bytes = first.peak_rss_bytes
        warm = 0
        self._warm_ns = self._first_ns
        while warm < settings.warmup_questions:
            # Warm-up goes around the run's questions, so that it sees the lengths that will be timed.
            at = warm % len(self._plan.questions)
            wanted = self._plan.questions[at : at + settings.warmup_questions - warm]
            outcomes = worker.ask(wanted, CHUNK_SECONDS).outcomes
            warm += len(outcomes)
            self._warm_ns = sum(map(_time_ns, outcomes)) // len(outcomes)

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
        wanted = self._wanted(self._place.asked, max(CHUNK_QUESTIONS, settings.batch_size))
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
        seq = self._place.next_seq
        records: list[Record] = []
        for outcome in answered.outcomes:
            repeat = self._times_asked[outcome.question_id]
            self._times_asked[outcome.question_id] += 1
            records.append(
                _answer(outcome, seq + len(records), self._origin_ns, tuple(sorted(marks)), repeat)
            )
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
        times = [_time_ns(outcome) for outcome in good]
        self._times_ns += times
        self._unmarked_ns += [] if marks else times
        self._busy_ns += answered.busy_ns
        self._answered += len(good)
        if after.throttle and self._throttled_ns is None:
            self._throttled_ns = elapsed_ns
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
            outcome=self._final_outcome(),
            finished_at=utc_now(),
        )
        self._commit([last], self._place._replace(elapsed_ns=elapsed_ns, finished=True))
        return last

    def _final_outcome(self) -> Outcome | None:
        scenario, outcome = self._plan.settings.scenario, self._outcome
        if scenario in (plans.SINGLE_STREAM, plans.SUSTAINED):
            bounds = tuple(percentile_bound(self._unmarked_ns, percent) for percent in PERCENTILES)
            outcome = msgspec.structs.replace(outcome, bounds=bounds, throttled_after_ns=self._throttled_ns)
        if scenario == plans.OFFLINE and self._busy_ns:
            rate = self._answered / (self._busy_ns / 1e9)
            outcome = msgspec.structs.replace(outcome, questions_per_second=rate)
        return outcome

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


def _answer(outcome: AnswerOutcome, seq: int, origin_ns: int, marks: tuple[Mark, ...], repeat: int) -> Answer:
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
        repeat=repeat,
        waited_ns=outcome.waited_ns,
        marks=marks,
        error=outcome.error,
    )


def _time_ns(outcome: AnswerOutcome) -> int:
    return outcome.tokenize_ns + outcome.infer_ns + outcome.decode_ns
