"""Where a run's results go from the outbox: to a broker during the run, or into a file at its end."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from agent.delivery.batches import MAX_RECORDS, pack
from agent.delivery.results_file import check_target, extend
from agent.errors import BadInput
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import OpenedState
from agent.outbox.summary import newly_refused
from agent.progress import Progress
from agent.stop_signal import Stop
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.counted import counted
from commandline.program.messages import Problem
from contract.codec import printable
from contract.seq_ranges import ranges_of

if TYPE_CHECKING:
    from agent.delivery.publisher import Publisher

CLIENT_FILE: Final = "client-secret"
"""The file of the state folder that keeps the secret part of the agent's name at brokers."""
UNREACHED_SECONDS: Final = 10.0
"""Longest wait at the end for a broker that was never reached."""

Say = Callable[[str], None]
"""Prints a sentence for the user."""


class ResultFile(NamedTuple):
    """The destination of results that go to a file."""

    path: Path


class LiveBroker(NamedTuple):
    """The destination of results that go to a broker."""

    broker: BrokerAddress
    flush_seconds: float
    live: bool = True
    """Whether results are sent during the runs, and not only after all of them."""


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
    """The destination of results, checked as far as is possible without connecting to it.

    Args:
        broker: address of the broker; None for a file.
        to_file: the file of results; None for a broker.
        password_file: file with the password of the broker's user.
        ca_file: certificates to trust at the broker.
        flush_seconds: how long to wait for receipts at the end.
        cert_file: this device's own certificate.
        key_file: the key of that certificate.
        live: send results during the runs.

    Raises:
        BadInput: the destination is not valid.
    """
    if broker is not None:
        address = parse_broker(broker, password_file, ca_file, cert_file, key_file, refusal=BadInput)
        return LiveBroker(address, flush_seconds, live)
    assert to_file is not None, "one of them is given"
    if not to_file.absolute().parent.is_dir():
        raise BadInput(f"the folder of '{printable(str(to_file))}' does not exist")
    check_target(to_file)
    return ResultFile(to_file)


class Delivery(Protocol):
    """Delivers the results of a campaign."""

    @property
    def delivered(self) -> int:
        """How many records have arrived."""

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said whether it still has what it confirmed."""

    def between(self, progress: Progress) -> None:
        """Work for a moment between two chunks of questions."""

    def meanwhile(self) -> None:
        """Keep a connection alive while the worker computes for minutes; must cost next to nothing."""

    def run_ended(self, run_id: str) -> None:
        """Deliver a finished run, unless delivery waits for the end of all runs."""

    def finish(self) -> None:
        """Deliver what is left after all runs have ended.

        Raises:
            NotDelivered: something keeps results from arriving; they stay in the outbox.
        """


@contextmanager
def delivering(where: Destination, state: OpenedState, say: Say) -> Iterator[Delivery]:
    """Open a delivery to the destination for the length of the block; at its end, say what was refused."""
    if isinstance(where, ResultFile):
        yield ToFile(where.path, state.outbox)
        return
    from agent.delivery.publisher import Publisher

    publisher = Publisher(where.broker, state.device_id, state.outbox, state.folder / CLIENT_FILE)
    refused = state.outbox.refused()
    try:
        if where.live:
            publisher.step()
        yield ToBroker(publisher, state.stop, where.flush_seconds, say, live=where.live)
    finally:
        publisher.close()
        for each in newly_refused(refused, state.outbox.refused()):
            were = counted(each.count, "result was refused and is", "results were refused and are")
            say(f"{were} kept here, not sent again: {printable(each.reason)}")


class ToBroker:
    """Publishes during the runs or at the end, then waits for receipts."""

    def __init__(
        self, publisher: "Publisher", stop: Stop, flush_seconds: float, say: Say, *, live: bool = True
    ) -> None:
        self._live = live
        self._publisher = publisher
        self._stop = stop
        self._flush_seconds = flush_seconds
        self._say = say
        self._reported: str | None = None
        self._noticed: str | None = None

    @property
    def delivered(self) -> int:
        """How many records a collector has confirmed."""
        return self._publisher.delivered

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said whether it still has what it confirmed."""
        return self._publisher.unanswered

    def between(self, progress: Progress) -> None:
        """Send results and read receipts. A run that waits for room needs receipts, live or not."""
        if not self._live and progress.paused is None:
            return
        self._publisher.between(progress)
        self._notice()
        problem = self._publisher.problem
        if problem is not None and problem != self._reported:
            self._say(Problem(f"{problem}; measuring continues and results are kept"))
            self._reported = problem

    def meanwhile(self) -> None:
        """Keep the connection, which a broker ends after half a minute of silence."""
        self._publisher.stay()

    def run_ended(self, run_id: str) -> None:
        """Send results and read receipts."""
        if self._live:
            self._publisher.step()

    def finish(self) -> None:
        """Wait for receipts, at most for the flush time.

        Raises:
            NotDelivered: something keeps results from arriving; a missing collector is not an error.
        """
        begun = time.monotonic()
        self._publisher.drain(min(self._flush_seconds, UNREACHED_SECONDS), self._stop)
        if self._publisher.was_connected:
            self._publisher.drain(self._flush_seconds - (time.monotonic() - begun), self._stop)
        self._notice()
        if not self._stop.asked:
            self._publisher.check()

    def _notice(self) -> None:
        notice = self._publisher.notice
        if notice is not None and notice != self._noticed:
            self._say(notice)
            self._noticed = notice


class ToFile:
    """Appends each run to a file of messages, once the run has ended."""

    def __init__(self, path: Path, outbox: Outbox) -> None:
        self._path = path
        self._outbox = outbox
        self._delivered = 0

    @property
    def delivered(self) -> int:
        """How many records were written to the file."""
        return self._delivered

    @property
    def unanswered(self) -> int:
        """Always 0: a file is not asked."""
        return 0

    def between(self, progress: Progress) -> None:
        """Do nothing: the file gets whole runs."""

    def meanwhile(self) -> None:
        """Do nothing: there is no connection to keep."""

    def run_ended(self, run_id: str) -> None:
        """Append the run to the file, then delete it from the outbox.

        Raises:
            NotDelivered: the file cannot be written; the run stays in the outbox.
        """
        self._delivered += write_waiting(self._path, self._outbox, run_id)

    def finish(self) -> None:
        """Do nothing: results that other commands left were not meant for this file."""


def write_waiting(path: Path, outbox: Outbox, run_id: str | None = None) -> int:
    """Move waiting records, of one run or of all, from the outbox to a file; return how many.

    Raises:
        NotDelivered: the file cannot be written; everything stays in the outbox.
    """
    written: dict[str, list[int]] = {}

    def messages() -> Iterator[bytes]:
        position = 0
        while rows := outbox.rows(position, MAX_RECORDS, run_id):
            packed = pack(rows, outbox.epochs(rows[0].run_id))
            position = packed.rows[-1].position
            written.setdefault(packed.rows[0].run_id, []).extend(row.seq for row in packed.rows)
            yield packed.payload

    extend(path, messages())
    # If the agent is killed here, the records are written again; a collector stores them once.
    return sum(outbox.remove(written_id, ranges_of(seqs)) for written_id, seqs in written.items())
