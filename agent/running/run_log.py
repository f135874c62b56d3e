"""Commits the records of one run to the outbox in order, together with the place that the run has reached.

The run has a clock of its own, which runs during its turns only.
"""

import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from msgspec.structs import replace

from agent.errors import OutboxFull
from agent.outbox.interrupted import end_as_interrupted
from agent.outbox.outbox import Outbox
from agent.outbox.rows import Added, Place
from agent.planning.plan import Plan
from agent.planning.selection import Passes
from agent.running.marks import Stretch, marks_of
from agent.stopping.rate_search import readable
from agent.worker.protocol import QuestionOutcome
from commandline.clock import synchronised, utc_now
from contract.records import (
    Answer,
    Canary,
    Mark,
    Outcome,
    Record,
    RoundFinished,
    RoundStarted,
    RunFinished,
    RunResumed,
    RunStarted,
    RunStatus,
    Sample,
)


class Ending(NamedTuple):
    """How a run ends."""

    last: RunFinished
    added: Added
    """What is to be committed."""


class RunLog:
    """Records one run, from its start or from where an earlier process left it.

    Args:
        plan: what is measured.
        outbox: receives the records.
        passes: the order of its questions.
        resume: continue a run of the same identity, if there is one; otherwise it is recorded as interrupted.
        wait: called with the reason while the outbox is full: it may deliver, wait a moment, or raise.
        besides: ids of the command's other runs, which are not resumed here.
        epoch: the number that the command's runs share.
    """

    def __init__(
        self,
        plan: Plan,
        outbox: Outbox,
        passes: Passes,
        *,
        resume: bool,
        wait: Callable[[str], None],
        besides: Collection[str] = (),
        epoch: str,
    ) -> None:
        self._plan = plan
        self._epoch = epoch
        self._outbox = outbox
        self._wait = wait
        unfinished = outbox.unfinished(plan.identity, besides)
        self._given_up: tuple[Place, str] | None = None
        if unfinished is not None and (reason := _hindrance(unfinished, resume=resume)):
            try:
                end_as_interrupted(outbox, unfinished, reason)
            except OutboxFull:
                self._given_up = unfinished, reason  # nobody can wait yet
            unfinished = None
        self.resumed_at = unfinished.asked if unfinished else 0
        """Number of questions that an earlier process has answered."""
        self._place = unfinished or outbox.begin(uuid.uuid4().hex, plan.device.device_id, plan.identity)
        self._begun = False
        self._origin_ns: int | None = None
        """When the run began, as if its clock had run ever since; None while it stands still."""
        self._times_asked = Counter(
            question.id for place in range(self.asked) for question in passes.at(place, 1)
        )

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self._place.run_id

    @property
    def asked(self) -> int:
        """Number of questions recorded, over all passes and processes."""
        return self._place.asked

    @property
    def kept(self) -> bytes:
        """The state that was kept with the last commit."""
        return self._place.kept

    @property
    def elapsed_ns(self) -> int:
        """Nanoseconds on the run's clock, which stands still between turns and between processes."""
        return self._place.elapsed_ns if self._origin_ns is None else time.monotonic_ns() - self._origin_ns

    @contextmanager
    def clock(self) -> Iterator[None]:
        """Let the run's clock run during the block."""
        self._origin_ns = time.monotonic_ns() - self._place.elapsed_ns
        try:
            yield
        finally:
            self._place = self._place._replace(elapsed_ns=self.elapsed_ns)
            self._origin_ns = None

    def begin(self) -> None:
        """Commit the first record of this process, unless that is done already."""
        if self._begun:
            return
        while self._given_up is not None:
            try:
                end_as_interrupted(self._outbox, *self._given_up)
                self._given_up = None
            except OutboxFull as full:
                self._wait(str(full))
        first: RunStarted | RunResumed
        if self._place.next_seq == 0:
            first = _started(self._plan, self._epoch)
        else:
            first = RunResumed(seq=self._place.next_seq, epoch=self._epoch, resumed_at=utc_now())
        self._commit([first], self._place)
        self._begun = True

    def start_round(
        self,
        number: int,
        load_ns: int,
        first_ns: int | None,
        remarks: tuple[str, ...],
        canaries: Sequence[QuestionOutcome] = (),
    ) -> None:
        """Commit the start of a round, whose worker is warm now, and the canaries that it has answered."""
        start = RoundStarted(
            seq=self._place.next_seq,
            round=number,
            at_ns=self.elapsed_ns,
            load_ns=load_ns,
            first_ns=first_ns,
            remarks=remarks,
        )
        answers = [_canary(outcome, start.seq + place) for place, outcome in enumerate(canaries, start=1)]
        self._commit([start, *answers], self._place._replace(elapsed_ns=start.at_ns))

    def since_start(self, monotonic_ns: int) -> int:
        """A moment of `time.monotonic_ns()` as nanoseconds on the run's clock, which has to run."""
        assert self._origin_ns is not None, "within a round"
        return monotonic_ns - self._origin_ns

    def answers(
        self, outcomes: Sequence[QuestionOutcome], stretches: Sequence[Stretch]
    ) -> tuple[Answer, ...]:
        """Outcomes as records with the marks of their stretches; `add` numbers them."""
        return tuple(
            _answer(outcome, self.since_start(outcome.asked_at_ns), marks_of(outcome, stretches))
            for outcome in outcomes
        )

    def add(
        self,
        answers: Sequence[Answer],
        stretches: Sequence[Stretch] = (),
        rss_bytes: int | None = None,
        kept: bytes | None = None,
        ends: RoundFinished | None = None,
    ) -> None:
        """Commit answers, and samples of the machine, in the order of their times.

        Args:
            answers: as `answers` returns them.
            stretches: each ends with a sample.
            rss_bytes: memory of the worker at the end.
            kept: other state that a process needs to resume the run; None to keep the previous state.
            ends: the end of the round, if these are its last answers; it is numbered and timed here.
        """
        samples = [self._sample(stretch) for stretch in stretches]
        if samples:
            samples[-1] = replace(samples[-1], worker_rss_bytes=rss_bytes)
        place = self._place
        records: list[Record] = []
        unnumbered: list[Answer | Sample] = [*answers, *samples]
        for record in sorted(unnumbered, key=lambda record: record.at_ns):
            seq = place.next_seq + len(records)
            if isinstance(record, Answer):
                records.append(replace(record, seq=seq, repeat=self._times_asked[record.question_id]))
                self._times_asked[record.question_id] += 1
            else:
                records.append(replace(record, seq=seq))
        elapsed_ns = self.elapsed_ns
        if ends is not None:
            records.append(replace(ends, seq=place.next_seq + len(records), at_ns=elapsed_ns))
        self._commit(
            records,
            place._replace(
                asked=place.asked + len(answers),
                errors=place.errors + sum(answer.error is not None for answer in answers),
                elapsed_ns=elapsed_ns,
                kept=place.kept if kept is None else kept,
            ),
        )

    def ending(
        self,
        status: RunStatus,
        reason: str,
        outcome: Outcome,
        *,
        load_ns: int | None,
        first_ns: int | None,
        peak_rss_bytes: int | None,
        energy_source: str | None,
        ends: RoundFinished | None = None,
    ) -> Ending:
        """The last record, and before it the end of the last round if that is still open; not committed."""
        elapsed_ns = self.elapsed_ns
        seq = self._place.next_seq
        open_round = [] if ends is None else [replace(ends, seq=seq, at_ns=elapsed_ns)]
        last = RunFinished(
            seq=seq + len(open_round),
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
        records: list[Record] = [*open_round, last]
        place = self._place._replace(
            next_seq=seq + len(records), elapsed_ns=elapsed_ns, finished=True, kept=b""
        )
        return Ending(last, Added(place, records))

    def end(self, ending: Ending) -> None:
        """Commit the last record."""
        self._commit(ending.added.records, ending.added.place)

    def _sample(self, stretch: Stretch) -> Sample:
        return Sample(
            seq=0,
            at_ns=self.since_start(stretch.end_ns),
            temperature_celsius=stretch.after.temperature_celsius,
            clock_hz=stretch.after.clock_hz,
            throttle=stretch.after.throttle or (),
            energy_joules=stretch.energy_joules,
        )

    def _commit(self, records: Sequence[Record], place: Place) -> None:
        """Commit records as soon as there is room."""
        after = place._replace(next_seq=self._place.next_seq + len(records))
        while True:
            try:
                self._outbox.append(after, records, utc_now())
            except OutboxFull as full:
                self._wait(str(full))
            else:
                self._place = after
                return


def _hindrance(unfinished: Place, *, resume: bool) -> str:
    """Why a run is not continued, as a sentence; empty if it is."""
    if not resume:
        return "the run was interrupted and started over"
    if not readable(unfinished.kept):
        return "the run was interrupted, and what it kept to continue is damaged"
    return ""


def _started(plan: Plan, epoch: str) -> RunStarted:
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
        epoch=epoch,
        order=plan.step.order if plan.step else None,
    )


def _canary(outcome: QuestionOutcome, seq: int) -> Canary:
    return Canary(
        seq=seq,
        question_id=outcome.question_id,
        text=outcome.text,
        confidence=outcome.confidence,
        error=outcome.error,
    )


def _answer(outcome: QuestionOutcome, at_ns: int, marks: Collection[Mark]) -> Answer:
    return Answer(
        seq=0,
        at_ns=at_ns,
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
        waited_ns=outcome.waited_ns,
        marks=tuple(sorted(marks)),
        error=outcome.error,
    )
