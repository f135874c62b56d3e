"""A short connection to a broker, to find out about it: each request waits for the broker's answer."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from collector.broker.client import connect, new_client
from collector.errors import BrokerUnavailable
from commandline.broker_address import BrokerAddress
from commandline.certificate import peer_ends
from commandline.connection.advice import advice_of_port, advice_on
from commandline.mqtt_client import client_id, new_secret

PATIENCE_SECONDS: Final = 10.0
_NO_MQTT_5: Final = 0x84


class Welcome(NamedTuple):
    """A broker's answer to a client that connects: whether it accepts the client, or why not."""

    session_present: bool
    code: Any
    properties: Any


class Ended(NamedTuple):
    """The connection has ended."""

    reason: str


class NoAnswer(BrokerUnavailable):
    """The broker was reached, but it said nothing or ended the connection."""


class Visit:
    """A connection to a broker; each method waits for the broker's answer.

    Raises:
        BrokerUnavailable: no broker answers, or not in time.
    """

    def __init__(
        self,
        address: BrokerAddress,
        name: str,
        *,
        clean: bool = True,
        session_seconds: int = 0,
        older: bool = False,
    ) -> None:
        self._address = address
        self._events: SimpleQueue[Any] = SimpleQueue()
        self._client = new_client(
            address, name, SimpleQueue(), older=older, persistent=session_seconds > 0 or not clean
        )
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

    @property
    def is_connected(self) -> bool:
        """Whether the connection is open."""
        return bool(self._client.is_connected())

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
            raise NoAnswer(f"broker {self._address} does not answer") from None
        if isinstance(answer, Ended):
            raise NoAnswer(f"broker {self._address} ended the connection: {answer.reason}")
        return answer


@contextmanager
def visiting(address: BrokerAddress, name: str, **how: Any) -> Iterator[Visit]:
    """Connect to a broker, and disconnect at the end of the block."""
    visit = Visit(address, name, **how)
    try:
        yield visit
    finally:
        visit.leave()


def speaks_older(address: BrokerAddress) -> bool:
    """Find out whether a broker speaks MQTT 3.1.1 and not 5.

    Some refuse MQTT 5 by its name. Others take it for a broken 3.1.1, and hang up or never answer.

    Raises:
        BrokerUnavailable: the broker answers to neither; the message says what to do.
        BadInput: the certificates of the address cannot be used.
    """
    try:
        with visiting(address, client_id("doctor", new_secret())) as visit:
            return int(visit.welcome.code.value) == _NO_MQTT_5
    except BrokerUnavailable as error:
        if isinstance(error, NoAnswer) and _lets_older_in(address):
            return True
        advice = advice_on(address, str(error)) or advice_of_port(address)
        raise BrokerUnavailable(str(error), advice) from None


def _lets_older_in(address: BrokerAddress) -> bool:
    try:
        with visiting(address, client_id("doctor", new_secret()), older=True) as visit:
            return not visit.welcome.code.is_failure
    except BrokerUnavailable:
        return False
