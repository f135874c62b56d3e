"""What parent and worker say to each other over two pipes: one JSON message a line.

The parent sends `LoadBundle` once, then any number of `Ask`; each is answered before the next is sent. All
policy (which questions, how many, warm-up, what is recorded) is the parent's; the worker loads and answers.
"""

from typing import IO, TypeVar

import msgspec

from contract.codec import decode_json
from contract.fields import Bytes, Count, Nanoseconds
from contract.records import Answer, Settings

T = TypeVar("T")


class _Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, tag_field="say"):
    pass


class LoadBundle(_Said, tag="load", frozen=True, kw_only=True):
    """Load this bundle, verified."""

    bundle: str
    bundle_sha256: str
    """The manifest that the parent has read: it must still be the same one."""
    settings: Settings


class Asked(_Said, tag="asked", frozen=True, kw_only=True):
    """A question as the model sees it."""

    id: str
    question: str
    context: str


class Ask(_Said, tag="ask", frozen=True, kw_only=True):
    """Answer these in order, at least the first, and stop when the time is up."""

    questions: tuple[Asked, ...]
    seconds: float
    batch_size: Count = 1
    """So many go through the network at once."""
    arrivals_ns: tuple[Nanoseconds, ...] = ()
    """When each arrives, after the first moment: none is begun before. Empty for one after the other."""


class UnderLoadGen(_Said, tag="under_loadgen", frozen=True, kw_only=True):
    """Answer these as MLPerf's LoadGen asks for them."""

    questions: tuple[Asked, ...]
    min_queries: Count
    min_seconds: float
    max_seconds: float | None
    seed: Count


class Loaded(_Said, tag="loaded", frozen=True, kw_only=True):
    """The session is ready."""

    load_ns: Nanoseconds
    """Verifying and loading, without the start of the interpreter and the import of its libraries."""


class Refused(_Said, tag="refused", frozen=True, kw_only=True):
    """The bundle is not what it claims to be."""

    reason: str


class QuestionOutcome(_Said, tag="outcome", frozen=True, kw_only=True):
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
    """From its arrival until it was begun."""
    error: str | None = None


class Answered(_Said, tag="answered", frozen=True, kw_only=True):
    """A chunk of outcomes, in the order asked; fewer than asked when the time was up."""

    outcomes: tuple[QuestionOutcome, ...]
    rss_bytes: Bytes | None
    peak_rss_bytes: Bytes | None
    busy_ns: Nanoseconds = 0
    """From the first question's beginning to the last one's end."""
    loadgen: dict[str, str] = {}
    """The lines of LoadGen's summary, where it asked."""


Order = LoadBundle | Ask | UnderLoadGen
Reply = Loaded | Refused | Answered

_ORDERS: msgspec.json.Decoder[Order] = msgspec.json.Decoder(Order)
_REPLIES: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)


def time_ns(outcome: QuestionOutcome | Answer) -> int:
    """A question's time."""
    return outcome.tokenize_ns + outcome.infer_ns + outcome.decode_ns


def send(pipe: IO[bytes], said: Order | Reply) -> None:
    """Write one message and flush it."""
    pipe.write(msgspec.json.encode(said) + b"\n")
    pipe.flush()


def receive_order(pipe: IO[bytes]) -> Order | None:
    """The parent's next message; None when it has gone."""
    return _receive(pipe, _ORDERS, "order")


def receive_reply(pipe: IO[bytes]) -> Reply | None:
    """The worker's next message; None when it has gone."""
    return _receive(pipe, _REPLIES, "reply")


def _receive(pipe: IO[bytes], decoder: msgspec.json.Decoder[T], what: str) -> T | None:
    line = pipe.readline()
    # A line without its end was cut off by a death.
    return decode_json(line, decoder, what) if line.endswith(b"\n") else None
