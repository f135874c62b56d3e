"""The process that is measured: loads one bundle and answers questions. No socket, no database.

How a timed question stays undisturbed: the worker answers a chunk of questions without a word, keeps the
outcomes in memory, then writes them all and blocks at its pipe. The parent, which has slept at the other end,
now works alone: it commits the chunk, samples the machine and talks to the broker, and only then asks for
the next chunk. So the two never compete for a core, on any number of cores; what it costs is throughput.
The garbage collector is off while questions are timed, and runs between chunks.
"""

import gc
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from agent.bundle import describe
from agent.errors import BundleRefused, OutOfMemory
from agent.memory import peak_rss_bytes, rss_bytes
from agent.protocol import Answered, Ask, Asked, Load, Loaded, Outcome, Refused, receive_order, send

if TYPE_CHECKING:
    from agent.reader import Reader, Reading

_ERROR_CHARS = 500

Loading = Callable[[Load], "tuple[Answering, Loaded]"]


class Answering(Protocol):
    """What answers: `agent.reader.Reader`, or what a benchmark puts in its place."""

    def read(self, question: str, context: str) -> "Reading":
        """Answer one question."""


def main(loading: Loading | None = None) -> None:
    """Serve the parent at the standard pipes until it closes them.

    Args:
        loading: what to do with the first order; None to load the bundle that it names.
    """
    # A service manager signals the whole group; how the worker ends is the parent's decision.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    # Libraries may print: what they print must not mix with the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, replies, loading or _load)
    except BrokenPipeError:
        sys.exit(1)  # the parent has gone


def serve(orders: IO[bytes], replies: IO[bytes], loading: Loading) -> None:
    """Load what the first order names, then answer until the orders end."""
    load = receive_order(orders)
    if not isinstance(load, Load):
        return
    try:
        reader, loaded = loading(load)
    except (BundleRefused, OutOfMemory) as error:
        send(replies, Refused(reason=str(error)))
        return
    except MemoryError:
        send(replies, Refused(reason="out of memory while the bundle was loaded"))
        return
    send(replies, loaded)
    gc.collect()
    gc.freeze()
    gc.disable()
    while isinstance(ask := receive_order(orders), Ask):
        send(replies, _answer(reader, ask))
        gc.collect()


def _load(load: Load) -> "tuple[Reader, Loaded]":
    from agent.reader import Reader  # the libraries' import is not the bundle's load

    begun = time.perf_counter_ns()
    bundle = describe(Path(load.bundle))
    if bundle.sha256 != load.bundle_sha256:
        raise BundleRefused(f"the manifest of {load.bundle!r} changed after it was read")
    reader = Reader(bundle, load.settings)
    return reader, Loaded(load_ns=time.perf_counter_ns() - begun)


def _answer(reader: Answering, ask: Ask) -> Answered:
    outcomes = []
    deadline = time.perf_counter() + ask.seconds
    for asked in ask.questions:
        outcomes.append(_outcome(reader, asked))
        if time.perf_counter() >= deadline:
            break
    return Answered(outcomes=tuple(outcomes), rss_bytes=rss_bytes(), peak_rss_bytes=peak_rss_bytes())


def _outcome(reader: Answering, asked: Asked) -> Outcome:
    asked_at = time.monotonic_ns()
    try:
        reading = reader.read(asked.question, asked.context)
    except Exception as error:  # one question, whatever is in it, must not end the run
        reason = str(error)[:_ERROR_CHARS] or type(error).__name__
        return Outcome(question_id=asked.id, asked_at_ns=asked_at, error=reason)
    return Outcome(question_id=asked.id, asked_at_ns=asked_at, **reading._asdict())
