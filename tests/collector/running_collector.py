"""`collector serve` as a process of its own, and a device that talks to it."""

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from paho.mqtt.client import Client, MQTTMessage, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from commandline.broker_address import BrokerAddress
from commandline.connection.tls import tls_context
from contract.messages import Batch, Receipt, State, decode_message, encode_message
from contract.topics import topic
from tests.canary import look
from tests.one_name import Place, named

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 90.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(0.01)


class Collector:
    """A process. Leaving the block kills it.

    Args:
        arguments: those of `collector serve`.
        places: where the host name `tests.one_name.NAME` leads to for it.
        program: Python code in place of the package, for a collector that is slow or otherwise odd.
    """

    def __init__(
        self, *arguments: str | Path, places: Sequence[Place] = (), program: str | None = None
    ) -> None:
        command = named(places, "collector", "serve", *arguments)
        if program is not None:
            command = [sys.executable, "-c", program, "serve", *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        assert self.process.stderr is not None
        self.said: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self.process.stderr,))
        self._reader.start()
        wait_until(lambda: self.said or self.process.poll() is not None, "the ready line")

    def _read(self, stderr: Iterator[str]) -> None:
        for line in stderr:
            look(line, "what a collector said")
            self.said.append(line.rstrip("\n"))

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.ended()

    def ended(self) -> int:
        """Wait until it has ended and all that it said was read; its exit status."""
        code = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        return code

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.end(signal.SIGKILL)
        assert self.process.stderr is not None
        self._reader.join(PATIENCE_SECONDS)
        self.process.stderr.close()


class Device:
    """A client that publishes batches and keeps the receipts it gets."""

    def __init__(self, client: Client, device_id: str) -> None:
        self.receipts: list[Receipt] = []
        self._client, self._device_id = client, device_id
        client.on_message = self._on_message

    def _on_message(self, _client: Client, _data: object, message: MQTTMessage) -> None:
        receipt = decode_message(bytes(message.payload))
        assert isinstance(receipt, Receipt)
        self.receipts.append(receipt)

    def publish(self, *messages: Batch) -> None:
        self.publish_bytes(*map(encode_message, messages))

    def publish_bytes(self, *payloads: bytes) -> None:
        for payload in payloads:
            info = self._client.publish(topic(self._device_id, "results"), payload, qos=1)
            info.wait_for_publish(PATIENCE_SECONDS)

    def retain(self, state: State) -> None:
        info = self._client.publish(
            topic(self._device_id, "state"), encode_message(state), qos=1, retain=True
        )
        info.wait_for_publish(PATIENCE_SECONDS)

    def has_receipt_through(self, run_id: str, seq: int) -> bool:
        return any(s.run_id == run_id and s.through >= seq for r in self.receipts for s in r.streams)


@contextmanager
def connected_device(
    address: BrokerAddress, device_id: str = "pi-5", also: Sequence[str] = ()
) -> Iterator[Device]:
    """A device that reads its receipts, and tries to read other topics as well."""
    client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    device = Device(client, device_id)
    subscribed = threading.Event()
    client.on_subscribe = lambda *_: subscribed.set()
    if address.user is not None and address.password is not None:
        client.username_pw_set(address.user, address.password.reveal())
    if address.tls:
        client.tls_set_context(tls_context(address))
    client.connect(address.host, address.port)
    client.loop_start()
    try:
        client.subscribe(topic(device_id, "receipts"), qos=1)
        for other in also:
            client.subscribe(other, qos=1)
        assert subscribed.wait(PATIENCE_SECONDS)
        yield device
    finally:
        client.disconnect()
        client.loop_stop()
