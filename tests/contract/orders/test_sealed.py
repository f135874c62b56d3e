"""Only the collector of a device can order, and what does not fit is refused in a sentence."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from contract import codec
from contract.errors import ContractError, Malformed, TooNew
from contract.orders.order import MAX_OPEN_ORDERS, Order, OrderedRun, OrderList, checked_order_list
from contract.orders.sealed import (
    MAX_ORDERS_BYTES,
    NotSealed,
    checked_order_secret,
    new_order_secret,
    open_orders,
    seal_of,
    seal_orders,
)
from contract.scenarios import SCENARIOS
from contract.version import FORMAT_VERSION
from tests.contract.examples import ORDER_SECRET, ORDERS

DEVICE = ORDERS.device_id
WIRE = seal_orders(ORDERS, ORDER_SECRET)
(FIRST, SECOND) = ORDERS.orders


def sealed(content: Any) -> bytes:
    """The message of any list, with the right seal."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    return b'{"type":"orders","hmac":"%b","list":%b}' % (seal_of(data, DEVICE, ORDER_SECRET).encode(), data)


def opened(data: bytes) -> OrderList:
    return open_orders(data, DEVICE, ORDER_SECRET)


def fields() -> dict[str, Any]:
    decoded: dict[str, Any] = json.loads(WIRE)["list"]
    return decoded


def test_orders_of_another_secret_or_for_another_device_are_not_read() -> None:
    with pytest.raises(NotSealed, match="has not sealed"):
        open_orders(WIRE, DEVICE, new_order_secret())
    with pytest.raises(NotSealed, match="has not sealed"):
        open_orders(WIRE, "garage-pi", ORDER_SECRET)
    # Even under one secret for two devices, a list is for the device that it names.
    other = codec.encode(replace(ORDERS, device_id="garage-pi"))
    with pytest.raises(NotSealed, match="came for 'garage-pi'"):
        opened(sealed(other))


@given(st.integers(0, len(WIRE) - 1), st.integers(1, 255))
def test_a_changed_byte_is_never_accepted(place: int, change: int) -> None:
    changed = WIRE[:place] + bytes([WIRE[place] ^ change]) + WIRE[place + 1 :]
    try:
        read = opened(changed)
    except ContractError:
        return
    assert read == ORDERS, "white space around the list is not under the seal, and changes nothing"


@given(st.integers(0, len(WIRE) - 1), st.integers(0, 200))
def test_a_piece_that_is_cut_out_is_never_accepted(start: int, length: int) -> None:
    if length and start < len(WIRE):
        with pytest.raises(ContractError):
            opened(WIRE[:start] + WIRE[start + length :])


@pytest.mark.parametrize(
    ("place", "value", "complaint"),
    [
        (("orders", 0, "bundles"), {"../../etc": "cd" * 32}, "pattern|regex"),
        (("orders", 0, "bundles"), {"http://10.0.0.1/x": "cd" * 32}, "pattern|regex"),
        (("orders", 0, "bundles"), {"a" * 101: "cd" * 32}, "pattern|regex"),
        (("orders", 0, "bundles"), {"..": "cd" * 32}, "pattern|regex"),
        (("orders", 0, "bundles"), {"minilm-l6-int8": "cd"}, "pattern|regex"),
        (("orders", 0, "bundles"), {"minilm-l6-int8": "cd" * 32}, "minilm-l6-fp32"),
        (("orders", 0, "questions"), {"/etc/passwd": "12" * 32}, "pattern|regex"),
        (("orders", 0, "questions"), {"other.json": "12" * 32}, "no digest"),
        (("orders", 0, "runs", 0, "bundles"), ["../x"], "pattern|regex"),
        (("orders", 0, "runs", 0, "bundles"), ["minilm-l6-int8", "minilm-l6-int8"], "twice"),
        (("orders", 0, "runs", 0, "to_file"), "/tmp/x", "to_file"),
        (("orders", 0, "runs", 0, "broker"), "mqtt://evil", "broker"),
        (("orders", 0, "runs", 0, "provider"), "/tmp/lib.so", "pattern|regex"),
        (("orders", 0, "runs", 0, "affinity"), "0;reboot", "pattern|regex"),
        (("orders", 0, "runs", 0, "limit"), 0, ">= 1"),
        (("orders", 0, "runs", 0, "threads"), 1025, "<= 1024"),
        (("orders", 0, "runs", 0, "threads"), "many", "many"),
        (("orders", 0, "runs", 0, "scenario"), "flood", "flood"),
        (("orders", 0, "runs", 0, "minutes"), 5, "needs --scenario sustained"),
        (("orders", 0, "runs", 0, "max_seconds"), 1e9, "<= 1000000"),
        (("orders", 0, "rounds"), 10**6, "<= 1000"),
        (("orders", 0, "command"), "reboot", "command"),
        (("orders", 0, "id"), "1", "pattern|regex"),
        (("orders", 1, "id"), FIRST.id, "twice"),
        (("url",), "mqtt://evil", "url"),
        (("revision",), 0, ">= 1"),
        (("revision",), 2**53 + 1, "<= "),
    ],
)
def test_what_does_not_fit_is_refused_even_with_a_seal(
    place: tuple[str | int, ...], value: object, complaint: str
) -> None:
    changed: Any = fields()
    inner = changed
    for step in place[:-1]:
        inner = inner[step]
    inner[place[-1]] = value
    with pytest.raises(Malformed, match=complaint) as caught:
        opened(sealed(changed))
    assert str(caught.value).isprintable()


def test_a_later_version_is_refused_with_advice() -> None:
    with pytest.raises(TooNew, match="update distilbench here"):
        opened(sealed({"format_version": FORMAT_VERSION + 1, "hologram": 1}))


def test_too_much_is_refused_by_both_sides() -> None:
    with pytest.raises(Malformed, match=str(MAX_ORDERS_BYTES)):
        opened(WIRE + b" " * MAX_ORDERS_BYTES)
    many = tuple(replace(FIRST, id=f"{n:032x}") for n in range(MAX_OPEN_ORDERS + 1))
    with pytest.raises(Malformed, match="length <= 16"):
        seal_orders(replace(ORDERS, orders=many), ORDER_SECRET)
    heavy = replace(FIRST.runs[0], canary=tuple(f"{n:03}" * 60 for n in range(100)))
    large = tuple(replace(FIRST, id=f"{n:032x}", runs=(heavy,)) for n in range(MAX_OPEN_ORDERS))
    with pytest.raises(Malformed, match="order less at a time"):
        seal_orders(replace(ORDERS, orders=large), ORDER_SECRET)
    with pytest.raises(ValueError, match="at most 10000"):
        replace(FIRST, runs=FIRST.runs * 32, rounds=1000)


def test_a_program_that_puts_a_list_together_hears_what_is_wrong() -> None:
    assert checked_order_list(ORDERS) == ORDERS
    with pytest.raises(Malformed, match="not valid"):
        checked_order_list(replace(ORDERS, device_id="../etc"))
    with pytest.raises(ValueError, match="needs --latency-bound"):
        OrderedRun(bundles=("a",), questions="q.json", scenario="server")


def test_a_secret_is_checked_and_never_quoted() -> None:
    secret = new_order_secret()
    assert checked_order_secret(f"{secret}\n") == secret
    for wrong in ("", "hunter2", secret[:-1], secret.upper() + "G"):
        with pytest.raises(Malformed) as caught:
            seal_orders(ORDERS, wrong)
        assert not wrong or wrong not in str(caught.value)


def test_a_run_knows_every_scenario() -> None:
    allowed = msgspec.json.schema(OrderedRun)["$defs"]["OrderedRun"]["properties"]["scenario"]["enum"]
    assert sorted(allowed) == sorted(SCENARIOS)


names = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._-]{0,20}\Z")
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
ids = st.uuids(version=4).map(lambda one: one.hex)


@st.composite
def orders(draw: st.DrawFn) -> Order:
    bundles = draw(st.dictionaries(names, digests, min_size=1, max_size=4))
    questions = draw(st.dictionaries(names, digests, min_size=1, max_size=2))
    run = st.builds(
        OrderedRun,
        bundles=st.lists(st.sampled_from(sorted(bundles)), min_size=1, unique=True).map(tuple),
        questions=st.sampled_from(sorted(questions)),
        limit=st.none() | st.integers(1, 10**6),
        seed=st.integers(0, 2**63 - 1),
        threads=st.none() | st.just("auto") | st.integers(1, 1024),
        rounds=st.none() | st.integers(1, 1000),
        spinning=st.booleans(),
        max_seconds=st.none() | st.floats(1, 1e6),
        canary=st.lists(st.text(min_size=1, max_size=20), max_size=3).map(tuple),
    )
    return Order(
        id=draw(ids),
        created_at="2026-11-24T12:00:00Z",
        now=draw(st.booleans()),
        cancelled=draw(st.booleans()),
        bundles=bundles,
        questions=questions,
        runs=tuple(draw(st.lists(run, min_size=1, max_size=3))),
        rounds=draw(st.integers(1, 100)),
        cool_down_minutes=draw(st.floats(0, 1440)),
    )


@given(st.lists(orders(), max_size=4, unique_by=lambda order: order.id), st.integers(1, 2**53))
def test_what_is_sealed_is_opened_unchanged(some: list[Order], revision: int) -> None:
    one = OrderList(device_id="pi", revision=revision, orders=tuple(some))
    assert open_orders(seal_orders(one, ORDER_SECRET), "pi", ORDER_SECRET) == one


@given(st.binary(max_size=200))
def test_noise_never_raises_anything_else(noise: bytes) -> None:
    with pytest.raises(ContractError):
        opened(noise)
    with pytest.raises(ContractError):
        opened(sealed(noise))
