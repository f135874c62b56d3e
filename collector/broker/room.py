"""The room for messages that wait to be stored, and each device's share of it.

Without shares, a device that sends faster than the collector stores would fill the room and then the broker's
queue, which drops what others send.
"""

import threading
from collections import Counter
from typing import Final

SHARE: Final = 0.25
"""How much of the room one device may take. An agent takes less while results are stored: it has at
most eight batches in flight."""


class Room:
    """How much of the room is taken, in messages and in bytes; threads may share it.

    Args:
        messages: the number of messages that may wait.
        size_bytes: the number of bytes that may wait.
    """

    def __init__(self, messages: int, size_bytes: int) -> None:
        self._messages, self._bytes = messages, size_bytes
        self._counts: Counter[str | None] = Counter()
        self._sizes: Counter[str | None] = Counter()
        self._taken_bytes = 0
        self._lock = threading.Lock()

    @property
    def taken_bytes(self) -> int:
        """The bytes that wait now."""
        return self._taken_bytes

    def take(self, sender: str | None, size: int) -> bool:
        """Take room for a message, unless its sender has more than its share with it.

        A single message always has room: one that is too large is to be refused by name.

        Args:
            sender: whose message it is.
            size: its bytes.

        Returns:
            Whether the message may wait.
        """
        with self._lock:
            messages, size_bytes = self._counts[sender] + 1, self._sizes[sender] + size
            if self._counts[sender] and max(messages / self._messages, size_bytes / self._bytes) > SHARE:
                return False
            self._counts[sender], self._sizes[sender] = messages, size_bytes
            self._taken_bytes += size
            return True

    def free(self, sender: str | None, size: int) -> None:
        """Free the room of a message that has been stored."""
        with self._lock:
            self._counts[sender] -= 1
            self._sizes[sender] -= size
            self._taken_bytes -= size
            if not self._counts[sender]:
                del self._counts[sender], self._sizes[sender]
