"""The connection to the broker: publishes batches and the agent's state, hears receipts.

It has no thread that works: `step` does what can be done without waiting and returns, so the parent decides
when the network may cost anything. Only the opening of a connection (names, TCP, TLS), which can take long
and mostly waits, runs in a thread of its own. Each connection has a new client and a new session id.
"""

import random
import threading
import time
import uuid
from typing import Any, Final

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.broker import Broker
from agent.clock import utc_now
from agent.device import agent_version
from agent.errors import NotDelivered
from agent.outbox import Outbox
from agent.run import Progress
from agent.sender import Sender
from agent.stop import Stop
from contract.codec import printable
from contract.errors import ContractError
from contract.messages import MAX_MESSAGE_BYTES, Receipt, State, decode_message, encode_message
from contract.topics import topic

KEEPALIVE_SECONDS: Final = 60
FIRST_RETRY_SECONDS: Final = 1.0
MAX_RETRY_SECONDS: Final = 20.0
GREETING_SECONDS: Final = 15.0
STATE_SECONDS: Final = 5.0
GOODBYE_SECONDS: Final = 1.0
POLL_SECONDS: Final = 0.1
_MAX_TURNS: Final = 200
_HEADER_BYTES: Final = 256
"""More than the rest of a PUBLISH packet takes beside its payload."""
_NO_SUBSCRIBER: Final = 0x10
_TAKEN_OVER: Final = 0x8E


class Uplink:
    """Delivers an outbox to whoever sends receipts for it.

    Args:
        broker: where to, and with which credentials.
        device_id: decides the topics; the outbox holds results of this device only.
        outbox: its rows leave only by receipt.
    """

    def __init__(self, broker: Broker, device_id: str, outbox: Outbox) -> None:
        self._broker = broker
        self._device_id = device_id
        self._outbox = outbox
        self._sender = Sender(outbox)
        self._client: Client | None = None
        self._dialling: threading.Thread | None = None
        self._dial_problem: str | None = None
        self._session_id = ""
        self._subscribed = False
        self._results.clear()
        self._lost = ""
        self._greeted_by = 0.0
        self._retry_at = 0.0
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._state_due_at = 0.0
        self._max_bytes = MAX_MESSAGE_BYTES
        self._heard = 0
        self._receipts: list[Receipt] = []
        self._results: set[int] = set()
        self._taken_over = False
        self.was_connected = False
        """Whether the broker has let this agent in at least once."""
        self.problem: str | None = None
        """The latest reason why results do not arrive, as one sentence; None while they do."""

    def step(self, progress: Progress | None = None, wait_seconds: float = 0.0) -> None:
        """Do what can be done now: connect, hear receipts, publish.

        Args:
            progress: goes into the agent's state.
            wait_seconds: how long to wait for the broker to say something.
        """
        if self._taken_over:
            return
        if self._client is None or self._dialling is not None:
            self._connect()
        if self._client is None or self._dialling is not None:
            return
        self._turn(wait_seconds)
        if self._subscribed and self._client is not None:
            self._announce(progress)
            self._send()
            self._turn(0.0)

    def drain(self, seconds: float, stop: Stop) -> None:
        """Step until nothing waits, the time is up, a signal comes, or the device's id was taken over."""
        deadline = time.monotonic() + seconds
        while self._outbox.pending() and time.monotonic() < deadline and not stop.asked:
            if self._taken_over:
                return
            self.step(wait_seconds=POLL_SECONDS)
            if self._client is None or self._dialling is not None:
                stop.wait(POLL_SECONDS)

    def check(self) -> None:
        """Return, or say what keeps results from arriving. A collector that is not there is no problem.

        Raises:
            NotDelivered: the broker was never reached, refuses something, or knows another agent as this one.
        """
        pending = self._outbox.pending()
        if pending and self.problem is not None:
            raise NotDelivered(f"{self.problem}; {pending} results are kept in the outbox")

    def close(self) -> None:
        """Say goodbye, if anyone listens."""
        client = self._client
        if client is None or self._dialling is not None:
            return
        if self._subscribed:
            self._publish_state("disconnected", None)
            deadline = time.monotonic() + GOODBYE_SECONDS
            while client.want_write() and time.monotonic() < deadline:
                if client.loop(POLL_SECONDS) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                    break
        client.disconnect()
        self._client = None

    def _connect(self) -> None:
        if self._dialling is not None:
            if self._dialling.is_alive():
                return
            self._dialling = None
            if self._dial_problem is not None:
                self._drop(f"cannot reach {self._broker.shown}: {self._dial_problem}")
        elif time.monotonic() >= self._retry_at:
            self._client = self._new_client()
            self._dialling = threading.Thread(target=self._dial, args=(self._client,), daemon=True)
            self._dialling.start()

    def _new_client(self) -> Client:
        self._session_id = uuid.uuid4().hex
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"distilbench-agent-{self._device_id}", protocol=MQTTv5
        )
        if self._broker.user is not None:
            password = self._broker.password
            client.username_pw_set(self._broker.user, password.reveal() if password else None)
        will = State(
            device_id=self._device_id,
            session_id=self._session_id,
            state="lost",
            reason="the connection broke",
            agent_version=agent_version(),
        )
        client.will_set(topic(self._device_id, "state"), encode_message(will), qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        self._subscribed = False
        self._results.clear()
        self._lost = ""
        self._greeted_by = time.monotonic() + GREETING_SECONDS
        return client

    def _dial(self, client: Client) -> None:
        self._dial_problem = None
        try:
            if self._broker.tls:
                client.tls_set(ca_certs=str(self._broker.ca_file) if self._broker.ca_file else None)
            client.connect(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # a certificate that does not fit is a ValueError too
            self._dial_problem = printable(getattr(error, "strerror", None) or str(error))

    def _turn(self, wait_seconds: float) -> None:
        for _ in range(_MAX_TURNS):
            if self._client is None:
                return
            heard = self._heard
            result = self._client.loop(wait_seconds)
            wait_seconds = 0.0
            if self._lost or result != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._drop(self._lost or f"the connection to {self._broker.shown} broke")
                return
            if heard == self._heard and not self._client.want_write():
                break
        for receipt in self._receipts:
            if self._sender.take(receipt):
                self.problem = None
        self._receipts.clear()
        if not self._subscribed and time.monotonic() > self._greeted_by:
            self._drop(f"{self._broker.shown} does not answer")

    def _send(self) -> None:
        assert self._client is not None
        while (packed := self._sender.next(self._max_bytes)) is not None:
            sent = self._client.publish(topic(self._device_id, "results"), packed.payload, qos=1)
            self._results.add(sent.mid)

    def _announce(self, progress: Progress | None) -> None:
        if time.monotonic() >= self._state_due_at:
            self._publish_state("connected", progress)
            self._state_due_at = time.monotonic() + STATE_SECONDS

    def _publish_state(self, state: Any, progress: Progress | None) -> None:
        assert self._client is not None
        summary = self._outbox.summary()
        message = State(
            device_id=self._device_id,
            session_id=self._session_id,
            state=state,
            at=utc_now(),
            agent_version=agent_version(),
            pending=summary.pending,
            dropped=summary.dropped,
            run_id=progress.run_id if progress else None,
            answered=progress.answered if progress else None,
            selected=progress.selected if progress else None,
            temperature_celsius=progress.temperature_celsius if progress else None,
        )
        self._client.publish(topic(self._device_id, "state"), encode_message(message), qos=1, retain=True)

    def _drop(self, problem: str) -> None:
        self.problem = problem
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
        self._subscribed = False
        self._sender.restart()
        jitter = random.random()  # noqa: S311 - spreads reconnects, guards nothing
        self._retry_at = time.monotonic() + self._retry_seconds * (0.5 + 0.5 * jitter)
        self._retry_seconds = min(2 * self._retry_seconds, MAX_RETRY_SECONDS)

    def _on_connect(
        self,
        client: Client,
        _: object,
        flags: ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        self._heard += 1
        if reason.is_failure:
            self._lost = f"{self._broker.shown} does not let this agent in: {reason}"
            return
        limit = getattr(properties, "MaximumPacketSize", None)
        self._max_bytes = min(MAX_MESSAGE_BYTES, limit - _HEADER_BYTES) if limit else MAX_MESSAGE_BYTES
        client.subscribe(topic(self._device_id, "receipts"), qos=1)

    def _on_subscribe(
        self, client: Client, _: object, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._heard += 1
        if reasons[0].is_failure:
            self._lost = (
                f"{self._broker.shown} does not let '{self._device_id}' read its receipts: {reasons[0]}"
            )
            return
        self._subscribed = True
        self.was_connected = True
        self.problem = None
        self._retry_seconds = FIRST_RETRY_SECONDS
        self._state_due_at = 0.0

    def _on_publish(
        self, client: Client, _: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._heard += 1
        if mid not in self._results:
            return
        self._results.remove(mid)
        if reason.is_failure:
            self.problem = f"{self._broker.shown} does not take results of '{self._device_id}': {reason}"
        if reason.is_failure or reason.value == _NO_SUBSCRIBER:
            self._sender.hold()

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        self._heard += 1
        try:
            receipt = decode_message(bytes(message.payload))
        except ContractError as error:
            self.problem = f"a receipt cannot be read: {error}"
            return
        if isinstance(receipt, Receipt) and receipt.device_id == self._device_id:
            self._receipts.append(receipt)

    def _on_disconnect(
        self,
        client: Client,
        _: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is not self._client:
            return
        if reason.value == _TAKEN_OVER:
            self._taken_over = True
            self._lost = (
                f"another agent has connected to {self._broker.shown} as '{self._device_id}': "
                "give each device an id of its own with --device-id"
            )
        self._lost = self._lost or f"{self._broker.shown} ended the connection: {reason}"
