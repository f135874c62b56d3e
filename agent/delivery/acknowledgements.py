"""What a broker has not acknowledged yet (PUBACK), and what it said of the rest."""

import time
from typing import Final, Literal, NamedTuple

from agent.delivery.batches import Packed

_NO_SUBSCRIBER: Final = 0x10
_FAILURE: Final = 0x80
_TOO_LARGE: Final = 0x95

Verdict = Literal["taken", "unheard", "too large", "refused"]


class Acknowledgement(NamedTuple):
    """The broker's PUBACK for one message with results."""

    packed: Packed
    verdict: Verdict
    reason: str


class Acknowledgements:
    """Of one connection, by the ids of its messages."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Packed, float]] = {}
        self._announced: set[int] = set()
        self._acknowledged: list[Acknowledgement] = []

    def expect(self, message_id: int, packed: Packed | None) -> None:
        """Wait for that of a message with results, or of another one."""
        if packed is None:
            self._announced.add(message_id)
        else:
            self._sent[message_id] = packed, time.monotonic()

    @property
    def missing(self) -> int:
        """Messages that are not acknowledged."""
        return len(self._sent) + len(self._announced)

    @property
    def waiting_seconds(self) -> float:
        """For how long the oldest message with results has not been acknowledged; 0 where all are."""
        oldest = min((at for _, at in self._sent.values()), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def note(self, message_id: int, code: int, said: str) -> None:
        """Note one.

        Args:
            message_id: of which message.
            code: MQTT 5's reason code; from 0x80 on it is a failure.
            said: the same as a sentence.
        """
        self._announced.discard(message_id)
        if message_id in self._sent:
            packed, _ = self._sent.pop(message_id)
            self._acknowledged.append(Acknowledgement(packed, _verdict(code), said))

    def acknowledged(self) -> list[Acknowledgement]:
        """The acknowledgements of results that came since the last call."""
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged


def _verdict(code: int) -> Verdict:
    if code == _TOO_LARGE:
        return "too large"
    if code >= _FAILURE:
        return "refused"
    return "unheard" if code == _NO_SUBSCRIBER else "taken"
