"""Devices that joined, at the hub's real Mosquitto and its HTTPS service: each has its own rights only."""

import pytest

from collector.broker.visit import visiting
from contract.topics import topic
from tests.collector.command import collector
from tests.collector.factory import answer, batch, device, started
from tests.collector.hub.running_hub import RunningHub
from tests.collector.running_collector import connected_device, wait_until

pytestmark = pytest.mark.broker

NOT_AUTHORISED = 0x87


def test_a_device_writes_its_own_topics_only(hub: RunningHub) -> None:
    password = hub.joined("dev-a")
    hub.joined("dev-b")
    with visiting(hub.broker("dev-a", password), "visitor") as visit:
        assert not visit.welcome.code.is_failure
        assert visit.publish(topic("dev-a", "state")).value < 0x80
        others = (topic("dev-b", "results"), topic("dev-b", "state"), topic("dev-b", "orders"))
        for strangers in (*others, topic("dev-a", "receipts"), topic("dev-a", "orders")):
            assert visit.publish(strangers).value == NOT_AUTHORISED


@pytest.mark.parametrize("device", ["dev-c", "nobody"])
def test_nobody_gets_in_with_a_guess(hub: RunningHub, device: str) -> None:
    hub.joined("dev-c")
    with visiting(hub.broker(device, "guessed"), "guesser") as visit:
        assert visit.welcome.code.value == NOT_AUTHORISED
    assert hub.get_as(device, "guessed", "/bundles/").status == 401


def test_results_are_stored_and_only_their_device_reads_the_receipt(hub: RunningHub) -> None:
    address, others = hub.broker("dev-d", hub.joined("dev-d")), hub.broker("dev-e", hub.joined("dev-e"))
    run = "0" * 31 + "d"
    strangers = [topic("dev-d", "receipts"), "distilbench/1/+/receipts", "#"]
    with (
        connected_device(others, "dev-e", also=strangers) as spy,
        connected_device(address, "dev-d") as board,
    ):
        board.publish(batch([started(on=device("dev-d")), answer(1, "q1")], run, device_id="dev-d"))
        wait_until(lambda: board.has_receipt_through(run, 1), "the receipt")
        spy.publish(batch([started(on=device("dev-e"))], run[:-1] + "e", device_id="dev-e"))
        wait_until(lambda: spy.has_receipt_through(run[:-1] + "e", 0), "the spy's own receipt")
        assert {receipt.device_id for receipt in spy.receipts} == {"dev-e"}
    metrics = hub.get("/metrics").text
    assert 'distilbench_answers_total{device="dev-d"} 1.0' in metrics
    assert "distilbench_rejected_total 0.0" in metrics
    assert "distilbench_broker_up 1.0" in metrics


def test_remove_ends_the_open_connection_and_every_right_at_once(hub: RunningHub) -> None:
    password = hub.joined("dev-x")
    bound = hub.new_pass("dev-x")
    kept = hub.joined("dev-y")
    with (
        visiting(hub.broker("dev-x", password), "to-be-removed") as visit,
        visiting(hub.broker("dev-y", kept), "to-be-kept") as other,
    ):
        done = collector("remove", "dev-x", "--dir", hub.folder)
        assert (done.returncode, done.stderr) == (0, "dev-x is removed, and its connection has ended\n")
        wait_until(lambda: not visit.is_connected, "the broker to end the connection")
        assert other.is_connected
    assert hub.get_as("dev-x", password, "/bundles/").status == 401
    assert hub.get_as("dev-y", kept, "/bundles/").status == 200
    assert "was revoked" in hub.join(bound, "dev-x").text
    with visiting(hub.broker("dev-x", password), "again") as visit:
        assert visit.welcome.code.value == NOT_AUTHORISED
    again = collector("remove", "dev-x", "--dir", hub.folder)
    assert again.returncode == 1
    assert "no device named dev-x has joined this hub" in again.stderr


def test_a_replaced_password_ends_the_session_of_the_old_one(hub: RunningHub) -> None:
    with visiting(hub.broker("dev-g", hub.joined("dev-g")), "old") as visit:
        new = hub.joined("dev-g")
        wait_until(lambda: not visit.is_connected, "the broker to end the connection")
    with visiting(hub.broker("dev-g", new), "new") as visit:
        assert not visit.welcome.code.is_failure


def test_the_collector_of_the_hub_cannot_be_removed(hub: RunningHub) -> None:
    done = collector("remove", "collector", "--dir", hub.folder)
    assert done.returncode == 1
    assert "the hub's own collector" in done.stderr
