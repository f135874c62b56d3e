"""One connection to the broker, from its opening to its loss: publishes for one device, hears its receipts.

It has no thread that works: `turn` does what can be done now and returns, so the parent decides when the
network may cost anything. Only the opening of a connection (names, TCP, TLS), which can take long and mostly
waits, runs in a thread of its own. The only importer of paho.
"""

import threading
import time
from typing import Final, Literal

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.broker import Broker
from contract.codec import printable
from contract.messages import MAX_MESSAGE_BYTES
from contract.topics import Channel, topic

KEEPALIVE_SECONDS: Final = 60
GREETING_SECONDS: Final = 15.0
GOODBYE_SECONDS: Final = 1.0
_POLL_SECONDS: Final = 0.05
_MAX_TURNS: Final = 200
_HEADER_BYTES: Final = 256
"""More than the rest of a PUBLISH packet takes beside its payload."""
_NO_SUBSCRIBER: Final = 0x10
_TAKEN_OVER: Final = 0x8E

Phase = Literal["dialling", "greeting", "ready", "lost"]


class Uplink:
    """A connection that is being opened, is open or is lost; it is never opened twice.

    Args:
        broker: where to, and with which credentials.
        device_id: decides the topics and the client's name.
        will: what the broker says in the agent's state when the connection breaks.
    """

    def __init__(self, broker: Broker, device_id: str, will: bytes) -> None:
        self._broker = broker
        self._device_id = device_id
        self.phase: Phase = "dialling"
        self.problem = ""
        """Why it is lost, as one sentence."""
        self.taken_over = False
        """Whether it is lost to another agent with the same device id."""
        self.max_bytes = MAX_MESSAGE_BYTES
        """Of a payload: the contract's limit, or the broker's if that is less."""
        self._heard = 0
        self._receipts: list[bytes] = []
        self._results: set[int] = set()
        self._refusal: str | None = None
        self._unheard = False
        self._dial_problem = ""
        self._greeted_by = time.monotonic() + GREETING_SECONDS
        self._client = self._new_client(will)
        self._dialling = threading.Thread(target=self._dial, daemon=True)
        self._dialling.start()

    def turn(self, wait_seconds: float = 0.0) -> None:
        """Read and write what can be read and written, after waiting at most so long for the broker."""
        if self.phase == "dialling":
            self._dialling.join(wait_seconds)
            if self._dialling.is_alive():
                return
            if self._dial_problem:
                self._lose(f"cannot reach {self._broker.shown}: {self._dial_problem}")
                return
            self.phase = "greeting"
        for _ in range(_MAX_TURNS):
            if self.phase == "lost":
                return
            heard = self._heard
            if self._client.loop(wait_seconds) != MQTTErrorCode.MQTT_ERR_SUCCESS:
                self._lose(f"the connection to {self._broker.shown} broke")
            wait_seconds = 0.0
            if heard == self._heard and not self._client.want_write():
                break
        if self.phase == "greeting" and time.monotonic() > self._greeted_by:
            self._lose(f"{self._broker.shown} does not answer")

    def publish(self, channel: Channel, payload: bytes, *, retain: bool = False) -> None:
        """Hand a message to the broker; what it says of results is told by `refusal` and `unheard`."""
        sent = self._client.publish(topic(self._device_id, channel), payload, qos=1, retain=retain)
        if channel == "results":
            self._results.add(sent.mid)

    def receipts(self) -> list[bytes]:
        """The receipts' payloads that came since the last call."""
        heard, self._receipts = self._receipts, []
        return heard

    def refusal(self) -> str | None:
        """Why the broker did not take results since the last call, as one sentence; None if it took them."""
        refusal, self._refusal = self._refusal, None
        return refusal

    def unheard(self) -> bool:
        """Whether the broker had nobody to pass results on to, since the last call."""
        unheard, self._unheard = self._unheard, False
        return unheard

    def close(self) -> None:
        """Send what was published and say goodbye, so that the will is not said."""
        if self.phase == "ready":
            deadline = time.monotonic() + GOODBYE_SECONDS
            while self.phase == "ready" and self._client.want_write() and time.monotonic() < deadline:
                self.turn(_POLL_SECONDS)
        if self.phase in ("greeting", "ready"):
            self._lose("this agent said goodbye")

    def _new_client(self, will: bytes) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2, client_id=f"distilbench-agent-{self._device_id}", protocol=MQTTv5
        )
        if self._broker.user is not None:
            password = self._broker.password
            client.username_pw_set(self._broker.user, password.reveal() if password else None)
        client.will_set(topic(self._device_id, "state"), will, qos=1, retain=True)
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_disconnect = self._on_disconnect
        return client

    def _dial(self) -> None:
        try:
            if self._broker.tls:
                self._client.tls_set(ca_certs=str(self._broker.ca_file) if self._broker.ca_file else None)
            self._client.connect(self._broker.host, self._broker.port, KEEPALIVE_SECONDS)
        except (OSError, ValueError) as error:  # a certificate that does not fit is a ValueError too
            self._dial_problem = printable(getattr(error, "strerror", None) or str(error) or repr(error))

    def _lose(self, problem: str) -> None:
        if self.phase == "lost":
            return
        self.phase = "lost"
        self.problem = problem
        self._client.disconnect()

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
            self._lose(f"{self._broker.shown} does not let this agent in: {reason}")
            return
        limit = getattr(properties, "MaximumPacketSize", None)
        if limit is not None:
            self.max_bytes = min(self.max_bytes, limit - _HEADER_BYTES)
        client.subscribe(topic(self._device_id, "receipts"), qos=1)

    def _on_subscribe(
        self, client: Client, _: object, mid: int, reasons: list[ReasonCode], properties: Properties | None
    ) -> None:
        self._heard += 1
        if reasons[0].is_failure:
            self._lose(
                f"{self._broker.shown} does not let '{self._device_id}' read its receipts: {reasons[0]}"
            )
        else:
            self.phase = "ready"

    def _on_publish(
        self, client: Client, _: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._heard += 1
        if mid not in self._results:
            return
        self._results.remove(mid)
        if reason.is_failure:
            self._refusal = f"{self._broker.shown} does not take results of '{self._device_id}': {reason}"
        elif reason.value == _NO_SUBSCRIBER:
            self._unheard = True

    def _on_message(self, client: Client, _: object, message: MQTTMessage) -> None:
        self._heard += 1
        self._receipts.append(bytes(message.payload))

    def _on_disconnect(
        self,
        client: Client,
        _: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.value == _TAKEN_OVER:
            self.taken_over = True
            self._lose(
                f"another agent has connected to {self._broker.shown} as '{self._device_id}': "
                "give each device an id of its own with --device-id"
            )
        self._lose(f"{self._broker.shown} ended the connection: {reason}")
