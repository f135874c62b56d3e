"""Two runs of one bundle share a worker and take turns, a chunk each, so both are the same process.

One publishes its results live, to a broker and a collector on this machine; the other keeps them.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from agent.bundles.bundle import Bundle
from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan
from agent.progress import Progress
from agent.running.run import Run
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from agent.worker.protocol import Loaded
from bench.results.records import time_ns, waiting
from commandline.broker_address import parse_broker
from contract.records import Answer, Record, Settings

_CONNECT_SECONDS: Final = 0.1
_DRAIN_SECONDS: Final = 60.0


class Sides(NamedTuple):
    """Times in nanoseconds by question id, of answers that carry no mark."""

    live: dict[str, int]
    kept: dict[str, int]


class _Shared(WorkerProcess):
    """One worker for several runs of one bundle: it loads once and outlives each."""

    def __init__(self, stop: Stop, settings: Settings) -> None:
        super().__init__(stop, settings)
        self._loaded: Loaded | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Keep the worker: it outlives a run."""

    def load(self, bundle: Bundle, settings: Settings, meanwhile: Callable[[], None] | None = None) -> Loaded:
        """Load the bundle, the first time."""
        if self._loaded is None:
            self._loaded = super().load(bundle, settings, meanwhile)
        return self._loaded

    @contextmanager
    def alive(self) -> Iterator[Self]:
        """Start the worker, and end it after the `with` block."""
        super().__enter__()
        try:
            yield self
        finally:
            super().__exit__(None, None, None)


class _Turns:
    """Two threads, 0 and 1, of which one works at a time."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._whose = 0
        self._gone = False

    def begin(self, me: int) -> None:
        """Wait for the first turn."""
        with self._changed:
            self._changed.wait_for(lambda: self._whose == me)

    def hand_over(self, me: int) -> None:
        """Let the other thread work, if it has not ended, and wait for the next turn."""
        with self._changed:
            if self._gone:
                return
            self._whose = 1 - me
            self._changed.notify()
            self._changed.wait_for(lambda: self._whose == me)

    def leave(self, me: int) -> None:
        """Let the other thread work alone from now on."""
        with self._changed:
            self._gone = True
            self._whose = 1 - me
            self._changed.notify()


def side_by_side(plan: Plan, folder: Path, url: str) -> Sides:
    """Measure both.

    Args:
        plan: of both; the second starts in its middle, so that no question is asked twice in a row.
        folder: takes the outboxes.
        url: address of the broker, to which a collector is connected.
    """
    half = len(plan.questions) // 2
    plans = (plan, plan._replace(questions=plan.questions[half:] + plan.questions[:half]))
    turns = _Turns()
    times: list[dict[str, int]] = [{}, {}]

    def measure(me: int, run_side: Callable[[Run, Outbox, Callable[[], None]], list[Record]]) -> None:
        turns.begin(me)
        try:
            with Outbox(folder / f"{me}.db") as outbox:
                run = Run(plans[me], outbox, stop, start_worker=lambda *_: worker)
                times[me] = _unmarked(run_side(run, outbox, lambda: turns.hand_over(me)))
        finally:
            turns.leave(me)

    def live(run: Run, outbox: Outbox, hand_over: Callable[[], None]) -> list[Record]:
        with closing(Publisher(parse_broker(url), "bench", outbox)) as publisher:
            while not publisher.was_connected:
                publisher.step(wait_seconds=_CONNECT_SECONDS)
            records: dict[int, Record] = {}

            def between(progress: Progress) -> None:
                # A receipt removes a record from the outbox.
                records.update({record.seq: record for record in waiting(outbox)})
                publisher.step(progress)
                hand_over()

            run.measure(between)
            publisher.drain(_DRAIN_SECONDS, stop)
            if outbox.pending():
                raise SystemExit("bench: the collector did not take everything")
        return list(records.values())

    def kept(run: Run, outbox: Outbox, hand_over: Callable[[], None]) -> list[Record]:
        run.measure(lambda _: hand_over())
        return waiting(outbox)

    with Stop() as stop, _Shared(stop, plan.settings).alive() as worker:
        threads = [
            threading.Thread(target=measure, args=(0, live)),
            threading.Thread(target=measure, args=(1, kept)),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return Sides(*times)


def _unmarked(records: list[Record]) -> dict[str, int]:
    return {
        record.question_id: time_ns(record)
        for record in records
        if isinstance(record, Answer) and not record.marks and record.error is None
    }
