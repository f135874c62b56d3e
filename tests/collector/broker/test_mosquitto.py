import shutil
from pathlib import Path

import pytest

from collector.store.database import Store
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
    pieces = [batch([started()], RUN), *(batch(answers[at : at + 10], RUN) for at in range(0, 2000, 10))]
    with (
        Mosquitto(tmp_path) as mosquitto,
        Collector("--broker", mosquitto.url, "--db", database),
        connected_device(BrokerAddress("127.0.0.1", mosquitto.port)) as device,
    ):
        device.publish(*pieces)
        wait_until(lambda: device.has_receipt_through(RUN, 2000), "the last receipt")
        assert len(device.receipts) <= len(pieces)
    with Store.open_to_read(database) as store:
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


def test_a_broker_that_denies_is_one_sentence(database: Path, tmp_path: Path) -> None:
    with Mosquitto(tmp_path, lines=["allow_anonymous false"]) as mosquitto:
        with Collector("--broker", mosquitto.url, "--db", database) as collector:
            assert collector.process.wait(20) == 1
        (line,) = collector.said
        assert "refuses the collector: Not authorized" in line
