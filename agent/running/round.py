"""One round of a run: a fresh worker is prepared, and answers the round's share of the questions.

The order is: load (timed), the first question cold (timed apart), warm-up (not recorded), then the questions
in chunks. Between two chunks the worker is silent and this process works: it commits the chunk, samples the
machine and lets results be delivered; `agent/worker/main.py` explains why. If the round has several turns,
the workers of other runs answer between them.
"""

import time
from collections.abc import Callable
from functools import cached_property
from math import inf, log
from pathlib import Path
from typing import Final, Protocol

from agent.machine.energy import Meter, find_meter
from agent.machine.telemetry import Telemetry
from agent.planning.plan import Plan
from agent.planning.selection import Passes, by_length, shuffled
from agent.running.marks import LOOK_SECONDS, MachineWatch, Stretch
from agent.running.run_log import RunLog
from agent.running.warm_up import CHUNK_SECONDS, Prepared, prepare
from agent.stopping.rate_search import RateSearch, arrivals_ns
from agent.stopping.stop_rule import may_end
from agent.stopping.tally import Tally
from agent.worker.process import WorkerProcess
from agent.worker.protocol import Answered, QuestionOutcome, time_ns
from contract import scenarios
from contract.questions import Question
from contract.records import RoundFinished, Settings

CHUNK_QUESTIONS: Final = 64
WAKING_SECONDS: Final = 0.1
"""Each turn begins with questions that are not recorded, for at least this long."""
_NO_LIMIT_SECONDS: Final = 1e9

Meanwhile = Callable[[], None]
"""Called while the worker computes for minutes: must cost next to nothing."""


def meter_of(settings: Settings, root: Path) -> Meter | None:
    """What measures the energy of a run; None without a meter, for a search, and with turns in a round.

    A search asks many more questions than it records. Between two turns, other runs use energy.
    """
    searches = settings.scenario == scenarios.SERVER and settings.qps is None
    return None if searches or settings.turns > 1 else find_meter(root)


class Tell(Protocol):
    """Shows how far the run is, between two chunks."""

    def __call__(self, *, stage: str | None = None, preparing: str | None = None) -> None:
        """Show it.

        Args:
            stage: what the run is doing, if its questions are counted only at the end.
            preparing: what the worker does before it answers the questions of the round.
        """


class Round:
    """Measures one round.

    Args:
        plan: what to measure.
        number: of the round, from 0.
        end: the number of questions asked at its end, over all rounds; None if it has no end of its own.
        worker: has just started.
        log: records the run.
        tally: counts what this process has measured of the run.
        passes: the order of the questions.
        tell: shows how far the run is.
        meanwhile: called a few times per second during work that takes minutes without a pause.
        root: where the machine's `/proc`, `/sys` and programs are.
    """

    def __init__(
        self,
        plan: Plan,
        number: int,
        end: int | None,
        worker: WorkerProcess,
        log: RunLog,
        tally: Tally,
        passes: Passes,
        tell: Tell,
        meanwhile: Meanwhile,
        root: Path,
    ) -> None:
        self._plan = plan
        self._number = number
        self._end = end
        self._worker = worker
        self._log = log
        self._tally = tally
        self._passes = passes
        self._tell = tell
        self._meanwhile = meanwhile
        self._root = root
        self._telemetry = Telemetry(root)
        self._meter: Meter | None = None
        self._open = False
        self._log_sum, self._timed = 0.0, 0
        self.ready: Prepared | None = None
        """What was measured before the round began; None if it has not begun."""
        self.start_ns = 0
        """Time until the worker was loaded and had answered its first question."""
        self.asked = 0
        """How many questions it has asked."""
        self.asking_ns = 0
        """Time in which it has asked them, pauses included."""
        self.peak_rss_bytes: int | None = None
        """Highest resident memory of the worker."""
        self.temperature_celsius: float | None = None
        """Temperature after the latest chunk."""

    @property
    def energy_source(self) -> str | None:
        """What measures the energy of the round; None without a meter."""
        return self._meter.source if self._meter else None

    @property
    def end_record(self) -> RoundFinished | None:
        """The record of the round's end, unnumbered; None if it has not begun or its end is committed."""
        if not self._open:
            return None
        return RoundFinished(seq=0, round=self._number, at_ns=0, peak_rss_bytes=self.peak_rss_bytes)

    @property
    def log_time(self) -> float | None:
        """Mean logarithm of its undisturbed times in nanoseconds; None if there are none."""
        return self._log_sum / self._timed if self._timed else None

    def prepare(self, warmup: int, remarks: tuple[str, ...]) -> None:
        """Load and warm up the worker, and commit the start of the round.

        Args:
            warmup: number of questions to answer after the first one.
            remarks: what speaks against measuring now.

        Raises:
            BundleRefused: the bundle does not match its manifest, or cannot be loaded.
            WorkerDied: the process ended.
            Stopped: a signal came.
        """
        begun_ns = time.monotonic_ns()
        ready = prepare(
            self._worker, self._plan, warmup, lambda what: self._tell(preparing=what), self._meanwhile
        )
        self.start_ns = max(time.monotonic_ns() - begun_ns - warmup * ready.warm_ns, 0)
        self.peak_rss_bytes = ready.peak_rss_bytes
        canaries = self._canaries() if self._number == 0 and not self._log.asked else ()
        self._log.start_round(self._number, ready.load_ns, ready.first_ns, remarks, canaries)
        self.ready, self._open = ready, True

    def ask(self, end: int | None) -> None:
        """Ask the questions of a turn that are not recorded yet.

        Args:
            end: the number of questions asked at the end of the turn, over all rounds; None if it has no end
                of its own.

        Raises:
            BundleRefused: the bundle cannot be asked in this way.
            WorkerDied: the process ended.
            Stopped: a signal came; everything up to the last chunk is committed.
        """
        if self._plan.settings.scenario not in (scenarios.SERVER, scenarios.LOADGEN):
            if self._is_over(end):
                return
            self._wake()
        begun_ns = time.monotonic_ns() - self.asking_ns
        self._telemetry.read()  # what throttled the machine before is not about these questions
        self._meter = meter_of(self._plan.settings, self._root)  # joules count from the first of them
        match self._plan.settings.scenario:
            case scenarios.SERVER:
                self._serve()
            case scenarios.LOADGEN:
                self._tell(stage="LoadGen asks")
                watch = self._watch(LOOK_SECONDS)
                answered = self._worker.under_loadgen(
                    self._plan.questions, self._plan.settings, self._while_it_computes(watch)
                )
                self._record(answered, watch.end())
            case _:
                while not self._is_over(end):
                    self._chunk(end)
                    self.asking_ns = time.monotonic_ns() - begun_ns
                    self._tell()

    def _wake(self) -> None:
        """Ask short questions, unrecorded: after a pause, the first ones take longer.

        Most of all, they take longer after a pause in which other workers have computed.
        """
        end = time.monotonic() + WAKING_SECONDS
        while (left := end - time.monotonic()) > 0:
            self._worker.ask(self._shortest, left)

    def _is_over(self, end: int | None) -> bool:
        return self._may_end() or (end is not None and self._log.asked >= end)

    @cached_property
    def _shortest(self) -> tuple[Question, ...]:
        return by_length(self._plan.questions)[: -CHUNK_QUESTIONS - 1 : -1]

    def _canaries(self) -> list[QuestionOutcome]:
        """Ask the canaries, before the clock of the energy meter and the round begin."""
        outcomes: list[QuestionOutcome] = []
        while len(outcomes) < len(self._plan.canaries):
            self._tell(preparing=f"canaries, {len(outcomes)} of {len(self._plan.canaries)}")
            outcomes += self._worker.ask(self._plan.canaries[len(outcomes) :], CHUNK_SECONDS).outcomes
        return outcomes

    def _may_end(self) -> bool:
        seconds = self._log.elapsed_ns / 1e9
        return may_end(self._plan.settings, len(self._plan.questions), self._log.asked, seconds, self._tally)

    def _chunk(self, end: int | None) -> None:
        settings = self._plan.settings
        most = max(CHUNK_QUESTIONS, settings.batch_size)
        if end is not None:
            most = min(most, end - self._log.asked)
        wanted = self._passes.at(self._log.asked, most)
        watch = self._watch(inf)  # a chunk is short: this process sleeps meanwhile
        look = watch.look if self._meter is not None and self._meter.samples_power else None
        answered = self._worker.ask(wanted, CHUNK_SECONDS, look, batch_size=settings.batch_size)
        self._record(answered, watch.end())
        self.asked += len(answered.outcomes)

    def _serve(self) -> None:
        """Try rates. Nothing is committed or sent during one: it would delay the questions that wait.

        Only at its end is it known whether its answers belong to the run. The state between two rates is
        kept, so an interruption loses only the rate that is being tried.
        """
        settings = self._plan.settings
        bound_ns = settings.latency_bound_ns or 0
        search = RateSearch(settings, self.ready.warm_ns if self.ready else 0, self._log.kept)
        while (qps := search.next()) is not None:
            seconds_left = None
            if settings.max_seconds is not None:
                seconds_left = settings.max_seconds - self._log.elapsed_ns / 1e9
                if seconds_left <= 0:
                    break
            self._tell(stage=search.stage)
            count = search.queries(qps, seconds_left)
            arrivals = arrivals_ns(qps, count, settings.seed)
            watch = self._watch(LOOK_SECONDS)
            answered = self._worker.ask(
                shuffled(self._plan.questions, settings.seed, count),
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

    def _watch(self, look_seconds: float) -> MachineWatch:
        return MachineWatch(self._telemetry, self._meter, self._worker.own_work, look_seconds)

    def _while_it_computes(self, watch: MachineWatch) -> Meanwhile:
        def work() -> None:
            watch.look()
            self._meanwhile()

        return work

    def _record(self, answered: Answered, stretches: tuple[Stretch, ...]) -> None:
        self._note(answered, stretches)
        answers = self._log.answers(answered.outcomes, stretches)
        self._tally.add(answers, answered.busy_ns, answered.loadgen)
        logs = [log(max(time_ns(each), 1)) for each in answers if each.error is None and not each.marks]
        self._log_sum += sum(logs)
        self._timed += len(logs)
        # The end of a round is committed with its last answers, so that no interruption comes in between.
        over = self._end is not None and self._log.asked + len(answers) >= self._end
        self._log.add(answers, stretches, answered.rss_bytes, ends=self.end_record if over else None)
        if over:
            self._open = False

    def _note(self, answered: Answered, stretches: tuple[Stretch, ...]) -> None:
        self.peak_rss_bytes = answered.peak_rss_bytes
        self.temperature_celsius = stretches[-1].after.temperature_celsius
        for stretch in stretches:
            if stretch.after.throttle:
                self._tally.throttled(self._log.since_start(stretch.end_ns))
