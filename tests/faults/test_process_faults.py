"""F5 to F7 and F16: programs that are killed at the worst moment, and one that is slow."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import agent.delivery.sender
from agent.outbox.outbox import Outbox
from agent.stop_signal import Stop
from collector.broker.room import SHARE
from collector.broker.subscriber import MAX_WAITING, MAX_WAITING_BYTES
from collector.store.opening import open_store
from contract.messages import Batch, encode_message
from contract.topics import topic
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import ROOT, Collector, wait_until
from tests.faults.devices import device_at
from tests.faults.sending import DEVICE, SECONDS, answers, begin, finish, publisher_to, stored_ranges
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

RUN = "a" * 32

DIES = """
import os, sys
from collector.broker import subscriber
from collector.serving import server
from collector.cli import main
def die(*_):
    os._exit(9)
{patch}
sys.argv = ["collector", *sys.argv[1:]]
sys.exit(main())
"""
KILL_POINTS = {
    "before the commit": "server.ingest = die",
    "between commit and acknowledgement": "subscriber.Subscriber.acknowledge = die",
    "between acknowledgement and receipt": "subscriber.Subscriber.send = die",
}
SLOW = """
import sys, time
from collector.serving import server
from collector.cli import main
plain = server.ingest
def slow(store, deliveries):
    time.sleep(0.1)
    return plain(store, deliveries)
server.ingest = slow
server.MAX_GROUP_MESSAGES = 5
plain_next = server.Server._next_group
most = 0, 0
def watched(self):
    global most
    now = self._events.qsize(), self._subscriber._room.taken_bytes
    if now[0] > most[0] or now[1] > most[1]:
        most = max(now[0], most[0]), max(now[1], most[1])
        print("queue", *most, file=sys.stderr, flush=True)
    return plain_next(self)
server.Server._next_group = watched
sys.argv = ["collector", *sys.argv[1:]]
sys.exit(main())
"""


def test_f5_a_device_that_is_killed_goes_on_without_gaps(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    rng = random.Random(5)
    command = [
        *(sys.executable, "-m", "bench.processes.device", "--state-dir", str(tmp_path / "state")),
        *("--device-id", DEVICE, "--broker", broker.url, "--records", "3000"),
    ]
    log = tmp_path / "state.log"
    killed = 0
    with Collector("--broker", broker.url, "--db", database):
        for _ in range(5):
            size = log.stat().st_size if log.exists() else 0
            with subprocess.Popen(command, cwd=ROOT) as device:

                def committed(size: int = size, device: "subprocess.Popen[bytes]" = device) -> bool:
                    return (log.exists() and log.stat().st_size > size) or device.poll() is not None

                wait_until(committed, "a commit")
                time.sleep(rng.uniform(0.0, 0.1))
                device.kill()
            killed += device.returncode == -signal.SIGKILL
        assert killed, "not all of them came after the end of its work"
        assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    ((run_id, ranges),) = stored_ranges(database).items()
    assert ranges == [(0, 3000)]
    last = log.read_text().splitlines()[-1].split()
    assert (last[:3], last[4]) == ([run_id, "3000", "3000"], "end")


@pytest.mark.parametrize("point", KILL_POINTS)
def test_f6_a_collector_that_is_killed_at_each_step(
    broker: Mosquitto,
    database: Path,
    outbox: Outbox,
    stop: Stop,
    point: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(agent.delivery.sender, "FIRST_PATIENCE_SECONDS", 1.0)
    finish(outbox, answers(outbox, begin(outbox, RUN), 500))
    script = DIES.format(patch=KILL_POINTS[point])
    command = [sys.executable, "-c", script, "serve", "--broker", broker.url, "--db", str(database)]
    open_store(database, create=True).close()
    with publisher_to(broker.url, outbox) as publisher:
        for _ in range(2):
            with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL) as doomed:
                deadline = time.monotonic() + SECONDS
                while doomed.poll() is None and time.monotonic() < deadline:
                    publisher.step(wait_seconds=0.05)
                assert doomed.returncode == 9
        assert outbox.pending() == 502
        with Collector("--broker", broker.url, "--db", database):
            publisher.drain(SECONDS, stop)
    assert outbox.pending() == 0
    assert stored_ranges(database) == {RUN: [(0, 501)]}


def test_f7_doubled_and_disordered_messages_through_a_broker(broker: Mosquitto, database: Path) -> None:
    records = run_records()
    pieces: list[Batch] = [batch(records[at : at + 2], RUN) for at in range(len(records))] * 5
    random.Random(7).shuffle(pieces)
    with Collector("--broker", broker.url, "--db", database), device_at(broker.port, DEVICE) as device:
        for piece in pieces:
            device.publish(DEVICE, piece)
        wait_until(lambda: len(device.receipts) > 0 and stored_ranges(database) == {RUN: [(0, 6)]}, "all")


@pytest.mark.parametrize(("messages", "size"), [(1000, 0), (250, 250_000)], ids=["many", "large"])
def test_f16_a_slow_collector_holds_a_bounded_number_of_messages(
    broker: Mosquitto, database: Path, tmp_path: Path, messages: int, size: int
) -> None:
    said = tmp_path / "said"
    command = [sys.executable, "-c", SLOW, "serve", "--broker", broker.url, "--db", str(database)]
    with said.open("w") as stderr, subprocess.Popen(command, cwd=ROOT, stderr=stderr) as slow:
        wait_until(lambda: "listening" in said.read_text(), "the collector")
        with device_at(broker.port, DEVICE) as device:
            name = topic(DEVICE, "results")
            for seq in range(messages):
                payload = encode_message(batch(run_records(), f"{seq:032x}")).ljust(size)
                device.client.publish(name, payload, qos=1)
            wait_until(lambda: longest(said)[0] >= 20 and longest(said)[1] >= 20 * size, "the queue")
            time.sleep(2.0)  # long enough for far more than the bound to come, were there none
        slow.send_signal(signal.SIGKILL)
    queued, held = longest(said)
    assert 20 <= queued <= MAX_WAITING
    assert 20 * size <= held <= SHARE * MAX_WAITING_BYTES


def longest(said: Path) -> tuple[int, int]:
    """The most messages and bytes that a slow collector has said to hold."""
    whole = said.read_text().rpartition("\n")[0]
    lines = [line.split()[1:] for line in whole.splitlines() if line.startswith("queue")]
    queued, held = map(int, lines[-1]) if lines else (0, 0)
    return queued, held
