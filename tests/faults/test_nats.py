"""F1 and F2 with a NATS cluster of three nodes, which speaks MQTT 3.1.1: nodes die, and nothing is lost."""

import json
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from agent.delivery.publisher import Publisher
from agent.delivery.uplink import Uplink
from agent.outbox.outbox import Outbox
from collector.hub.register import Register
from collector.orders.order_rows import add
from collector.store.opening import open_store
from commandline.broker_address import parse_broker
from contract.messages import SeqRange
from contract.orders.order import Order
from contract.orders.sealed import open_orders
from contract.seq_ranges import union
from tests.collector.factory import device, started
from tests.collector.orders.ordering import BY, order
from tests.collector.running_collector import ROOT, Collector, wait_until
from tests.faults.sending import answers, append, finish, stored_ranges, until
from tests.nats import NODES, Nats
from tests.one_name import named, one_name

pytestmark = pytest.mark.broker
DOTTED = "pi5.lab"
"""NATS allows no dot in a client's name."""
RECORDS_PER_SECOND = 40
AGAIN_SECONDS = 30.0
"""Within so many seconds after one node was killed, every device delivers again."""
SETTLE_SECONDS = 3.0
QUIET_SECONDS = 15.0
LAST_SECONDS = 180.0


@pytest.fixture
def nats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Nats]:
    folder = tmp_path / "nats"
    folder.mkdir()
    with Nats(folder) as running:
        one_name(monkeypatch, running.places)
        yield running


def collector(nats: Nats, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = named(nats.places, "collector", *arguments)
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)


def retained_orders(nats: Nats, secret: str) -> tuple[Order, ...]:
    """The orders that a device finds when it connects."""
    uplink = Uplink(parse_broker(nats.url), DOTTED, None, older=True, orders=True)
    found: list[bytes] = []

    def arrived() -> bool:
        uplink.turn(0.05)
        found.extend(uplink.orders())
        return bool(found)

    wait_until(arrived, "the orders")
    uplink.close()
    return open_orders(found[-1], DOTTED, secret).orders


def test_all_programs_meet_at_a_cluster_without_mqtt_5(nats: Nats, database: Path, outbox: Outbox) -> None:
    """Results, receipts, orders and states of a device whose id has a dot, and two collectors of a group."""
    register, other_database = database.with_name("register.db"), database.with_name("other.db")
    secret = Register(register).give_order_secret(DOTTED)
    ordered, run = order(), uuid.uuid4().hex
    finish(outbox, append(outbox, outbox.begin(run, DOTTED, run), [started(on=device(DOTTED))]))
    where = ("--broker", nats.url, "--db")
    with closing(Publisher(parse_broker(nats.url), DOTTED, outbox)) as publisher:
        until(publisher, lambda: outbox.summary().link == "connected")
        with (
            Collector(*where, database, "--register", register, places=nats.places) as running,
            Collector(*where, other_database, "--share", "lab", places=nats.places) as other,
        ):
            wait_until(lambda: len(running.said) > 1 and len(other.said) > 2, "the ready lines")
            assert "supports MQTT 3.1.1 only" in running.said[0]
            assert "each of their databases will hold everything" in other.said[1]
            until(publisher, lambda: outbox.pending() == 0)
            assert outbox.summary().link == "delivering"
            with open_store(database) as store:
                add(store, {DOTTED: ordered}, BY, "plan.toml")
            assert retained_orders(nats, secret) == (ordered,)
            shown = json.loads(collector(nats, "watch", "--once", "--json", *where, database).stdout)
            assert [(row["device"], row["state"]) for row in shown] == [(DOTTED, "connected")]
            assert (running.end(), other.end()) == (0, 0)
    assert stored_ranges(database) == stored_ranges(other_database) == {run: [(0, 1)]}
    findings = json.loads(collector(nats, "doctor", "--json", *where, database).stdout)
    levels = {each["about"]: each["level"] for each in findings}
    assert (levels["broker"], levels["sharing"], levels["session"]) == ("warn", "warn", "ok"), findings


class Measuring:
    """A device that writes records all the time and delivers them, in a thread of its own."""

    def __init__(self, url: str, device_id: str, folder: Path) -> None:
        self.run = uuid.uuid4().hex
        self.written = 0
        self.delivered = 0
        self._broker, self._device_id, self._folder = parse_broker(url), device_id, folder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._measure)

    @property
    def ranges(self) -> list[SeqRange]:
        """What of its run has to be stored in the end."""
        return [(0, self.written - 1)]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()

    def end(self) -> None:
        """Let it finish its run and deliver what is left."""
        self._ending.set()
        self._thread.join(LAST_SECONDS + 1)

    def _measure(self) -> None:
        begun = time.monotonic()
        with (
            Outbox(self._folder / f"{self._device_id}.db") as outbox,
            closing(Publisher(self._broker, self._device_id, outbox)) as publisher,
        ):
            place = outbox.begin(self.run, self._device_id, self.run)
            place = append(outbox, place, [started(on=device(self._device_id))])
            while not self._ending.is_set():
                due = int((time.monotonic() - begun) * RECORDS_PER_SECOND) - place.next_seq
                place = answers(outbox, place, max(due, 0))
                self._deliver(publisher, place.next_seq)
            place = finish(outbox, place)
            until_seconds = time.monotonic() + LAST_SECONDS
            while outbox.pending() and time.monotonic() < until_seconds:
                self._deliver(publisher, place.next_seq)

    def _deliver(self, publisher: Publisher, written: int) -> None:
        publisher.step(wait_seconds=0.05)
        time.sleep(0.02)
        self.written, self.delivered = written, publisher.delivered


@pytest.mark.proof
def test_one_node_killed_every_device_delivers_again_within_30_seconds(nats: Nats, database: Path) -> None:
    """Each of the three in turn: clients spread over them. Both collectors of a group receive everything.

    A node that dies may lose what one of them would have got, after the other one has confirmed it. So
    together they have every record.
    """
    databases = database, database.with_name("other.db")
    with ExitStack() as stack:
        group = [serving(nats, each, stack, "--share", "lab") for each in databases]
        devices = measuring(nats, database.parent, stack)
        waits = []
        for node in range(NODES):
            time.sleep(SETTLE_SECONDS)
            nats.kill(node)
            at = time.monotonic()
            later = {each: each.written + RECORDS_PER_SECOND for each in devices}
            wait_until(
                lambda later=later: all(each.delivered > count for each, count in later.items()),  # type: ignore[misc]
                f"every device delivers what it measured after node {node} was killed",
            )
            waits.append(time.monotonic() - at)
            nats.start(node)
            now = {each: each.written for each in devices}
            wait_until(
                lambda now=now: all(each.delivered > count for each, count in now.items()),  # type: ignore[misc]
                "every device delivers to the whole cluster",
            )
        for each in devices:
            each.end()
        assert max(waits) < AGAIN_SECONDS, waits
        expected = {each.run: each.ranges for each in devices}
        wait_until(lambda: together(databases) == expected, "all records")
        for collecting in group:
            end(collecting)


@pytest.mark.proof
def test_two_nodes_killed_nothing_is_acknowledged_until_they_are_back(nats: Nats, database: Path) -> None:
    with ExitStack() as stack:
        collecting = serving(nats, database, stack)
        devices = measuring(nats, database.parent, stack)
        nats.kill(0, 1)
        time.sleep(SETTLE_SECONDS)
        delivered, ranges = [each.delivered for each in devices], stored_ranges(database)
        time.sleep(QUIET_SECONDS)
        assert [each.delivered for each in devices] == delivered
        assert stored_ranges(database) == ranges
        nats.start(0, 1)
        for each in devices:
            each.end()
        end(collecting)
    assert stored_ranges(database) == {each.run: each.ranges for each in devices}


def together(databases: Sequence[Path]) -> dict[str, list[SeqRange]]:
    """The ranges of each run that at least one of the databases has."""
    stored = [stored_ranges(file) for file in databases]
    runs = {run for ranges in stored for run in ranges}
    return {run: list(union((), (each for ranges in stored for each in ranges.get(run, ())))) for run in runs}


def serving(nats: Nats, database: Path, stack: ExitStack, *options: str) -> Collector:
    """A collector that listens."""
    collecting = Collector("--broker", nats.url, "--db", database, *options, places=nats.places)
    stack.enter_context(collecting)
    wait_until(lambda: any("listening on" in line for line in collecting.said), "the ready line")
    return collecting


def end(collecting: Collector) -> None:
    """End a collector, which has not blamed a copy of its database for what the broker did."""
    assert collecting.end() == 0
    assert not any("run elsewhere" in line for line in collecting.said), collecting.said


def measuring(nats: Nats, folder: Path, stack: ExitStack) -> list[Measuring]:
    """Four devices, all of which have delivered something."""
    devices = [stack.enter_context(Measuring(nats.url, f"pi-{number}", folder)) for number in range(4)]
    wait_until(lambda: all(each.delivered for each in devices), "the first receipts")
    return devices
