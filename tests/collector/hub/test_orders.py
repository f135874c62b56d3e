"""Orders of a hub: given, listed and cancelled by commands, and what a device may read and write of them."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage

from bench.processes.light_device import LightDevice
from collector.hub.register import Register
from contract.bundle import MANIFEST_FILE
from contract.orders.order import OrderList
from contract.orders.sealed import seal_orders
from contract.topics import topic
from tests.collector import factory
from tests.collector.command import invoked
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.collector.orders.hub_folder import PLAN, put_bundle
from tests.collector.orders.ordering import order
from tests.collector.running_collector import wait_until

pytestmark = pytest.mark.broker


def joined(hub: RunningHub, name: str) -> LightDevice:
    """A device that joins by a pass, as a board does."""
    answer = hub.join(hub.new_pass(name), name)
    password = hub.password(answer)
    return LightDevice(hub.broker(name, password), name, files_in(answer)["order-secret"].strip())


@pytest.fixture
def plan(hub: RunningHub, tmp_path: Path) -> Path:
    for precision in ("fp32", "int8"):
        if not (hub.folder / "bundles" / f"minilm-{precision}" / MANIFEST_FILE).exists():
            manifest = factory.manifest(precision=precision)
            put_bundle(hub.folder / "bundles", f"minilm-{precision}", manifest)
    (hub.folder / "questions" / "rivers.json").write_bytes(factory.QUESTIONS)
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml"


@pytest.fixture
def pi(hub: RunningHub) -> Iterator[LightDevice]:
    with joined(hub, "kitchen-pi") as device:
        yield device


def test_a_plan_is_dispatched_followed_listed_and_cancelled(
    hub: RunningHub, plan: Path, pi: LightDevice
) -> None:
    where = ("--dir", hub.folder)
    checked = invoked("dispatch", plan, "--to", "kitchen-*", "--check", *where)
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.startswith("kitchen-pi: how long it takes is not known, since minilm-fp32, minilm-")
    sent = invoked("dispatch", plan, "--to", "kitchen-*", "--no-follow", "--json", *where)
    assert sent.returncode == 0, sent.stderr
    (row,) = json.loads(sent.stdout)
    pi.wait_for(lambda: pi.orders, "the order")
    (ordered,) = pi.orders
    assert (ordered.id, ordered.measured, ordered.now) == (row["order"], 4, False)
    pi.report(ordered, "measuring", measured=1, bundle="MiniLM-L6 \x1b[2Jint8")
    wait_until(lambda: "measuring" in invoked("orders", *where).stdout, "the list")
    (listed,) = json.loads(invoked("orders", "--json", *where).stdout)
    assert (listed["device"], listed["measured"], listed["runs"]) == ("kitchen-pi", 1, 4)
    assert re.fullmatch(r".+@.+", listed["ordered_by"])
    assert "\x1b" not in invoked("orders", *where).stdout
    cancelled = invoked("cancel", ordered.id[:8], *where)
    assert cancelled.returncode == 0 and "is cancelled" in cancelled.stderr
    pi.wait_for(lambda: pi.orders and pi.orders[0].cancelled, "the cancelled order")
    pi.report(ordered, "cancelled", measured=1)
    pi.wait_for(lambda: pi.orders == (), "the empty list")
    assert invoked("orders", *where).stdout == "no order is open\n"
    assert "cancelled" in invoked("orders", "--all", *where).stdout
    again = invoked("cancel", ordered.id[:8], *where)
    assert "had ended before: cancelled" in again.stderr


def test_who_follows_an_order_hears_how_it_ends(hub: RunningHub, plan: Path, pi: LightDevice) -> None:
    pi.client.on_message = lambda *arguments: _refusing(pi, *arguments)
    done = invoked("dispatch", plan, "--to", "kitchen-pi", "--now", "--dir", hub.folder)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "kitchen-pi: refused, 0 of 4 measured: no room for two bundles"


def _refusing(device: LightDevice, *arguments: object) -> None:
    device._on_message(*arguments)  # type: ignore[arg-type]  # as paho calls it
    for ordered in device.orders:
        device.report(ordered, "refused", reason="no room for two bundles")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "name the devices: --to, --hardware or --all"),
        (["--to", "garage-*"], "no device that has joined is called 'garage-*': there is "),
        (["--hardware", "jetson"], "no device that has joined is known to be 'jetson'"),
        (["--to", "\x1b[2J"], "is called '?[2J'"),
    ],
)
def test_devices_that_are_not_there_get_no_order(
    hub: RunningHub, plan: Path, pi: LightDevice, arguments: list[str], complaint: str
) -> None:
    done = invoked("dispatch", plan, *arguments, "--dir", hub.folder)
    assert done.returncode in {1, 2}
    assert complaint in done.stderr
    assert pi.orders == ()


def test_a_device_that_joined_an_older_hub_is_said_to_need_a_secret(hub: RunningHub, plan: Path) -> None:
    for name in ("hall-1", "hall-2", "hall-3"):
        hub.joined(name)
    with closing(sqlite3.connect(hub.folder / "register.db")) as register, register:
        register.execute("DELETE FROM order_secrets WHERE device IN ('hall-1', 'hall-2')")
    where = ("--check", "--dir", hub.folder)
    alone = invoked("dispatch", plan, "--to", "hall-1", *where)
    assert alone.returncode == 1
    assert alone.stderr == (
        "collector: hall-1 joined before hubs gave orders, and gets none: run a line of collector invite "
        "--name hall-1 on it\n"
    )
    others = invoked("dispatch", plan, "--to", "hall-*", *where)
    assert others.returncode == 0
    assert others.stdout.startswith("hall-3: ") and others.stdout.count("hall") == 1
    assert others.stderr == (
        "hall-1, hall-2 joined before hubs gave orders, and get none: run a line of collector invite --name "
        "DEVICE on each\n"
    )


def test_a_device_can_neither_read_nor_write_the_orders_of_another(hub: RunningHub) -> None:
    """Its rights are Mosquitto's: whatever it sends does not arrive, its own topic of orders included."""
    with joined(hub, "porch-pi") as porch, joined(hub, "cellar-pi") as thief:
        seen: list[str] = []
        take = thief.client.on_message
        assert take is not None

        def noting(client: Client, data: object, message: MQTTMessage) -> None:
            seen.append(message.topic)
            take(client, data, message)

        thief.client.on_message = noting
        thief.client.subscribe([("distilbench/1/+/orders", 1), (topic("porch-pi", "orders"), 1), ("#", 1)])
        secrets = Register(hub.folder / "register.db").order_secrets()
        for name in ("porch-pi", "cellar-pi"):
            forged = seal_orders(OrderList(device_id=name, revision=2**40, orders=(order(),)), secrets[name])
            thief.client.publish(topic(name, "orders"), forged, qos=1, retain=True).wait_for_publish(60)
        thief.client.publish(topic("porch-pi", "state"), b"{}", qos=1, retain=True).wait_for_publish(60)
        run = thief.measure(order(), 1)
        thief.wait_for(lambda: thief.has_receipt(run, 2), "a receipt, after everything else was handled")
        assert porch.orders == thief.orders == ()
        assert porch.refused == thief.refused == []
        assert {name for name in seen if "cellar-pi" not in name} == set()


def test_a_device_that_is_removed_has_no_orders_any_more(hub: RunningHub, plan: Path) -> None:
    where = ("--dir", hub.folder)
    with joined(hub, "attic-pi"):
        sent = invoked("dispatch", plan, "--to", "attic-pi", "--no-follow", "--json", *where)
        order_id = json.loads(sent.stdout)[0]["order"]
    assert invoked("remove", "attic-pi", *where).returncode == 0
    done = invoked("cancel", order_id, *where)
    assert "is ended: no device of this name takes orders from this hub" in done.stderr
    assert order_id[:8] not in invoked("orders", *where).stdout
