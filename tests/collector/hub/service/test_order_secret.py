"""The secret under which a device's orders are sealed: given when it joins, and to that device only."""

import pytest

from collector.hub.register import Register
from contract.orders.sealed import checked_order_secret
from tests.collector.command import collector
from tests.collector.hub.running_hub import RunningHub, files_in

pytestmark = pytest.mark.broker


def test_a_device_gets_a_secret_of_its_own_when_it_joins(hub: RunningHub) -> None:
    files = files_in(hub.join(hub.new_pass("dev-o"), "dev-o"))
    password, secret = files["password"].strip(), checked_order_secret(files["order-secret"])
    register = Register(hub.folder / "register.db")
    assert register.order_secrets()["dev-o"] == secret
    assert hub.get_as("dev-o", password, "/order-secret").text == f"{secret}\n"
    other = hub.joined("dev-p")
    assert checked_order_secret(hub.get_as("dev-p", other, "/order-secret").text) != secret
    again = files_in(hub.join(hub.new_pass("dev-o"), "dev-o"))
    assert register.order_secrets()["dev-o"] == again["order-secret"].strip() != secret


def test_nobody_else_gets_it(hub: RunningHub) -> None:
    password, secret = hub.joined("dev-q"), hub.new_pass()
    assert hub.get("/order-secret").status == 401
    assert hub.get_as("dev-q", "guessed", "/order-secret").status == 401
    refused = hub.get("/order-secret", Authorization=f"Bearer {secret}")
    assert (refused.status, refused.text) == (
        403,
        "a pass opens no device's secret: log in with the device's id and password\n",
    )
    assert (hub.folder / "register.db").stat().st_mode & 0o077 == 0
    assert collector("remove", "dev-q", "--dir", hub.folder).returncode == 0
    assert "dev-q" not in Register(hub.folder / "register.db").order_secrets()
    assert hub.get_as("dev-q", password, "/order-secret").status == 401


def test_a_device_that_joined_an_older_hub_gets_one_when_it_asks(hub: RunningHub) -> None:
    password = hub.joined("dev-r")
    register = Register(hub.folder / "register.db")
    with register._writing() as conn:
        conn.execute("DELETE FROM order_secrets WHERE device = 'dev-r'")
    first = hub.get_as("dev-r", password, "/order-secret").text
    assert first == hub.get_as("dev-r", password, "/order-secret").text
    assert register.order_secrets()["dev-r"] == first.strip()
