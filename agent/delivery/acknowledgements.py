"""Which messages a broker has not acknowledged yet (PUBACK), and how it answered the others."""

import time
from typing import Final, Literal, NamedTuple

from agent.delivery.batches import Packed

_NO_SUBSCRIBER: Final = 0x10
_FAILURE: Final = 0x80
_TOO_LARGE: Final = 0x95

Verdict = Literal["accepted", "no subscriber", "too large", "refused"]


class Acknowledgement(NamedTuple):
    """The broker's PUBACK for one message with results."""

    packed: Packed
    verdict: Verdict
    reason: str


class Acknowledgements:
    """The acknowledgements of one connection, by message id."""

    def __init__(self) -> None:
        self._sent: dict[int, tuple[Packed, float]] = {}
        self._announced: set[int] = set()
        self._acknowledged: list[Acknowledgement] = []

    def expect(self, message_id: int, packed: Packed | None) -> None:
        """Expect the acknowledgement of a message; `packed` is None for one without results."""
        if packed is None:
            self._announced.add(message_id)
        else:
            self._sent[message_id] = packed, time.monotonic()

    @property
    def missing(self) -> int:
        """Number of messages that are not acknowledged yet."""
        return len(self._sent) + len(self._announced)

    @property
    def waiting_seconds(self) -> float:
        """How long the oldest message with results has waited to be acknowledged; 0 if none waits."""
        oldest = min((at for _, at in self._sent.values()), default=None)
        return 0.0 if oldest is None else time.monotonic() - oldest

    def note(self, message_id: int, code: int, reason: str) -> None:
        """Record one acknowledgement.

        Args:
            message_id: the message's id.
            code: MQTT 5's reason code; 0x80 and above is a failure.
            reason: the same as a sentence.
        """
        self._announced.discard(message_id)
        if message_id in self._sent:
            packed, _ = self._sent.pop(message_id)
            self._acknowledged.append(Acknowledgement(packed, _verdict(code), reason))

    def acknowledged(self) -> list[Acknowledgement]:
        """The acknowledgements of results that came since the last call."""
        acknowledged, self._acknowledged = self._acknowledged, []
        return acknowledged


def _verdict(code: int) -> Verdict:
    if code == _TOO_LARGE:
        return "too large"
    if code >= _FAILURE:
        return "refused"
    return "no subscriber" if code == _NO_SUBSCRIBER else "accepted"
