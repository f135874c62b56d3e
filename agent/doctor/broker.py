"""Does a broker let this device in, take its results and bring receipts? Asked by `agent doctor`."""

import time
import uuid
from collections.abc import Iterator
from typing import Final

from agent.delivery.batches import Packed
from agent.delivery.mqtt_version import MqttVersion
from agent.delivery.uplink import GREETING_SECONDS, Uplink
from agent.outbox.summary import LinkState
from commandline.broker_address import BrokerAddress
from commandline.certificate import end_of, end_of_file
from commandline.finding import Finding
from contract.errors import ContractError
from contract.messages import MAX_MESSAGE_BYTES, Batch, Receipt, decode_message, encode_message

RECEIPT_SECONDS: Final = 5.0
_FEW: Final = 10
"""Fewer unacknowledged messages slow delivery down."""
_POLL_SECONDS: Final = 0.05
_ADVICE: Final[dict[LinkState, str]] = {
    "unreachable": "check host, port and network, and whether the broker runs",
    "not let in": "check the user name and --password-file",
    "certificate refused": "check --ca-file, --cert-file and their dates",
    "may not read": "let this device read its receipts: deploy/mosquitto/acl",
}


def probe(broker: BrokerAddress, device_id: str) -> Iterator[Finding]:
    """All checks of one broker. It is called by another client's name than that of an agent at work.

    Args:
        broker: where to, with its credentials.
        device_id: decides the topics.
    """
    if broker.cert_file is not None:
        yield end_of_file("certificate", "this device's certificate", broker.cert_file)
    version = MqttVersion()
    uplink = _connected(broker, device_id, older=False)
    if uplink.phase == "lost":
        version.lost(wants_older=uplink.wants_older, silent=uplink.silent)
    if version.older:
        second = _connected(broker, device_id, older=True)
        # One that stays away whatever it is asked is told by what it did the first time.
        uplink = second if second.phase == "ready" or uplink.wants_older else uplink
    if uplink.phase != "ready" or uplink.connack is None:
        yield Finding(
            about="broker", level="fail", what=uplink.problem, advice=_ADVICE.get(uplink.link, "see its log")
        )
        return
    try:
        yield from _greeting(uplink, broker)
        yield from _delivery(uplink, broker, device_id)
    finally:
        uplink.close()


def _connected(broker: BrokerAddress, device_id: str, *, older: bool) -> Uplink:
    uplink = Uplink(broker, device_id, None, older=older, role="doctor")
    deadline = time.monotonic() + GREETING_SECONDS
    while uplink.phase not in {"ready", "lost"}:  # a greeting that does not come is a loss by itself
        uplink.turn(_POLL_SECONDS)
        if uplink.phase == "dialling" and time.monotonic() > deadline:
            uplink.abandon(f"{broker} cannot be reached within {GREETING_SECONDS:.0f} seconds")
    return uplink


def _greeting(uplink: Uplink, broker: BrokerAddress) -> Iterator[Finding]:
    greeting = uplink.connack
    assert greeting is not None, "it is ready"
    who = f"as '{broker.user}'" if broker.user else "without a name"
    if greeting.protocol == "MQTT 5":
        yield Finding(about="broker", level="ok", what=f"{broker} lets this device in {who}, by MQTT 5")
    else:
        yield Finding(
            about="broker",
            level="warn",
            what=f"{broker} speaks MQTT 3.1.1 only, and cannot say why it does not take something",
            advice="let it speak MQTT 5, or update it",
        )
    if not broker.tls and broker.host not in {"localhost", "127.0.0.1", "::1"}:
        yield Finding(
            about="broker",
            level="warn",
            what="the connection is not encrypted",
            advice="use mqtts:// wherever others share the network: deploy/mosquitto",
        )
    if (ends := uplink.certificate_ends) is not None:
        yield end_of("certificate", "the broker's certificate", ends)
    limit = greeting.max_packet_bytes
    if limit is not None and limit < MAX_MESSAGE_BYTES:
        yield Finding(
            about="broker",
            level="warn",
            what=f"it takes messages of {limit} bytes at most, so larger results are set aside",
            advice=f"raise its limit to {MAX_MESSAGE_BYTES + 1024} (Mosquitto: max_packet_size)",
        )
    if greeting.receive_maximum < _FEW:
        yield Finding(
            about="broker",
            level="warn",
            what=f"it takes {greeting.receive_maximum} messages at a time, which makes delivery slow",
            advice="raise its limit (Mosquitto: max_inflight_messages)",
        )
    if greeting.max_qos < 1:
        yield Finding(
            about="broker",
            level="fail",
            what="it does not acknowledge messages (QoS 1), and results need that",
            advice="use another broker",
        )
    if not greeting.retains:
        yield Finding(
            about="broker",
            level="warn",
            what="it keeps no retained messages, so 'collector watch' does not know who is there",
            advice="allow them (Mosquitto: retain_available true)",
        )


def _delivery(uplink: Uplink, broker: BrokerAddress, device_id: str) -> Iterator[Finding]:
    """Send a batch without records: it stores nothing, and is receipted all the same."""
    run_id = uuid.uuid4().hex
    uplink.send(Packed(encode_message(Batch(device_id=device_id, run_id=run_id, records=())), ()))
    deadline = time.monotonic() + RECEIPT_SECONDS
    verdict, reason = None, ""
    while time.monotonic() < deadline and uplink.phase == "ready":
        uplink.turn(_POLL_SECONDS)
        for answer in uplink.acknowledged():
            verdict, reason = answer.verdict, answer.reason
        if verdict in {"refused", "too large", "unheard"}:
            break
        if any(_receipts(payload, run_id) for payload in uplink.receipts()):
            yield Finding(about="collector", level="ok", what="it takes results, and its receipts arrive")
            return
    if uplink.phase == "lost":
        yield Finding(about="broker", level="fail", what=uplink.problem, advice="see its log")
    elif verdict in {"refused", "too large"}:
        yield Finding(
            about="broker",
            level="fail",
            what=reason,
            advice="let this device write its results: deploy/mosquitto/acl",
        )
    else:
        yield Finding(
            about="collector",
            level="warn",
            what="no collector has answered, so results would wait here",
            advice=f"start one: collector serve --broker {broker}",
        )


def _receipts(payload: bytes, run_id: str) -> bool:
    try:
        message = decode_message(payload)
    except ContractError:
        return False
    return isinstance(message, Receipt) and any(stream.run_id == run_id for stream in message.streams)
