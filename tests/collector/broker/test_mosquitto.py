import shutil
from pathlib import Path

import pytest

from collector.store.opening import open_store_to_read
from commandline.broker_address import BrokerAddress
from tests.collector.factory import answer, batch, started
from tests.collector.running_collector import Collector, connected_device, wait_until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

RUN = "0" * 31 + "1"


def test_a_broker_that_was_killed_and_forgot_everything_is_subscribed_to_again(
    database: Path, tmp_path: Path
) -> None:
    with (
        Mosquitto(tmp_path) as mosquitto,
        Collector("--broker", mosquitto.url, "--db", database) as collector,
    ):
        address = BrokerAddress("127.0.0.1", mosquitto.port)
        with connected_device(address) as device:
            device.publish(batch([started()], RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 0), "the first receipt")
        mosquitto.kill()
        mosquitto.start()
        wait_until(lambda: collector.said[-1] == "connected again", "the collector to be back")
        with connected_device(address) as device:
            device.publish(batch([answer(1, "q1")], RUN))
            wait_until(lambda: device.has_receipt_through(RUN, 1), "the second receipt")
        assert "was lost" in collector.said[1]


def test_a_flood_is_stored_whole_and_shares_its_transactions(database: Path, tmp_path: Path) -> None:
    answers = [answer(n, f"q{n}") for n in range(1, 2001)]
    pieces = [batch([started()], RUN), *(batch(answers[at : at + 25], RUN) for at in range(0, 2000, 25))]
    with (
        Mosquitto(tmp_path) as mosquitto,
        Collector("--broker", mosquitto.url, "--db", database),
        connected_device(BrokerAddress("127.0.0.1", mosquitto.port)) as device,
    ):
        device.publish(*pieces)
        wait_until(lambda: device.has_receipt_through(RUN, 2000), "the last receipt")
        assert len(device.receipts) <= len(pieces)
    with open_store_to_read(database) as store:
        assert store.value("SELECT count(*) FROM answers") == 2000


def test_two_collectors_that_take_each_others_session_say_so(tmp_path: Path) -> None:
    """The file with the name of the session lies beside the database, and is copied with its folder."""
    folder, copy = tmp_path / "folder", tmp_path / "copy"
    folder.mkdir()
    with (
        Mosquitto(tmp_path) as mosquitto,
        Collector("--broker", mosquitto.url, "--db", folder / "results.db") as first,
        Collector("--broker", mosquitto.url, "--db", shutil.copytree(folder, copy) / "results.db") as second,
    ):
        hint = "the connection keeps breaking: does a copy of the database's folder run elsewhere?"
        wait_until(lambda: hint in first.said + second.said, "the hint")


def test_a_broker_that_denies_later_is_said_once(database: Path, tmp_path: Path) -> None:
    with (
        Mosquitto(tmp_path) as open_to_all,
        Collector("--broker", open_to_all.url, "--db", database) as collector,
    ):
        open_to_all.stop()
        with Mosquitto(tmp_path, open_to_all.port, ["allow_anonymous false"]) as strict:
            wait_until(lambda: strict.log.read_text().count("not authorised") >= 3, "three attempts")
        with Mosquitto(tmp_path, open_to_all.port):
            wait_until(lambda: collector.said[-1] == "connected again", "the connection")
            said = list(collector.said)
    assert sum("refuses the collector: Not authorized" in line for line in said) == 1, said
    assert len(said) == len(set(said))
    assert not any("the connection keeps breaking" in line for line in said), said


def test_a_broker_that_denies_is_one_sentence(database: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, lines=["allow_anonymous false"]) as mosquitto:
        with Collector("--broker", mosquitto.url, "--db", database) as collector:
            assert collector.ended() == 1
        (line,) = collector.said
        assert "refuses the collector: Not authorized" in line
