"""The hub that this machine has joined: where it is, and what it gives to its devices.

The hub's certificate names every address that `hub.toml` does, and is signed by the authority that this
machine trusts.
"""

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent.bundles.fetch import Check, Fetched, Show, fetch, read_whole
from agent.bundles.http import Login
from agent.bundles.hub_settings import HubSettings
from agent.errors import BadInput, BundleRefused, NotFetched
from commandline.broker_address import BrokerAddress, read_password
from commandline.connection.tls import tls_context
from commandline.disk import public_mode, write_whole
from contract.bundle import bundle_name
from contract.codec import printable
from contract.errors import ContractError
from contract.questions import MAX_QUESTION_FILE_BYTES, HasUnanswerable, decode_questions

QUESTIONS_SUFFIX: Final = ".json"
_REACH_SECONDS: Final = 10.0  # for a handshake of two small boards that also measure
_MAX_LIST_BYTES: Final = 100_000
_MOST_NAMES: Final = 20


class Hub(NamedTuple):
    """A hub that answers, and how this machine logs in there."""

    url: str
    """Without a slash at its end."""
    login: Login


def reached(
    settings: HubSettings, device_id: str | None, password_file: Path | None, ca_file: Path | None
) -> Hub:
    """Find the address at which the hub can be reached now.

    Args:
        settings: what `hub.toml` says.
        device_id: this device, which is also its user at the hub.
        password_file: the file with its password.
        ca_file: the authority that signs the hub's certificate.

    Raises:
        BadInput: a credential is missing or cannot be used.
        NotFetched: the hub cannot be reached.
    """
    if device_id is None or password_file is None or ca_file is None:
        raise BadInput("the configuration names no device-id, password-file and ca-file: join the hub again")
    try:
        tls = tls_context(BrokerAddress("", settings.https_port, tls=True, ca_file=ca_file))
    except ValueError as error:
        raise BadInput(str(error)) from None
    login = Login(device_id, read_password(password_file, BadInput), tls)
    others = [f"https://{_in_url(address)}:{settings.https_port}" for address in settings.addresses]
    reasons = []
    for url in dict.fromkeys((settings.url.rstrip("/"), *others)):
        host = url.removeprefix("https://").rpartition(":")[0].strip("[]")
        try:
            # Another machine may have this address now: its certificate is not signed by our authority.
            with (
                socket.create_connection((host, settings.https_port), _REACH_SECONDS) as wire,
                tls.wrap_socket(wire, server_hostname=host),
            ):
                return Hub(url, login)
        except OSError as error:
            reasons.append(f"{host}: {printable(error.strerror or str(error))}")
    raise NotFetched(
        "the hub cannot be reached at any of its addresses; is 'collector hub' running, in the same network? "
        f"({'; '.join(reasons)})"
    )


def fetch_bundle(
    hub: Hub,
    name: str,
    to: Path,
    show: Show,
    check: Check = lambda manifest, data: None,
    named: str | None = None,
) -> Fetched:
    """Fetch a bundle into a folder of bundles; see `fetch`.

    Raises:
        BadInput: the hub has no bundle of this name, or the folder cannot be used.
        BundleRefused: it does not match its manifest.
        NotFetched: the download broke off; the same command resumes it.
    """
    _check_name(hub, "bundles", name)
    return fetch(f"{hub.url}/bundles/{name}", to, show, hub.login, check, named)


def fetch_questions(
    hub: Hub,
    name: str,
    to: Path,
    sha256: str | None = None,
    check: Callable[[int], None] = lambda size: None,
    named: str | None = None,
) -> Fetched:
    """Fetch a question file, which has no gold answers.

    Args:
        hub: where it is.
        name: its name there.
        to: the folder that receives it; created if it does not exist.
        sha256: the digest that its questions must have; None for any.
        check: called with its size in bytes before it is kept; raises if it is not to be.
        named: the name of the file here; None for its name there.

    Raises:
        BadInput: the hub has no question file of this name, or the folder cannot be used.
        BundleRefused: the hub sends something else.
        NotFetched: the download broke off.
    """
    _check_name(hub, "questions", name)
    data = read_whole(f"{hub.url}/questions/{name}", MAX_QUESTION_FILE_BYTES + 1, hub.login)
    found = None
    try:
        with suppress(HasUnanswerable):  # `agent run --answerable-only` leaves these questions out
            found = decode_questions(data).sha256
    except ContractError as error:
        raise BundleRefused(f"the hub's question file '{printable(name)}' cannot be used: {error}") from None
    if sha256 is not None and found != sha256:
        raise BundleRefused(
            f"the hub's question file '{printable(name)}' has other questions now: their digest was "
            f"{sha256[:12]}…"
        )
    check(len(data))
    file = to / (named or name)
    try:
        to.mkdir(parents=True, exist_ok=True)
        if file.is_file() and file.read_bytes() == data:
            return Fetched(file, new=False)
        write_whole(file, data, public_mode())
    except OSError as error:
        raise BadInput(f"cannot write to '{printable(str(to))}': {error.strerror}") from None
    return Fetched(file, new=True)


def _check_name(hub: Hub, kind: str, name: str) -> None:
    """Check that the hub has something of this name; if not, the message says what it has.

    Raises:
        BadInput: it has not.
        NotFetched: the hub does not answer.
    """
    there = read_whole(f"{hub.url}/{kind}/", _MAX_LIST_BYTES, hub.login).decode(errors="replace").split()
    if name in there and bundle_name(name) is not None:
        return
    names = ", ".join(printable(each) for each in there[:_MOST_NAMES]) or "none"
    raise BadInput(f"the hub has no {kind} named '{printable(name)[:100]}'; it has: {names}")


def _in_url(address: str) -> str:
    return f"[{address}]" if ":" in address else address
