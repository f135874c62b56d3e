"""Why a connection could not be opened, or has ended, as one sentence."""

from typing import NamedTuple

from agent.delivery.certificate_refusal import out_of_date, refusal
from agent.outbox.summary import LinkState
from commandline.broker_address import BrokerAddress
from contract.codec import printable


class ConnectionLoss(NamedTuple):
    """Why one connection ended; a new one has to be opened."""

    problem: str
    link: LinkState
    """What kind of loss it is."""


def never_made(broker: BrokerAddress, error: str) -> ConnectionLoss:
    """The loss of a connection that could not be opened.

    Args:
        broker: the broker's address.
        error: the message of the operating system or of OpenSSL.
    """
    if (refused := _refused(broker, error)) is not None:
        return refused
    theirs = "certificate" in error.lower()
    return ConnectionLoss(
        f"cannot reach {broker}: {error}", "certificate refused" if theirs else "unreachable"
    )


def ended(broker: BrokerAddress, how: str, error: str, *, greeting: bool) -> ConnectionLoss:
    """The loss of a connection that the broker ended.

    Args:
        broker: the broker's address.
        how: how it ended, in a few words.
        error: OpenSSL's last message; may be empty.
        greeting: whether the broker had not accepted this agent yet.
    """
    if (refused := _refused(broker, error)) is not None:
        return refused
    own = broker.cert_file if greeting else None
    dates = None if own is None else out_of_date(own)
    if own is not None and dates is not None:
        # Not every broker sends an alert.
        return ConnectionLoss(
            f"{broker} ended the connection before it answered, and the certificate "
            f"'{printable(str(own))}' is out of date: {dates}",
            "certificate refused",
        )
    return ConnectionLoss(f"{broker} ended the connection: {how}", "broken")


def _refused(broker: BrokerAddress, error: str) -> ConnectionLoss | None:
    refused = refusal(error, broker.cert_file)
    return None if refused is None else ConnectionLoss(f"{broker} {refused}", "certificate refused")
