"""Decides what to send next, and when to send it again. Knows the outbox and the time, not the network.

Batches go out in the order of the outbox, a few at a time. A batch is in flight until receipts have covered
each of its records; what no receipt covers in time is sent again, from the oldest on, with ever longer and
jittered patience, so that a collector that is away for a day costs little.
"""

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from agent.batches import MAX_RECORDS, Packed, pack
from agent.outbox import Outbox
from contract.messages import MAX_MESSAGE_BYTES, Receipt, Stream

MAX_IN_FLIGHT: Final = 8
"""Batches: what a reconnect sends again at most, and what a slow collector's broker has to hold."""
FIRST_PATIENCE_SECONDS: Final = 10.0
MAX_PATIENCE_SECONDS: Final = 300.0


class _InFlight(NamedTuple):
    run_id: str
    seqs: frozenset[int]
    overdue_at: float


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
        self._patience = FIRST_PATIENCE_SECONDS
        self._quiet_until = 0.0

    def next(self, max_bytes: int = MAX_MESSAGE_BYTES) -> Packed | None:
        """The next batch to send, from now on in flight; None when there is nothing to send now."""
        now = self._now()
        if self._in_flight and now >= self._in_flight[0].overdue_at:
            self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)
            self.restart()
        if now < self._quiet_until or len(self._in_flight) >= MAX_IN_FLIGHT:
            return None
        rows = self._outbox.rows(self._position, MAX_RECORDS)
        if not rows:
            return None
        packed = pack(rows, max_bytes)
        self._position = packed.rows[-1].position
        seqs = frozenset(row.seq for row in packed.rows)
        self._in_flight.append(_InFlight(rows[0].run_id, seqs, now + self._jittered(self._patience)))
        return packed

    def restart(self) -> None:
        """Begin again at the oldest record: a new connection knows nothing of what was sent over the last."""
        self._position = 0
        self._in_flight.clear()

    def hold(self) -> None:
        """Send nothing for a while, then begin again: nobody takes what is sent."""
        self.restart()
        self._quiet_until = self._now() + self._jittered(self._patience)
        self._patience = min(2 * self._patience, MAX_PATIENCE_SECONDS)

    def take(self, receipt: Receipt) -> int:
        """Forget what a collector has committed, set aside what it refuses; returns how many it has."""
        taken = 0
        for stream in receipt.streams:
            for refusal in stream.refused:
                self._outbox.refuse(stream.run_id, refusal.first_seq, refusal.last_seq, refusal.reason)
            taken += self._outbox.remove(stream.run_id, stream.stored)
            self._land(stream)
        if taken:
            self._patience = FIRST_PATIENCE_SECONDS
            self._quiet_until = 0.0
        return taken

    def _land(self, stream: Stream) -> None:
        ranges = [*stream.stored, *((refusal.first_seq, refusal.last_seq) for refusal in stream.refused)]
        still = []
        for batch in self._in_flight:
            if batch.run_id == stream.run_id:
                left = {seq for seq in batch.seqs if not any(first <= seq <= last for first, last in ranges)}
                if not left:
                    continue
                batch = batch._replace(seqs=frozenset(left))
            still.append(batch)
        self._in_flight = still

    def _jittered(self, seconds: float) -> float:
        return seconds * (0.75 + 0.5 * self._jitter())
