"""Where a broker has no MQTT 5, agent, collector, watch and both doctors use 3.1.1 alike, and say so."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from agent.delivery.destination import ToBroker
from agent.delivery.publisher import Publisher
from agent.doctor.broker import probe
from agent.outbox.outbox import Outbox
from agent.progress import Progress
from agent.stop_signal import Stop
from collector.store.opening import open_store_to_read
from commandline.broker_address import parse_broker
from contract.messages import Batch
from tests.collector.running_collector import ROOT, Collector, connected_device, wait_until
from tests.contract.examples import MESSAGES
from tests.faults.oldbroker import HANGS_UP, REFUSAL, OlderBroker
from tests.faults.sending import NOW, begin, publisher_to, until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker
SAYS = "supports MQTT 3.1.1 only"


def collector(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "collector", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


@pytest.mark.parametrize("answer", [REFUSAL, HANGS_UP])
def test_all_programs_meet_over_it(
    broker: Mosquitto,
    tmp_path: Path,
    outbox: Outbox,
    stop: Stop,
    answer: bytes,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("agent.doctor.broker.RECEIPT_SECONDS", 60.0)
    database = tmp_path / "results.db"
    with OlderBroker(broker.port, answer) as older:
        url = older.url
        with Collector("--broker", url, "--db", database) as running:
            wait_until(lambda: len(running.said) > 1, "the ready line")
            assert SAYS in running.said[0] and "listening on" in running.said[1]
            found = list(probe(parse_broker(url), "pi-5"))
            assert [(f.about, f.level) for f in found] == [("broker", "warn"), ("collector", "ok")], found
            said: list[str] = []
            publisher = Publisher(parse_broker(url), "pi-5", outbox)
            delivery = ToBroker(publisher, stop, 1.0, said.append)
            delivery.between(Progress("a" * 32, "MiniLM-L6 int8", 0, 100, (), None, stage="LoadGen asks"))
            while not publisher.was_connected:
                publisher.step(wait_seconds=0.1)
            delivery.between(Progress("a" * 32, "MiniLM-L6 int8", 0, 100, (), None))
            assert sum(SAYS in line for line in said) == 1, said
            assert answer != REFUSAL or len(said) == 1, "a refusal of MQTT 5 is no problem"
            watched = collector("watch", "--once", "--json", "--broker", url, "--db", database)
            assert SAYS in watched.stderr and json.loads(watched.stdout)[0]["device"] == "pi-5"
            publisher.close()
            assert running.end() == 0
        examined = collector("doctor", "--json", "--broker", url, "--db", database)
    findings = {finding["about"]: finding for finding in json.loads(examined.stdout)}
    assert SAYS in findings["broker"]["what"] and findings["broker"]["level"] == "warn"
    assert [findings[name]["level"] for name in ("read results", "send receipts", "session")] == ["ok"] * 3


def test_results_wait_for_a_collector_that_is_away(broker: Mosquitto, tmp_path: Path) -> None:
    """The session is persistent in MQTT 3.1.1 too."""
    database = tmp_path / "results.db"
    batch = MESSAGES["batch"]
    assert isinstance(batch, Batch)
    with OlderBroker(broker.port) as older:
        with Collector("--broker", older.url, "--db", database) as running:
            wait_until(lambda: len(running.said) > 1, "the ready line")
            assert running.end() == 0
        with connected_device(parse_broker(broker.url), batch.device_id) as device:
            device.publish(batch)
        with Collector("--broker", older.url, "--db", database) as running:
            wait_until(lambda: stored(database), "the results that waited")
            running.end()


def stored(database: Path) -> int:
    with open_store_to_read(database) as store:
        return int(store.value("SELECT count(*) FROM answers"))


def test_an_agent_that_is_let_in_after_all_reports_no_earlier_problem(
    broker: Mosquitto, outbox: Outbox
) -> None:
    """A broker of MQTT 3.1.1 does not say that there is no collector."""
    outbox.note_link("unreachable", "cannot reach it", NOW)
    begin(outbox, "a" * 32)
    with OlderBroker(broker.port) as older, publisher_to(older.url, outbox) as publisher:
        until(publisher, lambda: outbox.summary().link == "connected")
        assert outbox.summary().problem is None
