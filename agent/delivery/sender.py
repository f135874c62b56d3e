"""Decides what to send next, and when to send it again. Knows the outbox and the time, not the network.

Batches go out in the order of the outbox, a few at a time. A batch is in flight until receipts have covered
each of its records; what no receipt covers in time is sent again, from the oldest on, with ever longer and
jittered patience, so that a collector that is away for a day costs little.
"""

import random
import time
from collections.abc import Callable
from itertools import takewhile
from typing import Final, NamedTuple

from agent.delivery.batches import MAX_RECORDS, Packed, pack
from agent.delivery.poison_record import QUICK_SECONDS, PoisonSearch
from agent.outbox.outbox import Outbox, Row
from contract.messages import MAX_MESSAGE_BYTES, Receipt, Stream

MAX_IN_FLIGHT: Final = 8
"""Batches: what a reconnect sends again at most, and what a slow collector's broker has to hold."""
FIRST_PATIENCE_SECONDS: Final = 10.0
MAX_PATIENCE_SECONDS: Final = 300.0
FIRST_HOLD_SECONDS: Final = 1.0
MAX_HOLD_SECONDS: Final = 60.0
"""Between two tries while nobody takes what is sent: a collector that is back is found soon."""


class _InFlight(NamedTuple):
    packed: Packed
    seqs: frozenset[int]
    """Those that no receipt has covered yet."""
    sent_at: float
    overdue_at: float
    answered: bool = False
    """Whether the broker has acknowledged it; that is not delivery."""


class Sender:
    """The order of sending.

    Args:
        outbox: where records wait.
        now: seconds of a clock that never goes back.
        jitter: gives numbers from 0 to 1, to spread what many agents do after an outage.
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

    @property
    def waiting_since(self) -> float | None:
        """Since when nothing is receipted of what is sent; None when nothing is in flight."""
        return self._waiting_since if self._in_flight else None

    def next(self, max_bytes: int = MAX_MESSAGE_BYTES) -> Packed | None:
        """The next batch to send, from now on in flight; None when there is nothing to send now."""
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
            packed = pack(self._apart(rows), max_bytes)
            if len(packed.payload) > max_bytes:
                self._set_aside(packed, f"the broker takes messages of at most {max_bytes} bytes")
                continue
            self._position = packed.rows[-1].position
            seqs = frozenset(row.seq for row in packed.rows)
            overdue_at = now + self._jittered(self._patience)
            if self._waiting_since is None:
                self._waiting_since = now
            self._in_flight.append(_InFlight(packed, seqs, now, overdue_at))
            return packed
        return None

    def acknowledged(self, packed: Packed) -> None:
        """The broker has a message; only a receipt says that the collector does."""
        self._in_flight = [
            batch._replace(answered=True) if batch.packed is packed else batch for batch in self._in_flight
        ]
        self._poison.answered(packed.rows[-1].position)

    def too_large(self, packed: Packed) -> None:
        """The broker finds a message too large: send smaller ones, and set aside what cannot be cut."""
        self.restart()
        if len(packed.rows) > 1:
            self._learnt_max_bytes = max(len(packed.payload) // 2, 1)
        else:
            self._set_aside(packed, "the broker finds the record too large")

    def lost(self) -> None:
        """The connection ended: begin again at the oldest record, unless one is to blame for it."""
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

    def reconnected(self) -> None:
        """A new connection may have a new broker behind it, with other limits."""
        self._learnt_max_bytes = MAX_MESSAGE_BYTES

    def restart(self) -> None:
        """Begin again at the oldest record: a new connection knows nothing of what was sent over the last."""
        self._position = 0
        self._in_flight = []

    def hold(self) -> None:
        """Send nothing for a while, then begin again: nobody takes what is sent."""
        self.restart()
        self._waiting_since = None
        self._quiet_until = self._now() + self._jittered(self._hold_seconds)
        self._hold_seconds = min(2 * self._hold_seconds, MAX_HOLD_SECONDS)

    def take(self, receipt: Receipt) -> int:
        """Forget what a collector has committed, set aside what it refuses; returns how many it has."""
        taken = 0
        for stream in receipt.streams:
            for refusal in stream.refused:
                self._outbox.refuse(stream.run_id, refusal.first_seq, refusal.last_seq, refusal.reason)
            taken += self._outbox.remove(stream.run_id, stream.stored)
            self._land(stream)
        self._waiting_since = self._now() if self._in_flight else None
        if taken:
            self._patience = FIRST_PATIENCE_SECONDS
            self._hold_seconds = FIRST_HOLD_SECONDS
            self._quiet_until = 0.0
        return taken

    def _land(self, stream: Stream) -> None:
        ranges = [*stream.stored, *((refusal.first_seq, refusal.last_seq) for refusal in stream.refused)]
        still = []
        for batch in self._in_flight:
            if batch.packed.rows[0].run_id == stream.run_id:
                left = {seq for seq in batch.seqs if not any(first <= seq <= last for first, last in ranges)}
                if not left:
                    continue
                batch = batch._replace(seqs=frozenset(left))
            still.append(batch)
        self._in_flight = still

    def _apart(self, rows: list[Row]) -> list[Row]:
        """The first of the rows that may share a message."""
        if self._poison.alone(rows[0].position):
            return rows[:1]
        return list(takewhile(lambda row: not self._poison.alone(row.position), rows))

    def _set_aside(self, packed: Packed, reason: str) -> None:
        first, last = packed.rows[0], packed.rows[-1]
        self._outbox.refuse(first.run_id, first.seq, last.seq, reason)

    def _jittered(self, seconds: float) -> float:
        return seconds * (0.75 + 0.5 * self._jitter())
