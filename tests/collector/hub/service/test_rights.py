"""Devices that joined, at the hub's real Mosquitto and its HTTPS service: each has its own rights only."""

import pytest

from collector.broker.visit import visiting
from collector.errors import BrokerUnavailable
from contract.messages import Receipt
from contract.topics import topic
from tests.collector.command import collector
from tests.collector.factory import answer, batch, started
from tests.collector.hub.running_hub import RunningHub
from tests.collector.running_collector import wait_until

pytestmark = pytest.mark.broker

NOT_AUTHORISED = 0x87


def joined(hub: RunningHub, device: str) -> str:
    return hub.password(hub.join(hub.invite("--name", device).secret, device))


def test_a_device_reads_and_writes_its_own_topics_only(hub: RunningHub) -> None:
    password = joined(hub, "dev-a")
    joined(hub, "dev-b")
    with visiting(hub.broker("dev-a", password), "visitor") as visit:
        assert not visit.welcome.code.is_failure
        assert visit.subscribe(topic("dev-a", "receipts")).value < 0x80
        assert visit.publish(topic("dev-a", "state")).value < 0x80
        for strangers in (topic("dev-b", "results"), topic("dev-b", "state"), topic("dev-a", "receipts")):
            assert visit.publish(strangers).value == NOT_AUTHORISED
        for strangers in (topic("dev-b", "receipts"), "distilbench/1/+/receipts", "#"):
            visit.subscribe(strangers)  # Mosquitto accepts this, and passes nothing on
    assert Receipt


def test_nobody_gets_in_without_a_password_or_with_a_guess(hub: RunningHub) -> None:
    joined(hub, "dev-c")
    for device, password in (("dev-c", "guessed"), ("nobody", "guessed")):
        with pytest.raises(BrokerUnavailable), visiting(hub.broker(device, password), "guesser") as visit:
            assert visit.welcome.code.value == NOT_AUTHORISED
            raise BrokerUnavailable("as it should be")
        assert hub.get_as(device, password, "/bundles/").status == 401


def test_results_of_a_device_are_stored_and_counted(hub: RunningHub) -> None:
    import queue

    from paho.mqtt.client import Client, MQTTv5
    from paho.mqtt.enums import CallbackAPIVersion

    from commandline.connection.tls import tls_context
    from contract.messages import decode_message, encode_message

    address = hub.broker("dev-d", joined(hub, "dev-d"))
    assert address.password is not None
    receipts: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    client.username_pw_set(address.user, address.password.reveal())
    client.tls_set_context(tls_context(address))
    client.on_message = lambda _c, _d, message: receipts.put(bytes(message.payload))
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        client.subscribe(topic("dev-d", "receipts"), qos=1)
        run = "0" * 31 + "d"
        records = batch([started(), answer(1, "q1")], run, device_id="dev-d")
        client.publish(topic("dev-d", "results"), encode_message(records), qos=1).wait_for_publish(20)
        receipt = decode_message(receipts.get(timeout=20))
        assert isinstance(receipt, Receipt)
        assert receipt.streams[0].through == 1
    finally:
        client.disconnect()
        client.loop_stop()
    metrics = hub.get("/metrics").text
    assert 'distilbench_answers_total{device="dev-d"} 1.0' in metrics
    assert "distilbench_rejected_total 0.0" in metrics
    assert "distilbench_broker_up 1.0" in metrics


def test_remove_ends_the_open_connection_and_every_right_at_once(hub: RunningHub) -> None:
    password = joined(hub, "dev-e")
    bound = hub.invite("--name", "dev-e")
    kept = joined(hub, "dev-f")
    with (
        visiting(hub.broker("dev-e", password), "to-be-removed") as visit,
        visiting(hub.broker("dev-f", kept), "to-be-kept") as other,
    ):
        done = collector("remove", "dev-e", "--dir", hub.folder)
        assert (done.returncode, done.stderr) == (0, "dev-e is removed, and its connection has ended\n")
        wait_until(lambda: not visit.is_connected, "the broker to end the connection")
        assert other.is_connected
    assert hub.get_as("dev-e", password, "/bundles/").status == 401
    assert hub.get_as("dev-f", kept, "/bundles/").status == 200
    assert "was revoked" in hub.join(bound.secret, "dev-e").text
    with visiting(hub.broker("dev-e", password), "again") as visit:
        assert visit.welcome.code.value == NOT_AUTHORISED
    again = collector("remove", "dev-e", "--dir", hub.folder)
    assert again.returncode == 1
    assert "no device named dev-e has joined this hub" in again.stderr


def test_a_replaced_password_ends_the_session_of_the_old_one(hub: RunningHub) -> None:
    with visiting(hub.broker("dev-g", joined(hub, "dev-g")), "old") as visit:
        new = joined(hub, "dev-g")
        wait_until(lambda: not visit.is_connected, "the broker to end the connection")
    with visiting(hub.broker("dev-g", new), "new") as visit:
        assert not visit.welcome.code.is_failure


def test_the_collector_of_the_hub_cannot_be_removed(hub: RunningHub) -> None:
    done = collector("remove", "collector", "--dir", hub.folder)
    assert done.returncode == 1
    assert "the hub's own collector" in done.stderr
