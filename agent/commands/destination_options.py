"""Finds the destination of a command's results from its delivery options, wherever each is set."""

from typing import Any

import click

from agent.bundles.hub_settings import HUB_FILE, read_settings
from agent.delivery.destination import Destination, LiveBroker, destination
from agent.errors import BadInput
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.config import FROM_FILE, config_file, outranking, rank
from commandline.program.messages import Problem, say

_CREDENTIALS = ("password_file", "ca_file", "cert_file", "key_file")


def destination_of(context: click.Context, *, live: bool = True) -> Destination:
    """The destination of the results: the broker or the file, whichever is set by the higher source.

    A broker named by a flag or a variable does not get the password that a configuration file has for
    another one.

    Raises:
        click.UsageError: neither is set, both are set by the same source, or the address is not a broker's.
        BadInput: a file or folder of the destination cannot be used.
    """
    chosen = outranking(context, "broker", "to_file")
    if len(chosen) != 1:
        raise click.UsageError("Name where the results go: either --broker URL or --to-file FILE.")
    given: dict[str, Any] = context.params
    if chosen == ["broker"]:
        parse_broker(given["broker"], refusal=click.UsageError)
    own = {
        name: given[name] if rank(context, name) >= rank(context, "broker") else None for name in _CREDENTIALS
    }
    found = destination(
        given["broker"] if chosen == ["broker"] else None,
        given["to_file"],
        own["password_file"],
        own["ca_file"],
        given["flush_seconds"],
        cert_file=own["cert_file"],
        key_file=own["key_file"],
        live=live,
    )
    if isinstance(found, LiveBroker) and rank(context, "broker") == rank(context, "ca_file") == FROM_FILE:
        return found._replace(broker=_at_the_hub(context, found.broker))
    return found


def _at_the_hub(context: click.Context, broker: BrokerAddress) -> BrokerAddress:
    """The broker with all addresses of its hub, if the configuration is that of a hub."""
    file = config_file(context)
    if file is None or not (file.parent / HUB_FILE).exists():
        return broker
    try:
        hub = read_settings(file.parent / HUB_FILE)
    except BadInput as damage:
        say(Problem(f"{damage}; results go to {broker}"))
        return broker
    others = tuple(address for address in hub.addresses if address != broker.host)
    return broker._replace(other_hosts=others) if broker.port == hub.mqtt_port else broker
