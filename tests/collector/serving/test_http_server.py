"""The server of bundles, and clients that are slow, silent or many."""

import http.client
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from agent.bundles import retries
from agent.bundles.fetch import fetch
from collector.errors import BadInput
from collector.serving import bundle_server
from tests import installed
from tests.collector.running_collector import PATIENCE_SECONDS, ROOT, Collector, wait_until
from tests.faults.certificates import Authority

ENDING = """
import sys
from uvicorn import Server
async def end(self):
    raise RuntimeError("no more")
Server.main_loop = end
from collector.__main__ import main
sys.exit(main())
"""
"""A collector whose server of files ends as soon as it listens."""
BOARDS = 50
SLOW = 32


@pytest.fixture
def url(tmp_path: Path, tiny_bundle: Path) -> Iterator[str]:
    installed.module("uvicorn")
    shutil.copytree(tiny_bundle, tmp_path / "shelf" / "tiny")
    with bundle_server.serving_bundles(tmp_path / "shelf", "127.0.0.1:0") as serving:
        yield serving.url


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Smaller limits of the server, by name."""
    installed.module("uvicorn")
    for name, value in request.param.items():
        monkeypatch.setattr(f"collector.serving.http_server.{name}", value)


def connection(url: str) -> socket.socket:
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=PATIENCE_SECONDS)


def get(url: str) -> http.client.HTTPResponse:
    parts = urlsplit(url)
    with closing(
        http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE_SECONDS)
    ) as client:
        client.request("GET", "/tiny/manifest.json")
        answer = client.getresponse()
        answer.read()
        return answer


def ended(client: socket.socket, seconds: float) -> bool:
    """Whether the server ends a connection within some seconds."""
    client.settimeout(seconds)
    try:
        while client.recv(4096):
            continue
    except TimeoutError:
        return False
    except ConnectionResetError:
        pass
    return True


def silent(name: str, here: int, size: int) -> None:
    """Progress that no one reads."""


def test_fifty_boards_fetch_at_once(url: str, tmp_path: Path) -> None:
    def board(number: int) -> bool:
        return fetch(f"{url}tiny", tmp_path / f"board-{number}", lambda *_: time.sleep(0.02)).new

    with ThreadPoolExecutor(BOARDS) as boards:
        assert all(boards.map(board, range(BOARDS)))


@pytest.mark.parametrize("limits", [{"MAX_PER_ADDRESS": 10, "RETRY_AFTER_SECONDS": 0}], indirect=True)
@pytest.mark.usefixtures("limits")
def test_boards_above_the_limit_wait_for_their_turn(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "MAX_WAIT_SECONDS", 1.0)

    def board(number: int) -> bool:
        return fetch(f"{url}tiny", tmp_path / f"board-{number}", lambda *_: time.sleep(0.02)).new

    with ThreadPoolExecutor(15) as boards:
        assert all(boards.map(board, range(15)))


@pytest.mark.parametrize("limits", [{"HEAD_SECONDS": 2.0}], indirect=True)
@pytest.mark.usefixtures("limits")
def test_clients_that_drip_a_head_shut_nobody_out_and_are_ended(url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(connection(url)) for _ in range(SLOW)]
        for each in slow:
            each.sendall(b"GET /a/b HTTP/1.1\r\nX-")
        done = threading.Event()
        stack.callback(done.set)

        def drip() -> None:
            while not done.wait(0.2):
                for each in slow:
                    with suppress(OSError):
                        each.sendall(b"a")

        dripping = threading.Thread(target=drip)
        dripping.start()
        begun = time.monotonic()
        assert fetch(f"{url}tiny", tmp_path / "here", silent).new
        assert time.monotonic() - begun < 30.0, "they once shut it for as long as they liked"
        assert all(ended(each, 10.0) for each in slow)
        done.set()
        dripping.join()


@pytest.mark.parametrize("limits", [{"BLOCK_SECONDS": 1.0}], indirect=True)
@pytest.mark.usefixtures("limits")
def test_clients_that_do_not_read_are_ended(url: str, tmp_path: Path) -> None:
    with ExitStack() as stack:
        stuck = [stack.enter_context(connection(url)) for _ in range(SLOW)]
        for each in stuck:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            each.sendall(b"GET /tiny/model.onnx HTTP/1.1\r\nHost: x\r\n\r\n" * 3)
        assert all(map(_answered, stuck))
        assert fetch(f"{url}tiny", tmp_path / "here", silent).new
        wait_until(lambda: _served(url) == 0, "the end of the clients that do not read")


def _answered(client: socket.socket) -> bool:
    """Wait until the server has begun to answer; on a slow machine it may have ended that already."""
    try:
        return len(client.recv(1, socket.MSG_PEEK)) == 1
    except ConnectionResetError:
        return True


def _served(url: str) -> int:
    """How many connections the server has; it runs in this process."""
    open_sockets = psutil.Process().net_connections("tcp4")
    return sum(each.laddr.port == urlsplit(url).port and each.raddr != () for each in open_sockets)


@pytest.mark.parametrize("limits", [{"MAX_PER_ADDRESS": 3}], indirect=True)
@pytest.mark.usefixtures("limits")
def test_one_address_cannot_take_every_connection(url: str) -> None:
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(connection(url))
        time.sleep(0.2)
        answer = get(url)
        assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
        for _ in range(3):
            stack.enter_context(connection(url))
        time.sleep(0.2)
        with stack.enter_context(connection(url)) as beyond:
            assert ended(beyond, 5.0)

    def is_served() -> bool:
        with suppress(ConnectionError):  # until the server has noticed the end of those connections
            return get(url).status == 200
        return False

    wait_until(is_served, "an answer")


def test_an_idle_connection_is_ended(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.serving.http_server.HEAD_SECONDS", 1.0)
    with connection(url) as idle:
        assert ended(idle, 10.0)


@pytest.mark.parametrize(
    "request_",
    [b"\xff\xfe\r\n\r\n", b"GET /\xe9/x HTTP/1.1\r\n\r\n", b"GET /a/b HTTP/1.1\r\nX: " + b"a" * 500_000],
)
def test_what_is_no_request_is_answered_or_ended(
    url: str, request_: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    with connection(url) as odd:
        with suppress(ConnectionError):
            odd.sendall(request_)
        assert ended(odd, 15.0)
    assert get(url).status == 200
    assert capfd.readouterr() == ("", "")


def test_a_collector_that_serves_bundles_ends_though_clients_are_stuck(
    tmp_path: Path, tiny_bundle: Path, database: Path
) -> None:
    installed.module("uvicorn")
    shutil.copytree(tiny_bundle, tmp_path / "shelf" / "tiny")
    where = ("--bundles", tmp_path / "shelf", "--bundles-at", "127.0.0.1:0")
    with Collector("--embedded-broker", "--db", database, *where) as running, ExitStack() as stack:
        wait_until(lambda: len(running.said) > 1, "the ready lines")
        url = running.said[0].split()[4].removesuffix("NAME,")
        assert running.said[0] == f"serving 1 bundle at {url}NAME, for agent fetch"
        for request in (b"GET /a", b"GET /tiny/model.onnx HTTP/1.1\r\nHost: x\r\n\r\n"):
            stack.enter_context(connection(url)).sendall(request)
        assert fetch(f"{url}tiny", tmp_path / "here", silent).new
        begun = time.monotonic()
        assert running.end() == 0
        assert time.monotonic() - begun < 15.0
        assert len(running.said) == 3, running.said


def test_a_collector_whose_server_of_bundles_ends_says_so_and_ends(tmp_path: Path, database: Path) -> None:
    installed.module("uvicorn")
    where = ("--db", str(database), "--bundles", str(tmp_path), "--bundles-at", "127.0.0.1:0")
    command = (sys.executable, "-c", ENDING, "serve", "--embedded-broker", *where)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "collector: the server of files ended (RuntimeError: no more): start this command again"
    )


def test_the_port_of_another_and_what_is_no_folder_are_one_sentence(tmp_path: Path) -> None:
    installed.module("uvicorn")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(BadInput, match="cannot be served at"),
            bundle_server.serving_bundles(tmp_path, where),
        ):
            pass
    with (
        pytest.raises(BadInput, match="cannot be read"),
        bundle_server.serving_bundles(tmp_path / "no", "127.0.0.1:0"),
    ):
        pass


def test_without_its_packages_a_sentence_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    monkeypatch.delitem(sys.modules, "collector.serving.http_server", raising=False)
    with (
        pytest.raises(BadInput, match=r"--bundles needs the package starlette.*: .*\[hub\]'"),
        bundle_server.serving_bundles(tmp_path, "127.0.0.1:0"),
    ):
        pass


@pytest.mark.parametrize("limits", [{"HEAD_SECONDS": 1.0}], indirect=True)
@pytest.mark.usefixtures("limits")
def test_a_client_that_never_agrees_on_the_encryption_is_ended(tmp_path: Path) -> None:
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    from collector.serving.http_server import http_server

    signed = Authority(tmp_path).sign("server")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(signed.certificate, signed.key)
    route = Route("/", lambda _request: PlainTextResponse("here"))
    with socket.create_server(("127.0.0.1", 0)) as listener, http_server(listener, [route], tls):
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as silent:
            assert ended(silent, 10.0)
        trusting = ssl.create_default_context(cafile=tmp_path / "authority.crt")

        def here() -> bool:
            with (
                closing(
                    http.client.HTTPSConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS, context=trusting)
                ) as client,
                suppress(OSError),
            ):  # a busy machine may not agree within a second
                client.request("GET", "/")
                return client.getresponse().read() == b"here"
            return False

        wait_until(here, "an answer to another client")
