"""Starts the worker process, gives it orders, and finds out how it died."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import agent
from agent.bundles.bundle import Bundle
from agent.errors import BundleRefused, WorkerDied
from agent.machine import huge_pages as hugepages
from agent.stop_signal import Stop
from agent.systemd_notify import Service
from agent.worker.own_work import OwnWork
from agent.worker.protocol import (
    Answered,
    Ask,
    Asked,
    LoadBundle,
    Loaded,
    Order,
    Refused,
    UnderLoadGen,
    receive_reply,
    send,
    time_ns,
)
from contract.codec import printable
from contract.errors import Malformed
from contract.questions import Question
from contract.records import Settings

MEANWHILE_SECONDS: Final = 0.25
"""Half a chunk, so that a power meter is read in the middle of the work."""
LEAST_PATIENCE_SECONDS: Final = 600.0
"""The worker may compute at least this long; only a graph that never ends takes longer."""
_TIMES_SLOWEST: Final = 20
"""A question may take this many times as long as the slowest one before it, those of the warm-up included."""
_LEAST_LOAD_BYTES_PER_SECOND: Final = 1e6
_PART_OF_A_WAIT_SECONDS: Final = 60.0
"""A wait is counted in parts: if the machine sleeps or this process is stopped, only one part is lost."""

# A file in the current folder that is named like a library must not be imported (-P), and the worker must
# run the same copy of this package as its parent.
_WORKER = "import sys; sys.path.append(sys.argv[1]); from agent.worker.main import main; main()"
T = TypeVar("T", Loaded, Answered)
_MEMORY_SIGNS: Final = ("MemoryError", "bad_alloc", "annot allocate memory", "failed to map segment")
_LAST_WORDS_BYTES = 2000
_LAST_WORDS_CHARS = 300


class WorkerProcess:
    """One worker, alive inside the `with` block.

    Args:
        stop: ends a wait for the worker.
        settings: the settings of the run.
        program: what the process runs, given the folder of this package; a benchmark puts its own here.
        patience_seconds: how long it may compute before it counts as hung, if no question before was slow.
        own_work: measures what this process does while it waits for the worker.
    """

    def __init__(
        self,
        stop: Stop,
        settings: Settings,
        program: str = _WORKER,
        patience_seconds: float = LEAST_PATIENCE_SECONDS,
        own_work: OwnWork | None = None,
    ) -> None:
        self._stop = stop
        self._patience_seconds = patience_seconds
        self._slowest_ns = 0
        self._environment = hugepages.environment(settings.options)
        self._program = program
        self._service = Service()
        self.own_work = own_work or OwnWork()
        """The work of this process during its last wait for the worker."""

    def __enter__(self) -> Self:
        self._stderr = tempfile.TemporaryFile()
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", self._program, str(Path(agent.__file__).parent.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
            env=self._environment,
            process_group=0,  # Ctrl-C at a terminal is the parent's to handle
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._stderr.close()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def load(self, bundle: Bundle, settings: Settings, meanwhile: Callable[[], None] | None = None) -> Loaded:
        """Load the bundle, which takes seconds to minutes; `meanwhile` as for `ask`.

        Raises:
            BundleRefused: the bundle does not match its manifest, or cannot be loaded.
            WorkerDied: the process ended, or did not end and was killed.
            Stopped: a signal came.
        """
        order = LoadBundle(bundle=os.fsencode(bundle.folder), bundle_sha256=bundle.sha256, settings=settings)
        size = sum(entry.bytes for entry in bundle.manifest.files.values())
        seconds = self._patience_seconds + size / _LEAST_LOAD_BYTES_PER_SECOND
        return self._exchange(order, Loaded, seconds, meanwhile)

    def ask(
        self,
        questions: Sequence[Question],
        seconds: float,
        meanwhile: Callable[[], None] | None = None,
        *,
        batch_size: int = 1,
        arrivals_ns: tuple[int, ...] = (),
    ) -> Answered:
        """Let the worker answer a chunk: at least one question, and none that starts after `seconds`.

        Args:
            questions: in the order to be asked.
            seconds: no further question is begun after this many seconds.
            batch_size: number of questions that go through the network at once.
            arrivals_ns: when each question arrives, after the start.
            meanwhile: called again and again while the worker computes; must cost next to nothing.

        Raises:
            WorkerDied: the process ended, or did not end a question and was killed; the chunk is lost.
            Stopped: a signal came; the chunk is lost.
        """
        order = Ask(
            questions=_asked(questions), seconds=seconds, batch_size=batch_size, arrivals_ns=arrivals_ns
        )
        limit = seconds + self._patience(batch_size)
        if arrivals_ns:
            limit = min(limit, arrivals_ns[-1] / 1e9 + self._patience(len(questions)))
        return self._answered(self._exchange(order, Answered, limit, meanwhile))

    def under_loadgen(
        self,
        questions: Sequence[Question],
        settings: Settings,
        meanwhile: Callable[[], None] | None = None,
    ) -> Answered:
        """Let MLPerf's LoadGen ask the questions; `meanwhile` as for `ask`.

        Raises:
            BundleRefused: LoadGen is not installed.
            WorkerDied: the process ended, or did not end and was killed; all answers are lost.
            Stopped: a signal came; all answers are lost.
        """
        order = UnderLoadGen(
            questions=_asked(questions),
            min_queries=max(settings.min_queries, len(questions)),
            min_seconds=settings.min_seconds,
            max_seconds=settings.max_seconds,
            seed=settings.seed,
        )
        seconds = max(settings.min_seconds, settings.max_seconds or 0.0) + self._patience(order.min_queries)
        return self._answered(self._exchange(order, Answered, seconds, meanwhile))

    def _patience(self, questions: int) -> float:
        """How many seconds the worker may take for this many questions."""
        return max(self._patience_seconds, _TIMES_SLOWEST * questions * self._slowest_ns / 1e9)

    def _answered(self, reply: Answered) -> Answered:
        self._slowest_ns = max((self._slowest_ns, *map(time_ns, reply.outcomes)))
        return reply

    def _exchange(
        self, order: Order, kind: type[T], seconds: float, meanwhile: Callable[[], None] | None = None
    ) -> T:
        orders, replies = self._process.stdin, self._process.stdout
        assert orders is not None and replies is not None, "both are pipes"
        try:
            send(orders, order)
        except BrokenPipeError:
            raise WorkerDied(self._death()) from None
        self.own_work.begin()
        self._wait(replies.fileno(), seconds, meanwhile)
        self.own_work.end()
        self._stop.check()
        try:
            reply = receive_reply(replies)
        except Malformed as error:
            raise WorkerDied(f"the worker process sent what is not a reply: {error}") from None
        if reply is None:
            raise WorkerDied(self._death())
        if isinstance(reply, Refused):
            raise BundleRefused(reply.reason)
        if not isinstance(reply, kind):
            raise WorkerDied(f"the worker process sent the wrong reply: {type(reply).__name__}")
        return reply

    def _wait(self, replies: int, seconds: float, meanwhile: Callable[[], None] | None) -> None:
        """Wait for a reply or a signal.

        Raises:
            WorkerDied: neither came in time, and the process was killed.
        """
        part = _PART_OF_A_WAIT_SECONDS if meanwhile is None else MEANWHILE_SECONDS
        left = seconds
        while not self._stop.wait(min(part, left), replies) and not self._stop.asked:
            left -= part
            if left <= 0:
                self._process.kill()
                raise WorkerDied(
                    f"the worker process did not reply within {_minutes(seconds)} and was ended: either its "
                    "model computes without an end, or it is much too slow for this machine"
                )
            if meanwhile is not None:
                meanwhile()
            else:
                self._service.alive("waiting for the model")

    def _death(self) -> str:
        code = self._process.wait()
        if code < 0:
            how = f"was killed by {_signal_name(-code)}"
            if -code == signal.SIGKILL:
                how += ", as happens when memory runs out"
        else:
            how = f"ended with exit code {code}"
        last_words = self._last_words()
        if any(sign in last_words for sign in _MEMORY_SIGNS):
            how = f"ran out of memory and {how}"
        return f"the worker process {how}" + (f": {last_words}" if last_words else "")

    def _last_words(self) -> str:
        size = self._stderr.seek(0, 2)
        self._stderr.seek(max(0, size - _LAST_WORDS_BYTES))
        lines = self._stderr.read().decode("utf-8", "replace").strip().splitlines()
        return printable(lines[-1])[:_LAST_WORDS_CHARS] if lines else ""


def _asked(questions: Sequence[Question]) -> tuple[Asked, ...]:
    return tuple(Asked(id=q.id, question=q.question, context=q.context) for q in questions)


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
