"""Checks that a broker can do what a collector and its devices need, as a client that leaves no trace."""

import importlib.util
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from collector.broker.client import MAX_PACKET_BYTES
from collector.broker.credentials import read_credentials
from collector.broker.embedded import EXPOSED, LOOPBACK, NO_RIGHTS, is_loopback
from collector.broker.subscriber import SESSION_EXPIRY_SECONDS
from collector.broker.visit import Visit, Welcome, speaks_older, visiting
from collector.errors import BrokerUnavailable
from commandline.broker_address import BrokerAddress
from commandline.certificate import end_of, end_of_file
from commandline.connection.advice import OLDER_PROTOCOL
from commandline.finding import Finding
from commandline.mqtt_client import client_id, new_secret
from commandline.program.installation import how_to_add
from contract.messages import MAX_MESSAGE_BYTES
from contract.topics import ALL_RESULTS, ALL_STATES, topic

_HEADER_BYTES: Final = 256
_PROBE_SESSION_SECONDS: Final = 60
_FAILURE: Final = 0x80
_NOT_AUTHORISED: Final = frozenset((0x86, 0x87, 0x8C))


def examine_broker(address: BrokerAddress) -> Iterator[Finding]:
    """Check everything that a client can find out about a broker."""
    name = client_id("doctor", new_secret())
    try:
        older = speaks_older(address)
        with visiting(address, name, session_seconds=_PROBE_SESSION_SECONDS, older=older) as visit:
            refused = _refused(address, visit.welcome)
            if refused is not None:
                yield refused
                return
            if older:
                yield Finding(
                    "broker", "warn", f"{address} {OLDER_PROTOCOL}", "enable MQTT 5, or update the broker"
                )
                yield Finding(
                    "sharing",
                    "warn",
                    "MQTT 3.1.1 has no shared subscriptions: with --share, each collector gets all results",
                    "leave --share out, unless the collectors share one database",
                )
            else:
                yield Finding("broker", "ok", f"{address} accepts the collector, over MQTT 5")
                yield from _offers(visit.welcome.properties)
            yield from _rights(visit, None if older else name)
            ends = visit.certificate_ends()
        yield from _encryption(address, ends)
        yield _session(address, name, older=older)
        yield _strangers(address, older=older)
    except BrokerUnavailable as error:
        yield Finding(
            "broker", "fail", error.problem, error.advice or "check the address, and that the broker runs"
        )
    yield Finding(
        "queue",
        "ok",
        "a broker does not report how many messages it queues for a collector that is away; devices send "
        "again what it drops",
    )


def _refused(address: BrokerAddress, welcome: Welcome) -> Finding | None:
    if not welcome.code.is_failure:
        return None
    what = f"{address} does not accept the collector: {welcome.code}"
    if welcome.code.value in _NOT_AUTHORISED:
        advice = "give the user and --password-file; make them with collector provision collector"
    else:
        advice = "read the broker's log for the reason"
    return Finding("broker", "fail", what, advice)


def _offers(properties: Any) -> Iterator[Finding]:
    """Check the broker's announced limits; it can do what it does not mention (MQTT 5, 3.2.2.3)."""
    limit = getattr(properties, "MaximumPacketSize", None)
    needed = MAX_MESSAGE_BYTES + _HEADER_BYTES
    if limit is not None and limit < needed:
        yield Finding(
            "message size",
            "warn",
            f"the broker accepts packets of at most {limit:,} bytes: devices set longer records aside",
            f"let it accept {MAX_PACKET_BYTES:,} (Mosquitto: max_packet_size)",
        )
    else:
        what = "the largest messages are accepted" if limit else "the broker announces no limit"
        yield Finding("message size", "ok", what)
    kept = getattr(properties, "SessionExpiryInterval", SESSION_EXPIRY_SECONDS)
    if kept < _PROBE_SESSION_SECONDS:
        yield Finding(
            "session length",
            "warn",
            f"the broker keeps sessions for only {kept} s",
            "let it keep them for days (Mosquitto: persistent_client_expiration)",
        )
    if getattr(properties, "MaximumQoS", 1) < 1:
        yield Finding("QoS", "fail", "the broker has only QoS 0", "results need QoS 1: use another broker")
    if not getattr(properties, "RetainAvailable", 1):
        yield Finding(
            "retain",
            "warn",
            "the broker does not retain messages, so collector watch misses idle devices",
            "let it retain messages",
        )
    if not getattr(properties, "WildcardSubscriptionAvailable", 1):
        yield Finding(
            "wildcards", "fail", "the broker does not allow wildcards", "results need wildcards: allow them"
        )
    if not getattr(properties, "SharedSubscriptionAvailable", 1):
        yield Finding("sharing", "warn", "the broker has no shared subscriptions", "do not use --share")


def _rights(visit: Visit, group: str | None) -> Iterator[Finding]:
    advice = "compare deploy/mosquitto/acl; the collector's user is called collector there"
    wanted = [("read results", ALL_RESULTS, True), ("read states", ALL_STATES, False)]
    if group is not None:
        wanted.append(("share results", f"$share/{group}/{ALL_RESULTS}", False))
    for what, topics, needed in wanted:
        code = visit.subscribe(topics)
        if code.value >= _FAILURE:
            yield Finding(what, "fail" if needed else "warn", f"denied: {code}", advice)
        elif code.value < 1 and needed:
            yield Finding(what, "fail", "only with QoS 0", "results need QoS 1: use another broker")
        else:
            yield Finding(what, "ok", "allowed")
    code = visit.publish(topic("distilbench-doctor", "receipts"))
    if code.is_failure:
        yield Finding(
            "send receipts", "fail", f"denied: {code}, so devices would keep all results forever", advice
        )
    else:
        yield Finding("send receipts", "ok", "allowed")


def _encryption(address: BrokerAddress, ends: datetime | None) -> Iterator[Finding]:
    if not address.tls:
        if is_loopback(address.host):
            yield Finding("encryption", "ok", "none is needed within this machine")
        else:
            yield Finding(
                "encryption",
                "warn",
                "results and passwords cross the network unencrypted",
                "use mqtts:// as deploy/mosquitto/README explains",
            )
        return
    if ends is None:
        yield Finding("encryption", "ok", "the broker's certificate is valid")
    else:
        yield end_of("encryption", "the broker's certificate", ends)
    if address.cert_file is not None:
        yield end_of_file("encryption", "the collector's own certificate", address.cert_file)


def _session(address: BrokerAddress, name: str, *, older: bool) -> Finding:
    """Check whether the broker has kept the session of the previous connection, and end the session."""
    with visiting(address, name, clean=False, older=older) as visit:
        kept = visit.welcome.session_present
    if older:
        with visiting(address, name, older=True):
            pass  # in MQTT 3.1.1 a session ends only when its client wants a new one
    if kept:
        return Finding("session", "ok", "the broker keeps the collector's session while it is away")
    return Finding(
        "session",
        "warn",
        "the broker forgets the collector's session at once; devices send the lost results again",
        "let the broker keep sessions",
    )


def _strangers(address: BrokerAddress, *, older: bool) -> Finding:
    """Check whether the broker accepts clients without credentials."""
    plain = address._replace(user=None, password=None, cert_file=None, key_file=None)
    try:
        with visiting(plain, client_id("doctor", new_secret()), older=older) as visit:
            open_to_all = not visit.welcome.code.is_failure
    except BrokerUnavailable:
        open_to_all = False
    if not open_to_all:
        return Finding("strangers", "ok", "clients without credentials are refused")
    if is_loopback(address.host):
        return Finding("strangers", "ok", "clients without credentials are accepted, within this machine")
    return Finding(
        "strangers",
        "warn",
        "clients without credentials are accepted: they can forge results, and delete what devices measured",
        "set up passwords and ACL as in deploy/mosquitto/",
    )


def examine_embedded(
    listen: str | None, port: int | None, credentials: Path | None, *, tls: bool
) -> Iterator[Finding]:
    """Check what the embedded broker needs, before it runs."""
    if importlib.util.find_spec("iotcore") is None:
        yield Finding("broker", "fail", "iotcore is missing", f"install it with: {how_to_add('collector')}")
    host = listen or LOOPBACK
    where = f"{host}:{port}" if port else host
    try:
        with socket.create_server((host, port or 0)):
            yield Finding("broker", "ok", f"the embedded broker can listen on {where}")
    except OSError as error:
        yield Finding("broker", "fail", f"{where} cannot be used: {error.strerror}", "choose another --port")
    if credentials is not None:
        users = read_credentials(credentials)
        yield Finding("credentials", "ok", f"{', '.join(users)} may log in")
    if listen is not None and not is_loopback(listen):
        yield Finding("rights", "warn", NO_RIGHTS if tls else EXPOSED, "use Mosquitto with deploy/mosquitto/")
