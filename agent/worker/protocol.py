"""The messages between parent and worker over two pipes: one JSON message per line.

The parent sends `LoadBundle` once, then any number of `Ask`; each is answered before the next is sent. All
policy (which questions, how many, warm-up, what is recorded) is the parent's; the worker loads and answers.
"""

from typing import IO, TypeVar

import msgspec

from contract.codec import decode_json
from contract.fields import Bytes, Count, Nanoseconds
from contract.records import Answer, Settings

T = TypeVar("T")


class _PipeMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="say"):
    pass


class LoadBundle(_PipeMessage, tag="load", frozen=True, kw_only=True):
    """Order to verify and load a bundle."""

    bundle: bytes
    """Its folder; a path may have bytes that are no text."""
    bundle_sha256: str
    """SHA-256 of the manifest that the parent has read; it must not have changed."""
    settings: Settings


class Asked(_PipeMessage, tag="asked", frozen=True, kw_only=True):
    """A question as the model sees it."""

    id: str
    question: str
    context: str


class Ask(_PipeMessage, tag="ask", frozen=True, kw_only=True):
    """Order to answer questions in this order, at least the first, until the time is up."""

    questions: tuple[Asked, ...]
    seconds: float
    batch_size: Count = 1
    """Number of questions that go through the network at once."""
    arrivals_ns: tuple[Nanoseconds, ...] = ()
    """When each question arrives, after the start: none is begun earlier. Empty to ask without a pause."""


class UnderLoadGen(_PipeMessage, tag="under_loadgen", frozen=True, kw_only=True):
    """Order to answer questions as MLPerf's LoadGen asks them."""

    questions: tuple[Asked, ...]
    min_queries: Count
    min_seconds: float
    max_seconds: float | None
    seed: Count


class Loaded(_PipeMessage, tag="loaded", frozen=True, kw_only=True):
    """Reply that the bundle is loaded."""

    load_ns: Nanoseconds
    """Time to verify and load, without the start of the interpreter and the import of its libraries."""


class Refused(_PipeMessage, tag="refused", frozen=True, kw_only=True):
    """Reply that an order cannot be carried out with this bundle or on this machine."""

    reason: str


class QuestionOutcome(_PipeMessage, tag="outcome", frozen=True, kw_only=True):
    """One question answered, or its error."""

    question_id: str
    asked_at_ns: Nanoseconds
    """`time.monotonic_ns()`, which parent and worker share."""
    text: str = ""
    start_char: Count = 0
    end_char: Count = 0
    confidence: float = 0.0
    tokenize_ns: Nanoseconds = 0
    infer_ns: Nanoseconds = 0
    decode_ns: Nanoseconds = 0
    windows: Count = 0
    tokens: Count = 0
    waited_ns: Nanoseconds = 0
    """Time from the question's arrival until it was begun."""
    error: str | None = None


class Answered(_PipeMessage, tag="answered", frozen=True, kw_only=True):
    """Reply with the outcomes of a chunk, in order; fewer than were asked if the time was up."""

    outcomes: tuple[QuestionOutcome, ...]
    rss_bytes: Bytes | None
    peak_rss_bytes: Bytes | None
    busy_ns: Nanoseconds = 0
    """Time from the start of the first question to the end of the last."""
    loadgen: dict[str, str] = {}
    """The lines of LoadGen's summary, if it asked the questions."""


Order = LoadBundle | Ask | UnderLoadGen
Reply = Loaded | Refused | Answered

_ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_REPLIES: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def time_ns(outcome: QuestionOutcome | Answer) -> int:
    """Time to answer a question: tokenising, inference and decoding."""
    return outcome.tokenize_ns + outcome.infer_ns + outcome.decode_ns


def send(pipe: IO[bytes], message: Order | Reply) -> None:
    """Write one message and flush it."""
    pipe.write(msgspec.json.encode(message) + b"\n")
    pipe.flush()


def receive_order(pipe: IO[bytes]) -> Order | None:
    """The parent's next message; None if it has ended."""
    return _receive(pipe, _ORDERS, "order")


def receive_reply(pipe: IO[bytes]) -> Reply | None:
    """The worker's next message; None if it has ended."""
    return _receive(pipe, _REPLIES, "reply")


def _receive(pipe: IO[bytes], decoder: msgspec.json.Decoder[T], what: str) -> T | None:
    line = pipe.readline()
    # A line without its end was cut off when the process died.
    return decode_json(line, decoder, what) if line.endswith(b"\n") else None
