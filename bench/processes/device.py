"""A device without a model: the agent's state folder, outbox and publisher, and made-up answers.

`bench.chaos` and `bench.soak` start it as a process, kill it at any moment and start it again; it continues
where its outbox ends, and waits while its disk is full. Each answer's text names its run, its place and its
process, so that a database can be checked.
"""

import math
import random
import secrets
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import click
from msgspec.structs import replace

from agent.delivery.destination import CLIENT_FILE
from agent.delivery.publisher import Publisher
from agent.errors import OutboxFull, OutboxRolledBack
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import OpenedState, opened_state
from bench.commandline.options import COUNT, NEW_FOLDER, command, seconds
from commandline.broker_address import parse_broker
from commandline.clock import utc_now
from contract.records import Answer, Record, RunFinished, RunResumed
from tests.collector.factory import NOON, device, started

T = TypeVar("T")

NOT_DELIVERED: Final = 3
BEGINNING: Final = "beginning"
ANSWERS: Final = "answers"
END: Final = "end"
_POLL_SECONDS: Final = 0.05


def text_of(run_id: str, seq: int, epoch: str = "") -> str:
    """The answer that a process of a device gives as the record `seq` of a run."""
    return f"{run_id[:8]} {seq} {epoch}".rstrip()


def made_up(run_id: str, seq: int, epoch: str = "") -> Answer:
    """That answer as a record."""
    text = text_of(run_id, seq, epoch)
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
        self.finished = path.exists() and path.read_text().endswith(f" {END}\n")
        """Whether this process or an earlier one started a run, and the latest run has ended."""
        self._file = path.open("a")

    def note(self, run_id: str, records: Sequence[Record], epoch: str) -> None:
        """Append what was committed: the run, the numbers from and up to, the process, and what it is."""
        first, last = records[0], records[-1]
        what = END if isinstance(last, RunFinished) else ANSWERS if isinstance(last, Answer) else BEGINNING
        self._file.write(f"{run_id} {first.seq} {last.seq} {epoch} {what}\n")
        self._file.flush()
        self.finished = what == END


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
@click.option(
    "--log",
    "log_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File for a line after each commit [default: beside the state folder].",
)
@seconds("--seconds", 0.0, "Start further runs for this time, then end the last one; 0 makes one run.")
@seconds("--pause", 0.01, "Seconds between two commits, on average.")
@seconds("--drain", 60.0, "Seconds to wait for receipts at the end.")
def main(
    state_dir: Path,
    device_id: str,
    broker: str,
    records: int,
    log_file: Path | None,
    seconds: float,
    pause: float,
    drain: float,
) -> None:
    """Deliver made-up runs; the exit status is 0 once a collector has all records, and 3 otherwise."""
    log = Log(log_file or state_dir.with_suffix(".log"))
    with (
        opened_state(state_dir, device_id, partial(print, file=sys.stderr)) as state,
        closing(
            Publisher(parse_broker(broker), device_id, state.outbox, state.folder / CLIENT_FILE)
        ) as publisher,
    ):
        epoch = secrets.token_hex(8)
        end = time.monotonic() + seconds
        pace = Pace(records, end if seconds else math.inf, pause)
        while not log.finished or time.monotonic() < end:
            with suppress(OutboxRolledBack):  # another board continues the run: another run begins
                _measure(state, publisher, pace, log, epoch)
            state.stop.check()
        publisher.drain(drain, state.stop)
        state.stop.check()
        sys.exit(NOT_DELIVERED if state.outbox.pending() or publisher.unanswered else 0)


def _measure(state: OpenedState, publisher: Publisher, pace: Pace, log: Log, epoch: str) -> None:
    outbox: Outbox = state.outbox
    random_id = f"{secrets.randbits(128):032x}"

    def when_there_is_room(write: Callable[[], T]) -> T:
        while True:
            with suppress(OutboxFull):
                return write()
            publisher.step()
            state.stop.wait(_POLL_SECONDS)
            state.stop.check()

    place = outbox.unfinished("chaos") or when_there_is_room(
        lambda: outbox.begin(random_id, state.device_id, "chaos")
    )
    begun = False
    while not place.finished:
        first = place.next_seq
        if first == 0:
            chunk: list[Record] = [replace(started(on=device(state.device_id)), epoch=epoch)]
        elif not begun:
            chunk = [RunResumed(seq=first, epoch=epoch, resumed_at=NOON)]
        elif first < pace.records and time.monotonic() < pace.end:
            count = min(random.randint(1, 40), pace.records - first)  # noqa: S311  # not a secret
            chunk = [made_up(place.run_id, seq, epoch) for seq in range(first, first + count)]
        else:
            chunk = [finished(first)]
        begun = True
        place = place._replace(next_seq=first + len(chunk), finished=isinstance(chunk[-1], RunFinished))
        when_there_is_room(partial(outbox.append, place, chunk, utc_now()))
        log.note(place.run_id, chunk, epoch)
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
