"""Finds the record over which a broker closes the connection, without a reason, whenever it is sent.

A broker that gives a reason when it refuses a message needs none of this. But MQTT 3.1.1 has no way to give
one, and proxies and brokers with a packet limit often just close the connection. Such a record must not block
the ones after it, and a bad network must not cause records to be set aside. So after a break, messages are
sent one at a time. A record is blamed only after it was the unanswered one in several breaks in a row, the
last of them in a message of its own.
"""

from typing import Final

TRIES: Final = 5
"""Breaks in a row after which a record is blamed."""
QUICK_SECONDS: Final = 10.0
"""A break that comes later than this after sending has other causes."""


class PoisonSearch:
    """Tracks which positions of the outbox may hold the record, and how many breaks have confirmed it."""

    def __init__(self) -> None:
        self._first = self._last = self._until = self._breaks = 0

    @property
    def cautious(self) -> bool:
        """Whether a message must be answered before the next one is sent."""
        return self._breaks > 0

    def alone(self, position: int) -> bool:
        """Whether the record at a position must be sent in a message of its own."""
        return self._breaks > 1 and self._first <= position <= self._last

    def broke(self, first: int, last: int, until: int) -> bool:
        """Note that the connection broke.

        Args:
            first: position of the first record that was sent and not answered.
            last: position of the last record in the same message.
            until: position of the last record that was sent at all; the record to blame is not after it.

        Returns:
            Whether a single record is to blame.
        """
        if self._breaks and first <= self._last and last >= self._first:
            self._first, self._last = max(first, self._first), min(last, self._last)
            self._breaks += 1
        else:
            self._first, self._last, self._breaks = first, last, 1
        self._until = max(self._until, until)
        return first == last and self._breaks >= TRIES

    def answered(self, last: int) -> None:
        """Note that the broker accepted a message; once it has accepted all, no record is suspect."""
        if last >= self._until:
            self.clear()

    def clear(self) -> None:
        """Suspect no record any more."""
        self._first = self._last = self._until = self._breaks = 0
