"""Where a run's results go besides the outbox: to a broker while they are made, or into a file at the end."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from agent.delivery.batches import MAX_RECORDS, pack
from agent.delivery.results_file import extend
from agent.errors import BadInput
from agent.outbox.outbox import Outbox, Row
from agent.outbox.state_folder import OpenedState
from agent.progress import Progress
from agent.stop import Stop
from commandline.broker_address import BrokerAddress, parse_broker
from contract.codec import printable
from contract.messages import SeqRange

if TYPE_CHECKING:
    from agent.delivery.publisher import Publisher

UNREACHED_SECONDS: Final = 10.0
"""A broker that was never reached is not waited for any longer than this."""

Say = Callable[[str], None]
"""Tells the user a sentence."""


class ResultFile(NamedTuple):
    """Results go to a file."""

    path: Path


class LiveBroker(NamedTuple):
    """Results go to a broker."""

    broker: BrokerAddress
    flush_seconds: float
    live: bool = True
    """While they are made, not only when all runs have ended."""


Destination = ResultFile | LiveBroker


def destination(
    broker: str | None,
    to_file: Path | None,
    password_file: Path | None,
    ca_file: Path | None,
    flush_seconds: float,
    *,
    cert_file: Path | None = None,
    key_file: Path | None = None,
    live: bool = True,
) -> Destination:
    """Where results shall go, checked as far as that goes without going there.

    Args:
        broker: its address; or else
        to_file: a file of results.
        password_file: of the broker's user.
        ca_file: certificates to trust at the broker.
        flush_seconds: how long to wait for receipts at the end.
        cert_file: this device's own certificate.
        key_file: its key.
        live: send results while they are made.

    Raises:
        BadInput: a destination that cannot be.
    """
    if broker is not None:
        address = parse_broker(broker, password_file, ca_file, cert_file, key_file, refusal=BadInput)
        return LiveBroker(address, flush_seconds, live)
    assert to_file is not None, "one of them is given"
    if not to_file.absolute().parent.is_dir():
        raise BadInput(f"there is no folder for '{printable(str(to_file))}'")
    return ResultFile(to_file)


class Delivery(Protocol):
    """What a campaign does with results."""

    def between(self, progress: Progress) -> None:
        """Two chunks of questions: work for a moment."""

    def meanwhile(self) -> None:
        """The worker computes for minutes: keep what would be lost by silence, and do next to nothing."""

    def run_ended(self, run_id: str) -> None:
        """The last record of a run is committed."""

    def finish(self) -> None:
        """All runs have ended: hand over what is left.

        Raises:
            NotDelivered: something keeps results from arriving; they stay in the outbox.
        """


@contextmanager
def delivering(where: Destination, state: OpenedState, say: Say) -> Iterator[Delivery]:
    """A delivery to the destination, open for the length of the block."""
    if isinstance(where, ResultFile):
        yield ToFile(where.path, state.outbox)
        return
    from agent.delivery.publisher import Publisher

    publisher = Publisher(where.broker, state.device_id, state.outbox)
    try:
        if where.live:
            publisher.step()
        yield ToBroker(publisher, state.stop, where.flush_seconds, say, live=where.live)
    finally:
        publisher.close()


class ToBroker:
    """Publishes live or at the end; then waits for receipts."""

    def __init__(
        self, publisher: "Publisher", stop: Stop, flush_seconds: float, say: Say, *, live: bool = True
    ) -> None:
        self._live = live
        self._publisher = publisher
        self._stop = stop
        self._flush_seconds = flush_seconds
        self._say = say
        self._said: str | None = None

    def between(self, progress: Progress) -> None:
        """Send what waits, hear receipts. A run that waits for room needs them, live or not."""
        if not self._live and progress.paused is None:
            return
        if progress.stage is None:
            self._publisher.step(progress)
        else:
            self._publisher.settle(progress)
        problem = self._publisher.problem
        if problem is not None and problem != self._said:
            self._say(f"{problem}; measuring goes on and results are kept")
            self._said = problem

    def meanwhile(self) -> None:
        """Keep the connection, which a broker ends after half a minute of silence."""
        self._publisher.stay()

    def run_ended(self, run_id: str) -> None:
        """Send what waits, hear receipts."""
        if self._live:
            self._publisher.step()

    def finish(self) -> None:
        """Wait for receipts, for the flush time at most.

        Raises:
            NotDelivered: something keeps results from arriving; that no collector is there is not an error.
        """
        begun = time.monotonic()
        self._publisher.drain(min(self._flush_seconds, UNREACHED_SECONDS), self._stop)
        if self._publisher.was_connected:
            self._publisher.drain(self._flush_seconds - (time.monotonic() - begun), self._stop)
        if not self._stop.asked:
            self._publisher.check()


class ToFile:
    """Adds each run, once it has ended, to a file of messages."""

    def __init__(self, path: Path, outbox: Outbox) -> None:
        self._path = path
        self._outbox = outbox

    def between(self, progress: Progress) -> None:
        """Nothing: a file gets whole runs."""

    def meanwhile(self) -> None:
        """Nothing."""

    def run_ended(self, run_id: str) -> None:
        """Write the run, then forget it.

        Raises:
            NotDelivered: the file cannot be written; the run stays in the outbox.
        """
        write_waiting(self._path, self._outbox, run_id)

    def finish(self) -> None:
        """Nothing: what other commands left was not meant for this file."""


def write_waiting(path: Path, outbox: Outbox, run_id: str | None = None) -> int:
    """Move what waits, of one run or of all, from the outbox to a file; returns how many records.

    Raises:
        NotDelivered: the file cannot be written; everything stays in the outbox.
    """
    written: dict[str, list[SeqRange]] = {}

    def messages() -> Iterator[bytes]:
        position = 0
        while rows := outbox.rows(position, MAX_RECORDS, run_id):
            packed = pack(rows)
            position = packed.rows[-1].position
            written.setdefault(packed.rows[0].run_id, []).extend(_ranges(packed.rows))
            yield packed.payload

    extend(path, messages())
    # Killed here, the records are written again next time: a collector stores them once.
    return sum(outbox.remove(written_id, ranges) for written_id, ranges in written.items())


def _ranges(rows: Sequence[Row]) -> list[SeqRange]:
    ranges: list[SeqRange] = []
    for row in rows:
        if ranges and ranges[-1][1] == row.seq - 1:
            ranges[-1] = (ranges[-1][0], row.seq)
        else:
            ranges.append((row.seq, row.seq))
    return ranges
