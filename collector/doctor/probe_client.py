"""A connection to a broker for its checks: each request waits for the broker's answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from collector.broker.client import connect, new_client
from collector.errors import BrokerUnavailable
from commandline.broker_address import BrokerAddress
from commandline.certificate import peer_ends

PATIENCE_SECONDS: Final = 10.0


class Welcome(NamedTuple):
    """A broker's answer to a client that connects: whether it accepts the client, or why not."""

    session_present: bool
    code: Any
    properties: Any


class Ended(NamedTuple):
    """The connection has ended."""

    reason: str


class Visit:
    """A connection to a broker; each method waits for the broker's answer.

    Raises:
        BrokerUnavailable: no broker answers, or not in time.
    """

    def __init__(
        self, address: BrokerAddress, name: str, *, clean: bool = True, session_seconds: int = 0
    ) -> None:
        self._address = address
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._client = new_client(address, name, SimpleQueue())
        self._client.on_connect = lambda _c, _d, flags, code, properties: self._events.put(
            Welcome(flags.session_present, code, properties)
        )
        self._client.on_subscribe = lambda _c, _d, _mid, codes, _p: self._events.put(codes[0])
        self._client.on_disconnect = lambda _c, _d, _flags, code, _p: self._events.put(Ended(str(code)))
        self._client.on_publish = lambda _c, _d, _mid, code, _p: self._events.put(code)
        connect(self._client, address, clean_start=clean, session_seconds=session_seconds)
        try:
            self.welcome: Welcome = self._answer()
        except BrokerUnavailable:
            self.leave()
            raise

    def certificate_ends(self) -> datetime | None:
        """Return when the broker's certificate expires; None without TLS."""
        return peer_ends(self._client.socket())

    def subscribe(self, topics: str) -> Any:
        """Subscribe to topics; returns the broker's answer."""
        self._client.subscribe(topics, qos=1)
        return self._answer()

    def publish(self, name: str) -> Any:
        """Publish an empty message to a topic; returns the broker's answer."""
        self._client.publish(name, b"", qos=1)
        return self._answer()

    def leave(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _answer(self) -> Any:
        try:
            answer = self._events.get(timeout=PATIENCE_SECONDS)
        except Empty:
            raise BrokerUnavailable(f"broker {self._address} does not answer") from None
        if isinstance(answer, Ended):
            raise BrokerUnavailable(f"broker {self._address} ended the connection: {answer.reason}")
        return answer


@contextmanager
def visiting(address: BrokerAddress, name: str, **how: Any) -> Iterator[Visit]:
    """Connect to a broker, and disconnect at the end of the block."""
    visit = Visit(address, name, **how)
    try:
        yield visit
    finally:
        visit.leave()
