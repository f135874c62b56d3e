"""The records of one run, committed to the outbox in their order, together with the run's place in it."""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence

from agent.clock import synchronised, utc_now
from agent.errors import OutboxFull
from agent.outbox import Outbox, Place
from agent.plan import Plan
from agent.protocol import Answered
from agent.protocol import Outcome as AnswerOutcome
from agent.selection import Passes
from agent.telemetry import Reading
from contract.records import Answer, Mark, Outcome, Record, RunFinished, RunStarted, RunStatus, Sample


class RunLog:
    """What is recorded of a run, from its start or from where an earlier process left it.

    Args:
        plan: what is measured.
        outbox: where records go.
        passes: the order of its questions.
        resume: continue a run of the same identity, if there is one; otherwise it is told as interrupted.
        wait: called while the outbox is full, with the reason: it may deliver, waits a moment, or raises.
    """

    def __init__(
        self, plan: Plan, outbox: Outbox, passes: Passes, *, resume: bool, wait: Callable[[str], None]
    ) -> None:
        self._plan = plan
        self._outbox = outbox
        self._wait = wait
        self._started = _started(plan)
        left = outbox.unfinished(plan.identity)
        if left is not None and not resume:
            self._abandon(left)
            left = None
        self.resumed_at = left.asked if left else 0
        """Questions that an earlier process has answered."""
        self._place = left or outbox.begin(uuid.uuid4().hex, plan.device.device_id, plan.identity)
        self._origin_ns = time.monotonic_ns() - self._place.elapsed_ns
        self._times_asked = Counter(
            question.id for place in range(self.asked) for question in passes.at(place, 1)
        )

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._place.run_id

    @property
    def asked(self) -> int:
        """Questions recorded, of all passes and processes."""
        return self._place.asked

    @property
    def elapsed_ns(self) -> int:
        """Since the run began, without the time between two processes."""
        return time.monotonic_ns() - self._origin_ns

    def begin(self) -> None:
        """Commit the first record, unless that was done."""
        if self._place.next_seq == 0:
            self._commit([self._started], self._place)

    def add(
        self, answered: Answered, marks: Sequence[Mark], after: Reading, energy_joules: float | None
    ) -> int:
        """Commit answers and a sample of the machine after them; returns the sample's time."""
        seq = self._place.next_seq
        records: list[Record] = []
        for outcome in answered.outcomes:
            repeat = self._times_asked[outcome.question_id]
            self._times_asked[outcome.question_id] += 1
            records.append(_answer(outcome, seq + len(records), self._origin_ns, tuple(marks), repeat))
        elapsed_ns = self.elapsed_ns
        records.append(
            Sample(
                seq=seq + len(records),
                at_ns=elapsed_ns,
                temperature_celsius=after.temperature_celsius,
                clock_hz=after.clock_hz,
                throttle=after.throttle,
                worker_rss_bytes=answered.rss_bytes,
                energy_joules=energy_joules,
            )
        )
        self._commit(
            records,
            self._place._replace(
                asked=self.asked + len(answered.outcomes),
                errors=self._place.errors + sum(outcome.error is not None for outcome in answered.outcomes),
                elapsed_ns=elapsed_ns,
            ),
        )
        return elapsed_ns

    def finish(
        self,
        status: RunStatus,
        reason: str,
        outcome: Outcome,
        *,
        load_ns: int | None,
        first_ns: int | None,
        peak_rss_bytes: int | None,
        energy_source: str | None,
    ) -> RunFinished:
        """Commit the last record."""
        elapsed_ns = self.elapsed_ns
        last = RunFinished(
            seq=self._place.next_seq,
            status=status,
            reason=reason,
            answered=self.asked - self._place.errors,
            errors=self._place.errors,
            elapsed_ns=elapsed_ns,
            load_ns=load_ns,
            first_ns=first_ns,
            peak_rss_bytes=peak_rss_bytes,
            energy_source=energy_source,
            outcome=outcome,
            finished_at=utc_now(),
        )
        self._commit([last], self._place._replace(elapsed_ns=elapsed_ns, finished=True))
        return last

    def _commit(self, records: Sequence[Record], place: Place) -> None:
        """Commit, when there is room."""
        after = place._replace(next_seq=place.next_seq + len(records))
        while True:
            try:
                self._outbox.append(after, records, utc_now())
            except OutboxFull as full:
                self._wait(str(full))
            else:
                self._place = after
                return

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
