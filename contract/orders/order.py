"""Orders: plans of `agent run-plan` that the collector sends to a device, and that name no place.

A plan on a device names folders and files. An order names bundles and question files of the device's hub by
plain names and digests instead, and cannot express anything else: no path, no address, no command, and no
place where results go.
"""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contract.errors import Malformed
from contract.fields import Count, DeviceId, FileName, Name, RunId, Sha256, UtcTime
from contract.questions import MOST_CANARIES
from contract.scenarios import SINGLE_STREAM, contradiction
from contract.version import FORMAT_VERSION

MAX_OPEN_ORDERS: Final = 16
"""The most orders in a device's list."""
MAX_ORDERED_RUNS: Final = 64
"""The most runs in one round of an order."""
MAX_ORDERED_BUNDLES: Final = 64
"""The most bundles, and the most question files, that an order names."""
MAX_MEASURED: Final = 10_000
"""The most runs that an order makes a device record, over all bundles and rounds."""

OrderId = RunId
"""A random UUID in hexadecimal."""


class _OrderPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """A part of an order. Defaults are omitted, so that a new field costs older orders nothing."""


class OrderedRun(_OrderPart, frozen=True, kw_only=True):
    """One `[[run]]` of a plan, with one value per key.

    A field is the option of `agent run` with the same name and bounds. None stands for that option's default.
    """

    bundles: Annotated[tuple[FileName, ...], Meta(min_length=1, max_length=MAX_ORDERED_BUNDLES)]
    """Names of the order's bundles. With more than one round they take turns; otherwise each is a run."""
    questions: FileName
    """The name of one of the order's question files."""
    canary: Annotated[tuple[Name, ...], Meta(max_length=MOST_CANARIES)] = ()
    """Ids of the questions that are asked first as canaries, instead of a file with them."""
    limit: Annotated[int, Meta(ge=1, le=100_000_000)] | None = None
    seed: Count = 0
    decoding: Literal["pipeline", "squad"] = "pipeline"
    threads: Annotated[int, Meta(ge=1, le=1024)] | Literal["auto"] | None = None
    spinning: bool = True
    arena: bool = True
    huge_pages: bool = True
    affinity: Annotated[str, Meta(pattern=r"^[0-9]{1,4}([,-][0-9]{1,4}){0,63}\Z")] | None = None
    provider: Annotated[str, Meta(pattern=r"^[A-Za-z0-9]{1,64}\Z")] = "CPUExecutionProvider"
    ignore_memory: bool = False
    warmup: Annotated[int, Meta(ge=0, le=10_000)] = 10
    scenario: Literal["single-stream", "offline", "server", "sustained", "loadgen"] = SINGLE_STREAM
    batch_size: Annotated[int, Meta(ge=1, le=1024)] | None = None
    qps: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    latency_bound: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    """In milliseconds."""
    minutes: Annotated[float, Meta(gt=0, le=1e5)] | None = None
    rounds: Annotated[int, Meta(ge=1, le=1000)] | None = None
    turns: Annotated[int, Meta(ge=1, le=1000)] | None = None
    min_queries: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    min_seconds: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    max_seconds: Annotated[float, Meta(gt=0, le=1e6)] | None = None
    until: Literal["p90", "p99"] | None = None

    def __post_init__(self) -> None:
        """Check the fields together.

        Raises:
            ValueError: fields that cannot be combined.
        """
        if sentence := contradiction(msgspec.structs.asdict(self)):
            raise ValueError(sentence)
        if len(set(self.bundles)) != len(self.bundles):
            raise ValueError("a run names a bundle twice")


class Order(_OrderPart, frozen=True, kw_only=True):
    """What a device has to measure once. Under one id, nothing but `cancelled` ever changes."""

    id: OrderId
    created_at: UtcTime
    now: bool = False
    """Whether it interrupts the order that the device carries out, and comes before those that wait. The
    interrupted order continues afterwards. Otherwise orders are carried out in the order of the list."""
    cancelled: bool = False
    """Whether it has to end: the device stops within a question, and then reports `cancelled`."""
    bundles: Annotated[dict[FileName, Sha256], Meta(min_length=1, max_length=MAX_ORDERED_BUNDLES)]
    """The bundles by name at the hub, each with the SHA-256 of its manifest."""
    questions: Annotated[dict[FileName, Sha256], Meta(min_length=1, max_length=MAX_ORDERED_BUNDLES)]
    """The question files by name at the hub, each with the digest `questions.QuestionFile.sha256` of the
    questions that the hub gives away: those with an answer."""
    runs: Annotated[tuple[OrderedRun, ...], Meta(min_length=1, max_length=MAX_ORDERED_RUNS)]
    """The runs of one round, in order."""
    rounds: Annotated[int, Meta(ge=1, le=1000)] = 1
    """How often all runs are repeated, one after the other: `rounds` of a plan."""
    cool_down_minutes: Annotated[float, Meta(ge=0, le=1440)] = 15.0
    """The longest wait between two runs; 0 for none."""
    cool_down_celsius: Annotated[float, Meta(ge=0, le=100)] = 3.0
    """The next run starts when the machine is at most this much warmer than idle."""
    idle_celsius: Annotated[float, Meta(ge=-100, le=200)] | None = None
    """Temperature of the idle machine; None for the temperature when the order starts."""

    def __post_init__(self) -> None:
        """Check the fields together.

        Raises:
            ValueError: a run names what the order does not, or there is too much to measure.
        """
        for run in self.runs:
            for name in run.bundles:
                if name not in self.bundles:
                    raise ValueError(f"a run names the bundle '{name}', for which the order has no digest")
            if run.questions not in self.questions:
                raise ValueError(
                    f"a run names the questions '{run.questions}', for which the order has no digest"
                )
        if self.measured > MAX_MEASURED:
            raise ValueError(
                f"the order measures bundles {self.measured} times, and at most {MAX_MEASURED} are allowed"
            )

    @property
    def measured(self) -> int:
        """How many runs the device records for it: one per bundle of each run, in each round."""
        return self.rounds * sum(len(run.bundles) for run in self.runs)


class OrderList(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that the collector wants a device to measure, each time as a whole.

    The device carries out orders that it has not seen before. An order that a later list lacks is cancelled.
    """

    device_id: DeviceId
    format_version: int = FORMAT_VERSION
    revision: Annotated[int, Meta(ge=1, le=2**53)]
    """Grows with every change of the list. A device refuses a list whose revision is below the highest that
    it has accepted, and another list with that revision."""
    orders: Annotated[tuple[Order, ...], Meta(max_length=MAX_OPEN_ORDERS)] = ()

    def __post_init__(self) -> None:
        """Check the fields together.

        Raises:
            ValueError: the list has an order twice.
        """
        if len({order.id for order in self.orders}) != len(self.orders):
            raise ValueError("the list has an id twice")


def checked_order_list(orders: OrderList) -> OrderList:
    """Return a list that a program has put together, checked as a decoded one is.

    Raises:
        Malformed: a value is out of bounds, or an unknown name is used.
    """
    try:
        return msgspec.convert(msgspec.to_builtins(orders), OrderList)
    except msgspec.ValidationError as error:
        raise Malformed(f"the orders of '{orders.device_id}' are not valid: {error}") from None
