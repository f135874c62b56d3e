"""Finds the record that a broker breaks the connection over, without a word, whenever it is sent.

A broker that says why it refuses a message needs none of this. MQTT 3.1.1 has no way to say it, and proxies
and brokers with a packet limit often just close. The record must not hold up those behind it, and a network
that is merely bad must not have records set aside. So after a break messages go out one at a time, and a
record is only believed guilty after it was the unanswered one in several breaks in a row, in the end in a
message of its own.
"""

from typing import Final

TRIES: Final = 5
QUICK_SECONDS: Final = 10.0
"""A break later than this after sending has other causes."""


class PoisonSearch:
    """The positions of the outbox that may hold the record, and how often a break confirmed it."""

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
        """Note a break.

        Args:
            first: position of the first record that was sent and not answered.
            last: that of the last record in the same message.
            until: that of the last record which was sent at all; up to there the guilty one must be.

        Returns:
            Whether it is a single record, and proven.
        """
        if self._breaks and first <= self._last and last >= self._first:
            self._first, self._last = max(first, self._first), min(last, self._last)
            self._breaks += 1
        else:
            self._first, self._last, self._breaks = first, last, 1
        self._until = max(self._until, until)
        return first == last and self._breaks >= TRIES

    def answered(self, last: int) -> None:
        """Note that the broker took a message: when all was taken, nothing is suspect any more."""
        if last >= self._until:
            self.clear()

    def clear(self) -> None:
        """Trust again."""
        self._first = self._last = self._until = self._breaks = 0
