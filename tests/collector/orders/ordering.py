"""Made-up orders and the states of devices, for the tests of orders."""

import uuid
from typing import Any

from msgspec.structs import replace

from contract.messages import State
from contract.orders.order import Order, OrderedRun
from contract.orders.progress import OrderProgress
from tests.collector.factory import NOON

PI, OTHER = "pi-5", "pi-4"
SECRET = "5e" * 32
SESSION = "0a" * 16
BY = "ada@workstation"


def order(**changes: Any) -> Order:
    plain = Order(
        id=uuid.uuid4().hex,
        created_at=NOON,
        bundles={"minilm": "1" * 64},
        questions={"rivers.json": "2" * 64},
        runs=(OrderedRun(bundles=("minilm",), questions="rivers.json"),),
    )
    return replace(plain, **changes)


def state(*progress: OrderProgress, revision: int | None = 1, device_id: str = PI, **changes: Any) -> State:
    plain = State(
        device_id=device_id,
        session_id=SESSION,
        state="connected",
        agent_version="0.1.0",
        orders_revision=revision,
        orders=progress,
    )
    return replace(plain, **changes)
