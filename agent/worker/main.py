"""The process that is measured: loads one bundle and answers questions. It has no socket and no database.

How a timed question stays undisturbed: the worker answers a chunk of questions without output, keeps the
outcomes in memory, then writes them all and blocks at its pipe. The parent, which has slept at the other end,
now works alone: it commits the chunk, samples the machine and talks to the broker, and only then asks for
the next chunk. So the two never compete for a core, on any number of cores; the price is throughput.
The garbage collector is off while questions are timed, and runs between chunks.
"""

import ctypes
import gc
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

import msgspec

from agent.bundles.bundle import describe
from agent.errors import BundleRefused, OutOfMemory
from agent.worker.memory import peak_rss_bytes, rss_bytes
from agent.worker.protocol import (
    Answered,
    Ask,
    Asked,
    LoadBundle,
    Loaded,
    QuestionOutcome,
    Refused,
    UnderLoadGen,
    receive_order,
    send,
)

if TYPE_CHECKING:
    from agent.reading.reader import Reader, Reading

_ERROR_CHARS = 500
_PR_SET_PDEATHSIG = 1
"""Of Linux's prctl(2): the signal that a process gets when its parent ends."""
_SLEEP_FROM_NS = 1_000_000
"""A sleep ends late by less than this; the rest is waited for in a loop."""

Loading = Callable[[LoadBundle], "tuple[Answering, Loaded]"]


class Answering(Protocol):
    """Answers questions: `agent.reading.reader.Reader`, or its replacement in a benchmark."""

    def read(self, question: str, context: str) -> "Reading":
        """Answer one question."""

    def read_batch(self, asked: Sequence[tuple[str, str]]) -> "Sequence[Reading | Exception]":
        """Answer several questions at once."""


def main(loading: Loading | None = None) -> None:
    """Serve the parent over the standard pipes until it closes them.

    Args:
        loading: what to do with the first order; None to load the bundle that it names.
    """
    # A service manager signals the whole group; how the worker ends is the parent's decision.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_with_parent()
    # Libraries may print; their output must not mix with the protocol.
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(sys.stdin.buffer, replies, loading or _load)
    except BrokenPipeError:
        sys.exit(1)  # the parent has ended


def _end_with_parent() -> None:
    """Let Linux kill this process if its parent is killed: a graph without an end hears nothing else."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def serve(orders: IO[bytes], replies: IO[bytes], loading: Loading) -> None:
    """Load what the first order names, then answer until the orders end."""
    load = receive_order(orders)
    if not isinstance(load, LoadBundle):
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
    while (order := receive_order(orders)) is not None:
        assert not isinstance(order, LoadBundle), "a worker loads once"
        try:
            send(replies, _answer(reader, order) if isinstance(order, Ask) else _under_loadgen(reader, order))
        except BundleRefused as error:
            send(replies, Refused(reason=str(error)))
        gc.collect()


def _load(load: LoadBundle) -> "tuple[Reader, Loaded]":
    from agent.reading.reader import Reader  # importing libraries is not part of loading a bundle

    begun = time.perf_counter_ns()
    bundle = describe(Path(os.fsdecode(load.bundle)))
    if bundle.sha256 != load.bundle_sha256:
        raise BundleRefused(f"the manifest of {os.fsdecode(load.bundle)!r} changed after it was read")
    reader = Reader(bundle, load.settings)
    return reader, Loaded(load_ns=time.perf_counter_ns() - begun)


def _answer(reader: Answering, ask: Ask) -> Answered:
    begun = time.monotonic_ns()
    if ask.arrivals_ns:
        outcomes = _as_they_arrive(reader, ask, begun)
    elif ask.batch_size > 1:
        outcomes = _in_batches(reader, ask, begun)
    else:
        outcomes = _one_by_one(reader, ask, begun)
    return _answered(outcomes, begun)


def _answered(outcomes: list[QuestionOutcome], begun: int, loadgen: dict[str, str] | None = None) -> Answered:
    return Answered(
        outcomes=tuple(outcomes),
        busy_ns=time.monotonic_ns() - begun,
        rss_bytes=rss_bytes(),
        peak_rss_bytes=peak_rss_bytes(),
        loadgen=loadgen or {},
    )


def _one_by_one(reader: Answering, ask: Ask, begun: int) -> list[QuestionOutcome]:
    # Outcomes are built when all questions are answered: right after the network, caches are cold.
    found = []
    deadline = begun + int(1e9 * ask.seconds)
    for asked in ask.questions:
        asked_at = time.monotonic_ns()
        found.append((asked, asked_at, _read(reader, asked)))
        if time.monotonic_ns() >= deadline:
            break
    return [_outcome_of(*one) for one in found]


def _in_batches(reader: Answering, ask: Ask, begun: int) -> list[QuestionOutcome]:
    outcomes: list[QuestionOutcome] = []
    deadline = begun + int(1e9 * ask.seconds)
    while len(outcomes) < len(ask.questions):
        batch = ask.questions[len(outcomes) : len(outcomes) + ask.batch_size]
        asked_at = time.monotonic_ns()
        try:
            found = reader.read_batch([(asked.question, asked.context) for asked in batch])
        except Exception as error:  # as for a single question
            found = [error] * len(batch)
        outcomes += [
            _outcome_of(asked, asked_at, reading) for asked, reading in zip(batch, found, strict=True)
        ]
        if time.monotonic_ns() >= deadline:
            break
    return outcomes


def _as_they_arrive(reader: Answering, ask: Ask, begun: int) -> list[QuestionOutcome]:
    """One server, first come first served: a question that arrives meanwhile waits for its turn."""
    outcomes: list[QuestionOutcome] = []
    deadline = begun + int(1e9 * ask.seconds)
    for asked, after in zip(ask.questions, ask.arrivals_ns, strict=True):
        arrival = begun + after
        if outcomes and max(arrival, time.monotonic_ns()) >= deadline:
            break
        while (early := arrival - time.monotonic_ns()) > 0:
            if early > _SLEEP_FROM_NS:
                time.sleep((early - _SLEEP_FROM_NS) / 1e9)
        outcome = _answer_one(reader, asked)
        outcomes.append(msgspec.structs.replace(outcome, waited_ns=max(outcome.asked_at_ns - arrival, 0)))
    return outcomes


def _under_loadgen(reader: Answering, order: UnderLoadGen) -> Answered:
    from agent.worker import loadgen

    begun = time.monotonic_ns()
    outcomes: list[QuestionOutcome] = []
    summary = loadgen.run(
        lambda index: outcomes.append(_answer_one(reader, order.questions[index])),
        len(order.questions),
        min_queries=order.min_queries,
        min_seconds=order.min_seconds,
        max_seconds=order.max_seconds,
        seed=order.seed,
    )
    return _answered(outcomes, begun, summary)


def _answer_one(reader: Answering, asked: Asked) -> QuestionOutcome:
    asked_at = time.monotonic_ns()
    return _outcome_of(asked, asked_at, _read(reader, asked))


def _read(reader: Answering, asked: Asked) -> "Reading | Exception":
    try:
        return reader.read(asked.question, asked.context)
    except Exception as error:  # one question, whatever is in it, must not end the run
        return error


def _outcome_of(asked: Asked, asked_at: int, found: "Reading | Exception") -> QuestionOutcome:
    if isinstance(found, Exception):
        reason = str(found)[:_ERROR_CHARS] or type(found).__name__
        return QuestionOutcome(question_id=asked.id, asked_at_ns=asked_at, error=reason)
    return QuestionOutcome(question_id=asked.id, asked_at_ns=asked_at, **found._asdict())
