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
from typing import Final

from starlette.routing import Route

import collector
from collector.broker.credentials import COLLECTOR, provision, write_secret
from collector.errors import BadInput, BrokerUnavailable, StorageUnavailable
from collector.hub.address_watch import AddressWatch
from collector.hub.addresses import ALWAYS, checked_address, own_addresses, own_names
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
from collector.hub.start_settings import Options, settle_settings
from collector.hub.wheels.shelf import Shelf
from collector.serving.http_server import http_server
from commandline.broker_address import BrokerAddress, parse_broker
from commandline.program.messages import Problem

TICK_SECONDS: Final = 0.25
SERVICE_AGAIN_SECONDS: Final = 5.0
_DAY_SECONDS: Final = 86_400.0
_RUN: Final = """
import sys
sys.path.append(sys.argv.pop(1))
sys.argv[0] = "collector"
from collector.__main__ import main
sys.exit(main())
"""


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
        self._certified_at = time.time()

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
            while not stop.is_set():
                self._answer(stop, collecting, register, shelf)
            self._say("the hub stops")
        finally:
            shelf.close()
            self._questions.stop()
            collecting.stop()
            self._mosquitto.stop()

    def _answer(self, stop: Event, collecting: Child, register: Register, shelf: Shelf) -> None:
        """Answer boards until a signal comes, the address changes, or the HTTPS service ends by itself."""
        watch = AddressWatch(self._settings.at)
        moves = self._options.at is None
        with (
            self._listener() as listener,
            http_server(listener, self._routes(register, shelf), self._tls) as service,
        ):
            self._say(
                f"the hub in {self._folder.path} answers at {self._settings.url} and "
                f"{self._settings.broker}; collector invite lets a board join"
            )
            self._keep_running(stop, collecting, lambda: not service.runs or (moves and watch.changed()))
            ended = not service.runs
        if stop.is_set():
            return
        if ended:
            self._say(
                Problem(
                    f"the HTTPS service ended ({service.reason}); it is started again in "
                    f"{SERVICE_AGAIN_SECONDS:.0f} seconds"
                )
            )
            again_at = time.monotonic() + SERVICE_AGAIN_SECONDS
            self._keep_running(stop, collecting, lambda: time.monotonic() >= again_at)
        else:
            self._move()

    def _move(self) -> None:
        """Use the address that the machine has now."""
        try:
            self._settings = settle_settings(self._folder, self._options, self._say)
        except (BadInput, StorageUnavailable) as error:
            self._say(Problem(f"the hub stays at {self._settings.at}: {error}"))
        else:
            self._renew()

    def _keep_running(self, stop: Event, collecting: Child, done: Callable[[], bool]) -> None:
        """Keep the hub's programs running until a signal comes or `done` is true."""
        while not stop.wait(TICK_SECONDS) and not done():
            self._mosquitto.tick()
            collecting.tick()
            self._questions.tick()
            if abs(time.time() - self._certified_at) > _DAY_SECONDS:  # a day later, or a clock that was set
                self._renew()

    def _renew(self) -> None:
        self._certified_at = time.time()
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
        arguments += ["--register", str(folder.register)]
        return Child("the collector", _command(*arguments, *self._options.messages), self._say)


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
