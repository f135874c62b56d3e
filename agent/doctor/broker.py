"""Checks for `agent doctor` whether a broker accepts this device and its results, and brings receipts."""

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
from commandline.connection.advice import OLDER_PROTOCOL, advice_of_port, advice_on
from commandline.counted import counted
from commandline.finding import Finding
from contract.errors import ContractError
from contract.messages import MAX_MESSAGE_BYTES, Batch, Receipt, decode_message, encode_message

RECEIPT_SECONDS: Final = 5.0
_FEW: Final = 10
"""A broker that allows fewer unacknowledged messages than this slows delivery down."""
_POLL_SECONDS: Final = 0.05
_ADVICE: Final[dict[LinkState, str]] = {
    "unreachable": "check host, port and network, and whether the broker runs",
    "not let in": "check the user name and --password-file",
    "certificate refused": "check --ca-file, --cert-file and their dates",
    "may not read": "allow this device to read its receipts: see deploy/mosquitto/acl",
}


def probe(broker: BrokerAddress, device_id: str) -> Iterator[Finding]:
    """Run all checks of one broker, under another client name than that of a running agent.

    Args:
        broker: the broker's address and credentials.
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
        # If neither version works, report the problem of the first attempt.
        uplink = second if second.phase == "ready" or uplink.wants_older else uplink
    if uplink.phase != "ready" or uplink.connack is None:
        advice = advice_on(broker, uplink.problem)
        if advice is None and uplink.link in {"broken", "unreachable"}:
            advice = advice_of_port(broker)
        advice = advice or _ADVICE.get(uplink.link, "see the broker's log")
        yield Finding(about="broker", level="fail", what=uplink.problem, advice=advice)
        return
    try:
        yield from _greeting(uplink, broker)
        yield from _delivery(uplink, broker, device_id)
    finally:
        uplink.close()


def _connected(broker: BrokerAddress, device_id: str, *, older: bool) -> Uplink:
    uplink = Uplink(broker, device_id, None, older=older, role="doctor")
    deadline = time.monotonic() + GREETING_SECONDS
    while uplink.phase not in {"ready", "lost"}:  # a missing greeting ends in "lost"
        uplink.turn(_POLL_SECONDS)
        if uplink.phase == "dialling" and time.monotonic() > deadline:
            uplink.abandon(f"{broker} cannot be reached within {GREETING_SECONDS:.0f} seconds")
    return uplink


def _greeting(uplink: Uplink, broker: BrokerAddress) -> Iterator[Finding]:
    connack = uplink.connack
    assert connack is not None, "it is ready"
    who = f"as '{broker.user}'" if broker.user else "without a user name"
    if connack.protocol == "MQTT 5":
        yield Finding(about="broker", level="ok", what=f"{broker} lets this device in {who}, with MQTT 5")
    else:
        yield Finding(
            about="broker",
            level="warn",
            what=f"{broker} {OLDER_PROTOCOL}",
            advice="enable MQTT 5, or update the broker",
        )
    if not broker.tls and broker.host not in {"localhost", "127.0.0.1", "::1"}:
        yield Finding(
            about="broker",
            level="warn",
            what="the connection is not encrypted",
            advice="use mqtts:// if others share the network: see deploy/mosquitto",
        )
    if (ends := uplink.certificate_ends) is not None:
        yield end_of("certificate", "the broker's certificate", ends)
    limit = connack.max_packet_bytes
    if limit is not None and limit < MAX_MESSAGE_BYTES:
        yield Finding(
            about="broker",
            level="warn",
            what=f"it accepts messages of at most {counted(limit, 'byte')}, so larger results are set aside",
            advice=f"raise its limit to {MAX_MESSAGE_BYTES + 1024} (Mosquitto: max_packet_size)",
        )
    if connack.receive_maximum < _FEW:
        messages = counted(connack.receive_maximum, "message")
        yield Finding(
            about="broker",
            level="warn",
            what=f"it accepts {messages} at a time, which makes delivery slow",
            advice="raise its limit (Mosquitto: max_inflight_messages)",
        )
    if connack.max_qos < 1:
        yield Finding(
            about="broker",
            level="fail",
            what="it does not acknowledge messages (QoS 1), which results require",
            advice="use another broker",
        )
    if not connack.retains:
        yield Finding(
            about="broker",
            level="warn",
            what="it keeps no retained messages, so 'collector watch' cannot show the state of devices",
            advice="enable them (Mosquitto: retain_available true)",
        )


def _delivery(uplink: Uplink, broker: BrokerAddress, device_id: str) -> Iterator[Finding]:
    """Send a batch without records: a collector stores nothing, but still sends a receipt."""
    run_id = uuid.uuid4().hex
    uplink.send(Packed(encode_message(Batch(device_id=device_id, run_id=run_id, records=())), ()))
    deadline = time.monotonic() + RECEIPT_SECONDS
    verdict, reason = None, ""
    while time.monotonic() < deadline and uplink.phase == "ready":
        uplink.turn(_POLL_SECONDS)
        for answer in uplink.acknowledged():
            verdict, reason = answer.verdict, answer.reason
        if verdict in {"refused", "too large", "no subscriber"}:
            break
        if any(_receipts(payload, run_id) for payload in uplink.receipts()):
            yield Finding(about="collector", level="ok", what="it accepts results, and its receipts arrive")
            return
    if uplink.phase == "lost":
        yield Finding(about="broker", level="fail", what=uplink.problem, advice="see the broker's log")
    elif verdict in {"refused", "too large"}:
        yield Finding(
            about="broker",
            level="fail",
            what=reason,
            advice="allow this device to write its results: see deploy/mosquitto/acl",
        )
    else:
        # RabbitMQ stores topics with dots in place of slashes.
        dot = f"; if one runs, give this device an id without the dots of '{device_id}'"
        dot = dot if "." in device_id else ""
        yield Finding(
            about="collector",
            level="warn",
            what="no collector has answered, so results would wait here",
            advice=f"start one, 'collector serve', with the same broker and a user of its own{dot}",
        )


def _receipts(payload: bytes, run_id: str) -> bool:
    try:
        message = decode_message(payload)
    except ContractError:
        return False
    return isinstance(message, Receipt) and any(stream.run_id == run_id for stream in message.streams)
