"""How many answers per second the collector stores, compared with the broker and SQLite alone.

    python -m bench.ingest --devices 20 --answers 200000 --crowd 200

Devices are threads that publish through a real Mosquitto; the collector is `collector serve` as a process,
with synchronous FULL. The limits are measured in the same run: the same messages into a bare `mosquitto_sub`,
and the same rows by a bare `executemany`. The crowd is a number of devices that reconnect at the same moment
after an outage, each with an outbox of its own; the collector must receipt all of them.
"""

import multiprocessing
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click
from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox
from bench.commandline import needed
from bench.commandline.options import command, count
from bench.processes.collecting import WAIT_SECONDS, collector, wait
from bench.processes.device import made_up
from collector.store.opening import open_store, open_store_to_read
from commandline.broker_address import parse_broker
from contract.messages import Batch, Receipt, decode_message, encode_message
from contract.records import Answer, Record
from contract.topics import ALL_RESULTS, parse_topic, topic
from tests.collector.factory import NOON, device, started
from tests.mosquitto import Mosquitto

_DEVICES_PER_PROCESS: Final = 50
_ROWS_PER_COMMIT: Final = 4000
_IN_FLIGHT: Final = 50
"""More than an agent has, so that the collector always has work."""


def messages(devices: int, answers: int, batch: int) -> list[list[tuple[str, bytes]]]:
    """For each device its topic and payloads, one run each; `answers` is a multiple of `devices`."""
    each = answers // devices
    made = []
    for index in range(devices):
        name, run_id = f"device-{index}", f"{index + 1:032x}"
        records: list[Record] = [started(on=device(name)), *(made_up(run_id, s) for s in range(1, each + 1))]
        made.append(
            [
                (
                    topic(name, "results"),
                    encode_message(
                        Batch(device_id=name, run_id=run_id, records=tuple(records[at : at + batch]))
                    ),
                )
                for at in range(0, len(records), batch)
            ]
        )
    return made


class _Stored:
    """How many records of a device's run are stored, by its receipts."""

    def __init__(self, client: Client, device_id: str) -> None:
        self._count = 0
        self._changed = threading.Condition()
        client.on_message = self._take
        client.subscribe(topic(device_id, "receipts"), qos=1)

    def wait_for(self, count: int) -> None:
        """Wait until at least this many are stored."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._count >= count, WAIT_SECONDS):
                raise click.ClickException(f"no receipt for {count} records came in {WAIT_SECONDS:.0f} s")

    def _take(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        receipt = decode_message(bytes(message.payload))
        assert isinstance(receipt, Receipt), "nothing else is sent there"
        with self._changed:
            self._count = max(self._count, *(stream.through + 1 for stream in receipt.streams))
            self._changed.notify_all()


def publish(port: int, made: list[list[tuple[str, bytes]]], batch: int | None = None) -> None:
    """Publish the messages of all devices at the same time, as fast as the broker accepts them.

    Args:
        port: the broker's port.
        made: the topic and payloads of each device.
        batch: records per message, if a collector stores them; a device then has at most `_IN_FLIGHT`
            messages without a receipt, since a collector drops what is more than a device's share.
    """

    def one(payloads: list[tuple[str, bytes]]) -> None:
        client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
        client.connect("127.0.0.1", port)
        client.loop_start()
        stored = None if batch is None else _Stored(client, parse_topic(payloads[0][0]).device_id)
        for number, (name, payload) in enumerate(payloads):
            if stored is not None and batch is not None:
                stored.wait_for(batch * (number - _IN_FLIGHT))
            sent = client.publish(name, payload, qos=1)
        sent.wait_for_publish(WAIT_SECONDS)
        client.disconnect()
        client.loop_stop()

    threads = [threading.Thread(target=one, args=(payloads,)) for payloads in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def ingest_rate(
    made: list[list[tuple[str, bytes]]], answers: int, batch: int, folder: Path
) -> tuple[float, float, float]:
    """Answers per second until all are stored; MB of the collector when half and when all are stored."""
    folder.mkdir()
    with _broker(folder) as broker, collector(broker, folder) as (database, process):
        begun = time.monotonic()
        sender = threading.Thread(target=publish, args=(broker.port, made, batch))
        sender.start()
        wait(lambda: _count(database) >= answers // 2)
        middle = process.memory_info().rss / 1e6
        wait(lambda: _count(database) >= answers)
        took = time.monotonic() - begun
        sender.join()
        return answers / took, middle, process.memory_info().rss / 1e6


def bare_subscriber_rate(made: list[list[tuple[str, bytes]]], answers: int, folder: Path) -> float:
    """Answers per second that a bare `mosquitto_sub` writes to a file, from the same messages."""
    folder.mkdir()
    count = sum(map(len, made))
    out = folder / "lines"
    with _broker(folder) as broker, out.open("wb") as lines:
        arguments = [
            *("mosquitto_sub", "-p", str(broker.port), "-V", "5", "-q", "1"),
            *("-t", ALL_RESULTS, "-C", str(count)),
        ]
        subscriber = subprocess.Popen(arguments, stdout=lines)  # noqa: S603  # a system program
        wait(lambda: "distilbench/1/+/results" in broker.log.read_text())
        begun = time.monotonic()
        publish(broker.port, made)
        subscriber.wait(WAIT_SECONDS)
        return answers / (time.monotonic() - begun)


def bare_insert_rate(answers: int, folder: Path) -> float:
    """Answers per second that a bare `executemany` inserts into the collector's table, synchronous FULL."""
    folder.mkdir()
    with closing(sqlite3.connect(folder / "bare.db", isolation_level=None)) as conn:
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        with open_store(folder / "shape.db", create=True) as store:
            table = store.value("SELECT sql FROM sqlite_schema WHERE name = 'answers'")
        conn.execute(table.replace("REFERENCES streams", ""))
        columns = [name for _, name, *_ in conn.execute("PRAGMA table_info(answers)")]
        # Columns are named as the fields of an answer; any other one keeps its default.
        fields = [name for name in columns if name in Answer.__struct_fields__]
        rows = [_row(made_up("0" * 32, seq), fields) for seq in range(answers)]
        names, places = ", ".join(("stream", *fields)), ", ".join("?" * (1 + len(fields)))
        insert = f"INSERT INTO answers ({names}) VALUES ({places})"  # noqa: S608  # our own names
        begun = time.monotonic()
        for at in range(0, answers, _ROWS_PER_COMMIT):
            conn.execute("BEGIN")
            conn.executemany(insert, rows[at : at + _ROWS_PER_COMMIT])
            conn.execute("COMMIT")
        return answers / (time.monotonic() - begun)


def _row(answer: Answer, fields: Sequence[str]) -> tuple[Any, ...]:
    values = {name: getattr(answer, name) for name in fields} | {"marks": ",".join(answer.marks) or None}
    return 1, *(values[name] for name in fields)


def crowd_seconds(devices: int, folder: Path) -> tuple[float, float, float]:
    """Reconnect devices at the same moment, with 50 records each.

    Returns:
        Seconds until half of the devices, and all, have a receipt, and the longest time without another one.
    """
    folder.mkdir()
    parts = range(0, devices, _DEVICES_PER_PROCESS)  # paho waits with select(), which takes 1,024 descriptors
    spawn = multiprocessing.get_context("spawn")
    with _broker(folder) as broker, collector(broker, folder), spawn.Pool(len(parts)) as pool:
        begin_at = time.monotonic() + 5.0  # one clock for all processes of a machine
        jobs = [
            (broker.url, first, min(_DEVICES_PER_PROCESS, devices - first), folder, begin_at)
            for first in parts
        ]
        done_at = sorted(at for part in pool.starmap(receipt_times, jobs) for at in part)
    if len(done_at) < devices:
        raise SystemExit(
            f"bench: {devices - len(done_at)} of {devices} devices got no receipt in {WAIT_SECONDS:.0f} s"
        )
    return done_at[len(done_at) // 2], done_at[-1], max((b - a for a, b in pairwise(done_at)), default=0.0)


def receipt_times(url: str, first: int, count: int, folder: Path, begin_at: float) -> list[float]:
    """Devices of this process, each with its outbox and publisher; seconds until each had its receipt."""
    outboxes = [Outbox(folder / f"outbox-{first + index}.db") for index in range(count)]
    publishers = []
    for index, outbox in enumerate(outboxes):
        name, run_id = f"device-{first + index}", f"{first + index + 1:032x}"
        place = outbox.begin(run_id, name, run_id)
        records: list[Record] = [started(on=device(name)), *(made_up(run_id, s) for s in range(1, 50))]
        outbox.append(place._replace(next_seq=50), records, NOON)
        publishers.append(Publisher(parse_broker(url), name, outbox))
    time.sleep(max(begin_at - time.monotonic(), 0.0))
    done_at = []
    waiting = dict(enumerate(publishers))
    while waiting and time.monotonic() - begin_at < WAIT_SECONDS:
        for index, publisher in list(waiting.items()):
            publisher.step()
            if not outboxes[index].pending():
                del waiting[index]
                done_at.append(time.monotonic() - begin_at)
    for publisher, outbox in zip(publishers, outboxes, strict=True):
        publisher.close()
        outbox.__exit__(None, None, None)
    return done_at


def _broker(folder: Path) -> Mosquitto:
    lines = ("allow_anonymous true", "max_queued_messages 0", "max_inflight_messages 200", "log_type all")
    return Mosquitto(folder, lines=lines)


def _count(database: Path) -> int:
    with open_store_to_read(database) as store:
        return int(store.value("SELECT ifnull(sum(last_seq - first_seq), 0) FROM ranges"))


@command
@count("--devices", 20, "Devices that publish at the same time.")
@count("--answers", 200_000, "Answers of all devices together.", least=20)
@count("--batch", 20, "Answers per message.")
@count("--crowd", 200, "Devices that reconnect at the same moment.")
@click.option(
    "--subscriber/--no-subscriber",
    default=True,
    show_default=True,
    help="Measure a bare mosquitto_sub too.",
)
def main(devices: int, answers: int, batch: int, crowd: int, subscriber: bool) -> None:
    """Print a Markdown table of answers per second, and how a crowd of devices fares."""
    needed.mosquitto()
    if subscriber:
        needed.program("mosquitto_sub", "mosquitto-clients")
    if answers < devices:
        raise click.UsageError(f"{answers} answers are not enough for {devices} devices")
    answers -= answers % devices
    made = messages(devices, answers, batch)
    with tempfile.TemporaryDirectory(prefix="distilbench-ingest-") as name:
        folder = Path(name)
        bare = bare_subscriber_rate(made, answers, folder / "sub") if subscriber else None
        rate, middle, end = ingest_rate(made, answers, batch, folder / "ingest")
        insert = bare_insert_rate(answers, folder / "insert")
        what = f"{devices} devices, {answers:,} answers, {batch} per message"
        print(f"| {what} | answers/s |\n|---|--:|")
        print(f"| collector serve, synchronous FULL | {rate:,.0f} |")
        if bare is not None:
            print(f"| bare mosquitto_sub | {bare:,.0f} |")
        print(f"| bare executemany, synchronous FULL | {insert:,.0f} |")
        print(f"\nmemory of the collector: {middle:.0f} MB at half, {end:.0f} MB at the end")
        half, last, gap = crowd_seconds(crowd, folder / "crowd")
        print(
            f"{crowd} devices at once: half had a receipt after {half:.1f} s, all after {last:.1f} s, "
            f"longest gap {gap:.1f} s"
        )


if __name__ == "__main__":
    main()
