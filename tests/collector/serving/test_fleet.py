import json
import uuid
from pathlib import Path
from queue import SimpleQueue

import pytest
from msgspec.structs import replace

from collector.broker.client import Event, Failed, Lost, Ready
from collector.display.abridged import abridged
from collector.errors import BrokerUnavailable
from collector.serving import fleet as module
from collector.serving.fleet import Fleet, look_repeatedly
from collector.store.database import Store
from commandline.broker_address import BrokerAddress
from contract.messages import State, encode_message
from contract.topics import topic
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import connected_device
from tests.mosquitto import Mosquitto

RUN = "0" * 31 + "1"
SESSION, LATER = uuid.uuid4().hex, uuid.uuid4().hex
RUNNING = State(
    device_id="pi-5",
    session_id=LATER,
    state="connected",
    agent_version="0.1.0",
    pending=3,
    dropped=0,
    run_id=RUN,
    answered=10,
    selected=40,
)


def saw(fleet: Fleet, state: State, now: float, device_id: str = "pi-5") -> None:
    fleet.take(topic(device_id, "state"), encode_message(state), now)


def test_a_long_reason_does_not_fill_the_screen(store: Store) -> None:
    fleet = Fleet()
    saw(fleet, replace(RUNNING, reason="x" * 60_000), 1.0)
    grid = fleet.grid(store)
    assert "x" * 300 + "…" in abridged(grid).rows[0] and "x" * 60_000 in grid.rows[0]


def only(fleet: Fleet, store: Store) -> dict[str, object]:
    grid = fleet.grid(store)
    (row,) = grid.rows
    return dict(zip(grid.columns, row, strict=True))


def test_rate_and_rest_come_from_successive_states(store: Store) -> None:
    take(store, batch(run_records(), RUN))
    fleet = Fleet()
    saw(fleet, RUNNING, 100.0)
    assert only(fleet, store)["per_second"] is None
    saw(fleet, replace(RUNNING, answered=20), 105.0)
    row = only(fleet, store)
    assert (row["per_second"], row["seconds_left"], row["pending"]) == (2.0, 10.0, 3)
    assert (row["model"], row["celsius"]) == ("MiniLM-L6 fp32", 55.0)
    saw(fleet, replace(RUNNING, answered=30), 107.0)
    row = only(fleet, store)
    assert (row["per_second"], row["seconds_left"]) == (2.86, 4)
    saw(fleet, replace(RUNNING, run_id=SESSION, answered=1, temperature_celsius=71.5), 106.0)
    row = only(fleet, store)
    assert (row["model"], row["per_second"], row["celsius"]) == (None, None, 71.5)


def test_a_late_will_and_a_forged_state_change_nothing(store: Store) -> None:
    fleet = Fleet()
    saw(fleet, RUNNING, 1.0)
    will = State(device_id="pi-5", session_id=SESSION, state="lost", agent_version="0.1.0")
    saw(fleet, will, 2.0)
    saw(fleet, replace(RUNNING, device_id="pi-4", state="degraded"), 2.0)
    fleet.take(topic("pi-5", "state"), b"{bad", 2.0)
    fleet.take("elsewhere", encode_message(RUNNING), 2.0)
    assert only(fleet, store)["state"] == "connected"
    saw(fleet, replace(will, session_id=LATER), 3.0)
    assert only(fleet, store)["state"] == "lost"


def test_who_watches_hears_once_that_a_broker_refuses(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    class Refused:
        """A client that a broker lets in, refuses, lets in again, and refuses again."""

        def __init__(self, _address: BrokerAddress, events: "SimpleQueue[Event]", *, older: bool) -> None:
            assert not older
            self._events = events

        def start(self) -> None:
            lost, refused = Lost("the connection was lost"), Lost("the broker refuses")
            for event in (Ready(), lost, refused, lost, refused, Ready(), refused, Failed("the end")):
                self._events.put(event)

        def stop(self) -> None:
            pass

    monkeypatch.setattr(module, "Watcher", Refused)
    said: list[str] = []
    with pytest.raises(BrokerUnavailable, match="the end"):
        look_repeatedly(store, BrokerAddress("127.0.0.1", 1), lambda _: None, said.append)
    refused = "the broker refuses; trying again"
    assert said == ["the connection was lost; trying again", refused, refused]


@pytest.mark.broker
def test_the_fleet_is_what_the_broker_retains(store: Store, database: Path, tmp_path: Path) -> None:
    take(store, batch(run_records(), RUN))
    with Mosquitto(tmp_path) as broker:
        watch = ("watch", "--broker", broker.url, "--db", database)
        assert printed(*watch) == "no device has reported its state to this broker\n"
        with connected_device(BrokerAddress("127.0.0.1", broker.port)) as device:
            device.retain(replace(RUNNING, reason="disk full\x1b[31m"))
        (row,) = json.loads(printed(*watch, "--json"))
        table = printed(*watch)
        with connected_device(BrokerAddress("127.0.0.1", broker.port)) as device:
            device.retain(replace(RUNNING, state="disconnected", run_id=None, answered=None, selected=None))
        idle = printed(*watch).splitlines()[1].split()
    assert idle[:4] == ["pi-5", "disconnected", "–", "–"]  # noqa: RUF001  # a table's dash
    assert (row["device"], row["run"], row["answered"], row["asked"]) == ("pi-5", RUN, 10, 40)
    assert "MiniLM-L6 fp32" in table
    assert "\x1b" not in table


def test_no_broker_is_one_sentence(store: Store, database: Path) -> None:
    del store
    done = invoked("watch", "--broker", "mqtt://127.0.0.1:1", "--db", database)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no broker answers at mqtt://127.0.0.1:1" in done.stderr
