"""Decides what to send next, and when to send it again. Knows the outbox and the time, not the network.

Batches are sent in the order of the outbox, a few at a time. A batch is in flight until receipts have covered
each of its records. If a receipt does not come in time, everything from the oldest record on is sent again.
The wait for it grows with each attempt and is jittered, so that a collector that is away for a day costs
little.
"""

import random
import time
from collections.abc import Callable
from itertools import takewhile
from typing import Final, NamedTuple

from agent.delivery.batches import MAX_RECORDS, Packed, inquiry, pack
from agent.delivery.inquiries import Inquiries
from agent.delivery.poison_record import QUICK_SECONDS, PoisonSearch
from agent.outbox.outbox import Outbox
from agent.outbox.rows import Row
from commandline.counted import counted
from contract.messages import MAX_MESSAGE_BYTES, Receipt, SeqRanges

MAX_IN_FLIGHT: Final = 8
"""Batches in flight: the most that a reconnect sends again, and that the broker of a slow collector holds."""
FIRST_PATIENCE_SECONDS: Final = 10.0
MAX_PATIENCE_SECONDS: Final = 300.0
FIRST_HOLD_SECONDS: Final = 1.0
MAX_HOLD_SECONDS: Final = 60.0
"""Longest pause between two attempts while nobody accepts results: a returning collector is found soon."""


class _InFlight(NamedTuple):
    packed: Packed
    seqs: frozenset[int]
    """Records that no receipt has covered yet."""
    sent_at: float
    overdue_at: float
    answered: bool = False
    """Whether the broker has acknowledged the batch; that is not delivery."""


class Sender:
    """Chooses what to send next.

    Args:
        outbox: where records wait.
        now: seconds of a monotonic clock.
        jitter: returns numbers from 0 to 1, which spread the attempts of many agents after an outage.
    """

    def __init__(
        self,
        outbox: Outbox,
        now: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._now = now
        self._jitter = jitter
        self._position = 0
        self._in_flight: list[_InFlight] = []
        self._waiting_since: float | None = None
        self._patience = FIRST_PATIENCE_SECONDS
        self._hold_seconds = FIRST_HOLD_SECONDS
        self._quiet_until = 0.0
        self._poison = PoisonSearch()
        self._learnt_max_bytes = MAX_MESSAGE_BYTES
        self._inquiries = Inquiries()
        self._device_id: str | None = None

    @property
    def waiting_since(self) -> float | None:
        """Since when no receipt has come for what was sent; None if nothing is in flight."""
        return self._waiting_since if self._in_flight else None

    def next(self, max_bytes: int = MAX_MESSAGE_BYTES) -> Packed | None:
        """The next batch to send, which is in flight from now on; None if nothing is to be sent now."""
        now = self._now()
        if self._in_flight and now >= self._in_flight[0].overdue_at:
            self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
            self.restart()
        if now < self._quiet_until or len(self._in_flight) >= MAX_IN_FLIGHT:
            return None
        if self._poison.cautious and any(not batch.answered for batch in self._in_flight):
            return None
        max_bytes = min(max_bytes, self._learnt_max_bytes)
        while rows := self._outbox.rows(self._position, MAX_RECORDS):
            packed = pack(self._combinable(rows), self._outbox.epochs(rows[0].run_id), max_bytes)
            if len(packed.payload) > max_bytes:
                most = counted(max_bytes, "byte")
                self._set_aside(packed, f"the broker accepts messages of at most {most}")
                continue
            self._position = packed.rows[-1].position
            seqs = frozenset(row.seq for row in packed.rows)
            overdue_at = now + self._jittered(self._patience)
            if self._waiting_since is None:
                self._waiting_since = now
            self._in_flight.append(_InFlight(packed, seqs, now, overdue_at))
            return packed
        return self._inquiry(now)

    @property
    def asking(self) -> bool:
        """Whether a collector is to be asked what it has, or its answer may still come."""
        return self._inquiries.open(self._now())

    @property
    def unanswered(self) -> int:
        """Of how many runs no collector has said what it has, though that is in question."""
        return self._inquiries.unanswered

    def acknowledged(self, packed: Packed) -> None:
        """Note that the broker has a message; only a receipt confirms that the collector has it."""
        self._in_flight = [
            batch._replace(answered=True) if batch.packed is packed else batch for batch in self._in_flight
        ]
        if not packed.rows:
            return
        self._poison.answered(packed.rows[-1].position)

    def too_large(self, packed: Packed) -> None:
        """Send smaller messages after the broker refused one as too large; set aside a too large record."""
        if not packed.rows:
            return
        self.restart()
        if len(packed.rows) > 1:
            self._learnt_max_bytes = max(len(packed.payload) // 2, 1)
        else:
            self._set_aside(packed, "the broker finds the record too large")

    def lost(self) -> None:
        """Start again at the oldest record after the connection ended; set aside one that is to blame."""
        in_flight = self._in_flight
        self.restart()
        self._waiting_since = None
        unanswered = next((batch for batch in in_flight if not batch.answered), None)
        if unanswered is not None and self._now() - unanswered.sent_at < QUICK_SECONDS:
            rows = unanswered.packed.rows
            until = in_flight[-1].packed.rows[-1].position
            if self._poison.broke(rows[0].position, rows[-1].position, until):
                self._set_aside(unanswered.packed, "the connection broke whenever the record was sent")
                self._poison.clear()

    def ask(self, device_id: str) -> None:
        """Ask collectors what they have of each run of which records are kept.

        Args:
            device_id: the device, whose id is in the topic.
        """
        self._device_id = device_id
        self._inquiries.ask_all(self._outbox.kept_runs(device_id), self._now())

    def reconnected(self) -> None:
        """Forget the learnt size limit: a new connection may lead to a broker with another one."""
        self._learnt_max_bytes = MAX_MESSAGE_BYTES

    def restart(self) -> None:
        """Start again at the oldest record: what was sent over the last connection may be lost."""
        self._position = 0
        self._in_flight = []

    def hold(self) -> None:
        """Send nothing for a while, then start again: nobody accepts what is sent."""
        self.restart()
        self._inquiries.drop()
        self._waiting_since = None
        self._quiet_until = self._now() + self._jittered(self._hold_seconds)
        self._hold_seconds = min(2 * self._hold_seconds, MAX_HOLD_SECONDS)

    def take(self, receipt: Receipt) -> int:
        """Note what a collector has stored, and set aside what it refuses; return how many it has stored.

        Records that it has confirmed before and lost since are sent again.
        """
        taken = 0
        for stream in receipt.streams:
            asked = self._inquiries.was_asked(stream.run_id, self._now())
            confirmed = self._outbox.confirm(receipt.collector_id, stream, asked=asked)
            taken += confirmed.taken
            self._drop_covered(stream.run_id, confirmed.covered)
            if confirmed.waiting_again:
                self.restart()
            elif confirmed.fewer and not asked:
                self._doubt(stream.run_id)
        self._waiting_since = self._now() if self._in_flight else None
        if taken:
            self._patience = FIRST_PATIENCE_SECONDS
            self._hold_seconds = FIRST_HOLD_SECONDS
            self._quiet_until = 0.0
        return taken

    def _drop_covered(self, run_id: str, ranges: SeqRanges) -> None:
        in_flight = []
        for batch in self._in_flight:
            if batch.packed.rows[0].run_id == run_id:
                seqs = {seq for seq in batch.seqs if not any(first <= seq <= last for first, last in ranges)}
                if not seqs:
                    continue
                batch = batch._replace(seqs=frozenset(seqs))
            in_flight.append(batch)
        self._in_flight = in_flight

    def _inquiry(self, now: float) -> Packed | None:
        if self._device_id is not None and self._inquiries.are_to_be_asked_again(now):
            self.ask(self._device_id)
        run = self._inquiries.next(now)
        if run is None:
            return None
        return inquiry(run, self._outbox.epochs(run.run_id), self._outbox.gone(run.run_id))

    def _doubt(self, run_id: str) -> None:
        for run in self._outbox.kept_runs(self._device_id or ""):
            if run.run_id == run_id:
                self._inquiries.ask_later(run, self._now())

    def _combinable(self, rows: list[Row]) -> list[Row]:
        """The first of the rows that may share a message."""
        if self._poison.alone(rows[0].position):
            return rows[:1]
        return list(takewhile(lambda row: not self._poison.alone(row.position), rows))

    def _set_aside(self, packed: Packed, reason: str) -> None:
        first, last = packed.rows[0], packed.rows[-1]
        self._outbox.refuse(first.run_id, first.seq, last.seq, reason)

    def _jittered(self, seconds: float) -> float:
        return seconds * (0.75 + 0.5 * self._jitter())
