"""Runs the hub: certificates, Mosquitto, the collector and the HTTPS service, until it is told to stop."""

import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from types import FrameType
from typing import Final, NamedTuple

from starlette.routing import Route

import collector
from collector.broker.credentials import COLLECTOR, provision, write_secret
from collector.errors import BadInput, BrokerUnavailable, StorageUnavailable
from collector.hub.addresses import ALWAYS, checked_address, is_ip, own_addresses, own_names
from collector.hub.authority import certify, pin
from collector.hub.child import Child
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.mosquitto import Mosquitto, check_free, mosquitto_program
from collector.hub.questions import QuestionFiles
from collector.hub.register import Register
from collector.hub.service.access import Access
from collector.hub.service.joining import Joining
from collector.hub.service.metrics import Metrics
from collector.hub.service.routes import routes
from collector.hub.service.shared_files import SharedFiles
from collector.hub.wheels.shelf import Shelf
from collector.serving.http_server import http_server
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.program.messages import Problem

TICK_SECONDS: Final = 0.25
_DAY_SECONDS: Final = 86_400.0
_RUN: Final = """
import sys
sys.path.append(sys.argv.pop(1))
sys.argv[0] = "collector"
from collector.__main__ import main
sys.exit(main())
"""


class Options(NamedTuple):
    """What the operator chose for this start; None where the hub keeps what it had."""

    at: str | None = None
    https_port: int | None = None
    mqtt_port: int | None = None
    bundles: Path | None = None
    questions: tuple[Path, ...] = ()
    wheels: Path | None = None
    messages: tuple[str, ...] = ()
    """Options of the collector about its messages."""


def run(folder: HubFolder, options: Options, say: Callable[[str], None]) -> None:
    """Run the hub until SIGTERM or SIGINT.

    Args:
        folder: its folder, which is made if it is missing.
        options: what the operator chose.
        say: prints a line for the operator.

    Raises:
        BadInput: an option or a file is wrong, Mosquitto is missing, or a hub runs in the folder.
        BrokerUnavailable: a port is in use, or Mosquitto does not start.
        StorageUnavailable: the folder cannot be written.
    """
    at = None if options.at is None else checked_address(options.at)
    mosquitto_program()
    folder.create()
    _allow_many_connections()
    with folder.served(), _signals() as stop:
        settings = settle_settings(folder, options._replace(at=at), say)
        try:
            _Hub(folder, settings, options, say).run(stop)
        except OSError as error:
            raise StorageUnavailable(f"the hub cannot use its folder: {error}") from None


class _Hub:
    """A hub with its settings."""

    def __init__(
        self, folder: HubFolder, settings: HubSettings, options: Options, say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._options = options
        self._say = say
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._mosquitto = Mosquitto(folder, settings, say)
        self._questions = QuestionFiles(folder, _command, say)

    def run(self, stop: Event) -> None:
        certify(self._folder, _names(self._settings))
        self._load_certificate()
        _give_collector_a_password(self._folder)
        check_free(self._settings.https_port, "--port")
        register = Register(self._folder.register)
        if not self._folder.metrics_token.exists():
            self._folder.write(self._folder.metrics_token, f"{os.urandom(16).hex()}\n".encode())
        self._questions.take(self._options.questions)
        shelf = Shelf(self._folder.wheels, self._options.wheels, self._say)
        shelf.prepare()
        self._mosquitto.start()
        collecting = self._collector()
        try:
            collecting.start()
            with (
                self._listener() as listener,
                http_server(listener, self._routes(register, shelf), self._tls),
            ):
                self._say(
                    f"the hub in {self._folder.path} answers at {self._settings.url} and "
                    f"{self._settings.broker}; collector invite lets a board join"
                )
                self._keep_running(stop, collecting)
            self._say("the hub stops")
        finally:
            shelf.close()
            self._questions.stop()
            collecting.stop()
            self._mosquitto.stop()

    def _keep_running(self, stop: Event, collecting: Child) -> None:
        checked_at = time.monotonic()
        while not stop.wait(TICK_SECONDS):
            self._mosquitto.tick()
            collecting.tick()
            self._questions.tick()
            if time.monotonic() - checked_at > _DAY_SECONDS:
                checked_at = time.monotonic()
                self._renew()

    def _renew(self) -> None:
        try:
            if certify(self._folder, _names(self._settings)):
                self._load_certificate()
                self._mosquitto.reload()
                self._say("the hub's certificate is renewed")
        except (BadInput, StorageUnavailable) as error:
            self._say(Problem(f"the hub's certificate is not renewed: {error}"))

    def _load_certificate(self) -> None:
        """Use the certificate for new connections."""
        try:
            self._tls.load_cert_chain(self._folder.cert, self._folder.key)
        except OSError as error:
            raise BadInput(
                f"the hub's certificate {str(self._folder.cert)!r} cannot be used: {error}"
            ) from None

    def _listener(self) -> socket.socket:
        port = self._settings.https_port
        try:
            if socket.has_dualstack_ipv6():
                return socket.create_server(
                    ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1_024
                )
            return socket.create_server(("", port), backlog=1_024)
        except OSError as error:
            raise BrokerUnavailable(
                f"port {port} cannot be used: {os.strerror(error.errno or 0)}: choose another with --port"
            ) from None

    def _routes(self, register: Register, shelf: Shelf) -> list[Route]:
        folder = self._folder
        access = Access(folder, register)
        return routes(
            Joining(folder, self._settings, pin(folder), access, shelf),
            SharedFiles(
                self._options.bundles or folder.bundles, folder.questions, folder.wheels, access, shelf
            ),
            Metrics(folder.database, self._as_collector, register, access),
        )

    @property
    def _own_broker(self) -> str:
        return f"mqtts://{COLLECTOR}@127.0.0.1:{self._settings.mqtt_port}"

    def _as_collector(self) -> BrokerAddress:
        folder = self._folder
        return parse_broker(self._own_broker, folder.collector_password, folder.ca_cert, refusal=BadInput)

    def _collector(self) -> Child:
        folder = self._folder
        arguments = ["serve", "--broker", self._own_broker, "--db", str(folder.database)]
        arguments += ["--password-file", str(folder.collector_password), "--ca-file", str(folder.ca_cert)]
        return Child("the collector", _command(*arguments, *self._options.messages), self._say)


def settle_settings(folder: HubFolder, options: Options, say: Callable[[str], None]) -> HubSettings:
    """Decide the address and the ports of this start, and keep them.

    Raises:
        BadInput: this machine has no network address, and none is named.
        StorageUnavailable: the folder cannot be written.
    """
    before = folder.settings()
    here = own_addresses()
    at = options.at or before.at
    if options.at is None and (not at or not _is_here(at, here)):
        if not here:
            raise BadInput("this machine has no network address: connect it, or name one with --at")
        at = here[0]
    if before.at and at != before.at:
        say(
            Problem(
                f"the hub's address was {before.at} and is {at} now: boards that joined look for it at "
                f"{' and '.join(before.addresses)}; if they do not find it, give this machine its old "
                "address again (a reservation in the router), or run a line of collector invite --name DEVICE"
                " on each"
            )
        )
    known = (at, *before.addresses, *own_names()[:1])
    settings = HubSettings(
        at,
        options.https_port or before.https_port,
        options.mqtt_port or before.mqtt_port,
        tuple(dict.fromkeys(known)),
    )
    folder.keep(settings)
    return settings


def _is_here(at: str, here: list[str]) -> bool:
    """Return whether an address is this machine's; a name is taken to be."""
    return not is_ip(at) or ":" in at or at in here or at in ALWAYS


def _names(settings: HubSettings) -> tuple[str, ...]:
    return (*settings.addresses, *own_addresses(), *own_names(), *ALWAYS)


def _give_collector_a_password(folder: HubFolder) -> None:
    users = folder.passwords.read_text() if folder.passwords.exists() else ""
    if folder.collector_password.exists() and f"{COLLECTOR}:" in users:
        return
    with suppress(FileNotFoundError):
        folder.collector_password.unlink()
    write_secret(folder.collector_password, provision(folder.passwords, COLLECTOR, hashed=True, replace=True))


def _command(*arguments: str) -> tuple[str, ...]:
    """Return the command of a collector that is the same program as this one."""
    package = str(Path(collector.__file__).parent.parent)
    return (sys.executable, "-P", "-c", _RUN, package, *arguments)


def _allow_many_connections() -> None:
    """Raise the limit of open files to what the system allows: many boards may connect at once."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@contextmanager
def _signals() -> Iterator[Event]:
    """Yield an event that SIGTERM and SIGINT set."""
    stop = Event()

    def stopping(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, stopping) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
