"""How far a device is with its orders: a part of its state."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from contract.fields import Count, Name
from contract.orders.order import OrderId

MAX_REPORTED_ORDERS: Final = 32
"""The most orders in a state: those of the device's list, and the newest of those that ended."""
MAX_REASON_CHARS: Final = 300

OrderPhase = Literal[
    "waiting", "fetching", "measuring", "cooling", "delivering", "done", "refused", "cancelled", "failed"
]
"""`waiting`: accepted and stored, and not begun, or interrupted. `fetching`: downloads and verifies what it
names. `measuring`: a run is in progress. `cooling`: waits between two runs. `delivering`: everything is
measured, and a collector has not confirmed all of it yet. The others are final. `done`: everything is
measured and confirmed. `refused`: it does not fit, and nothing was measured. `cancelled`: it ended early,
as the collector wanted. `failed`: at least one run failed, or it could not be carried out to its end; what
was measured is confirmed."""

ENDED: Final = frozenset({"done", "refused", "cancelled", "failed"})
"""The phases that an order never leaves."""


class OrderProgress(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True
):
    """How far one order is."""

    id: OrderId
    phase: OrderPhase
    reason: Annotated[str, Meta(max_length=MAX_REASON_CHARS)] = ""
    """Why it waits, was refused or failed, or what is being fetched: one sentence."""
    measured: Count = 0
    """How many of the order's runs have ended; `Order.measured` is how many there are."""
    failed: Count = 0
    """How many of these have failed."""
    bundle: Name | None = None
    """The bundle that is being measured, for people: `minilm-l6 int8`."""
    round: Count | None = None
    """The number of the run's round that is being measured, from 1. The state's `answered` and `selected`
    count the questions of this run."""
    rounds: Count | None = None
    """How many rounds that run has."""
