"""A device without a model: the agent's state folder, outbox and publisher, and made-up answers.

`bench.chaos` and `bench.soak` start it as a process, kill it at any moment and start it again; it continues
where its outbox ends. Each answer's text names its run and its place, so that a database can be checked.
"""

import math
import random
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import click

from agent.delivery.publisher import Publisher
from agent.outbox.outbox import Outbox, Place
from agent.outbox.state_folder import OpenedState, opened_state
from bench.commandline.options import COUNT, NEW_FOLDER, command, seconds
from commandline.broker_address import parse_broker
from commandline.clock import utc_now
from contract.records import Answer, Record, RunFinished
from tests.collector.factory import NOON, device, started

NOT_DELIVERED = 3


def text_of(run_id: str, seq: int) -> str:
    """The answer that a device gives as its record `seq` of a run."""
    return f"{run_id[:8]} {seq}"


def made_up(run_id: str, seq: int) -> Answer:
    """That answer as a record."""
    text = text_of(run_id, seq)
    return Answer(
        seq=seq,
        at_ns=seq * 1_000_000,
        question_id=f"q{seq}",
        text=text,
        start_char=0,
        end_char=len(text),
        confidence=0.5,
        tokenize_ns=400_000,
        infer_ns=9_000_000,
        decode_ns=300_000,
        windows=1,
        tokens=150,
    )


class Log:
    """A file with a line after each commit to the outbox, written by the device itself."""

    def __init__(self, path: Path) -> None:
        self.finished = path.exists() and path.read_text().endswith(" 1\n")
        """Whether this process or an earlier one started a run, and the latest run has ended."""
        self._file = path.open("a")

    def note(self, place: Place) -> None:
        """Append a place that was committed."""
        self._file.write(f"{place.run_id} {place.next_seq} {int(place.finished)}\n")
        self._file.flush()
        self.finished = place.finished


class Pace(NamedTuple):
    """How many records a device makes, and how fast."""

    records: int
    """Records per run."""
    end: float
    """When no further record is made, by the monotonic clock."""
    pause: float
    """Seconds between two commits, on average."""


@command
@click.option("--state-dir", type=NEW_FOLDER, required=True, help="The device's state folder.")
@click.option("--device-id", required=True, help="The device's id.")
@click.option("--broker", required=True, help="Address of the broker, such as mqtt://127.0.0.1:1883.")
@click.option("--records", type=COUNT, required=True, help="Records per run.")
@seconds("--seconds", 0.0, "Start further runs for this time, then end the last one; 0 makes one run.")
@seconds("--pause", 0.01, "Seconds between two commits, on average.")
@seconds("--drain", 60.0, "Seconds to wait for receipts at the end.")
def main(
    state_dir: Path, device_id: str, broker: str, records: int, seconds: float, pause: float, drain: float
) -> None:
    """Deliver made-up runs; the exit status is 0 once all records have a receipt, and 3 if some have none."""
    log = Log(state_dir.with_suffix(".log"))
    with (
        opened_state(state_dir, device_id, partial(print, file=sys.stderr)) as state,
        closing(Publisher(parse_broker(broker), device_id, state.outbox)) as publisher,
    ):
        end = time.monotonic() + seconds
        pace = Pace(records, end if seconds else math.inf, pause)
        while not log.finished or time.monotonic() < end:
            _measure(state, publisher, pace, log)
        publisher.drain(drain, state.stop)
        state.stop.check()
        sys.exit(NOT_DELIVERED if state.outbox.pending() else 0)


def _measure(state: OpenedState, publisher: Publisher, pace: Pace, log: Log) -> None:
    outbox: Outbox = state.outbox
    random_id = f"{random.getrandbits(128):032x}"  # names a run of the benchmark
    place = outbox.unfinished("chaos") or outbox.begin(random_id, state.device_id, "chaos")
    while not place.finished:
        first = place.next_seq
        if first == 0:
            chunk: list[Record] = [started(on=device(state.device_id))]
        elif first < pace.records and time.monotonic() < pace.end:
            count = min(random.randint(1, 40), pace.records - first)  # noqa: S311  # not a secret
            chunk = [made_up(place.run_id, seq) for seq in range(first, first + count)]
        else:
            chunk = [finished(first)]
        place = place._replace(next_seq=first + len(chunk), finished=isinstance(chunk[-1], RunFinished))
        outbox.append(place, chunk, utc_now())
        log.note(place)
        publisher.step()
        state.stop.wait(random.expovariate(1 / pace.pause) if pace.pause else 0.0)  # not a secret
        state.stop.check()


def finished(seq: int) -> RunFinished:
    """The end of a run as its record `seq`."""
    return RunFinished(
        seq=seq, status="complete", answered=seq - 1, errors=0, elapsed_ns=seq * 1_000_000, finished_at=NOON
    )


if __name__ == "__main__":
    main()
