"""An HTTP server for read-only files, which a slow, silent or greedy client cannot shut for the others.

Starlette and uvicorn answer the requests. uvicorn itself waits for ever for a request's head and for a client
that does not read, so each connection is watched here:

- a head must be complete within `HEAD_SECONDS`, however slowly its bytes come;
- a client must read `BLOCK_BYTES` within `BLOCK_SECONDS`, and the end of an answer within the same time;
- above `MAX_CONNECTIONS`, or `MAX_PER_ADDRESS` of one address, a request is answered with 503 and
  `Retry-After`; above twice as many, a connection is closed at once.

Files are read by a few threads, so many clients share the disk, and a slow one holds no thread.
"""

import asyncio
import os
import re
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from http import HTTPStatus
from typing import BinaryIO, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from uvicorn import Config
from uvicorn import Server as UvicornServer
from uvicorn.protocols.http.h11_impl import H11Protocol

from collector.errors import FilesUnavailable

MAX_CONNECTIONS: Final = 256
MAX_PER_ADDRESS: Final = 128
HEAD_SECONDS: Final = 10.0
BLOCK_BYTES: Final = 262_144
BLOCK_SECONDS: Final = 60.0
RETRY_AFTER_SECONDS: Final = 5
_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-")
_CHECK_SECONDS: Final = 1.0
_KEEP_ALIVE_SECONDS: Final = 5
_GOODBYE_SECONDS: Final = 1

_BUSY: Final = Response(
    status_code=503, headers={"Retry-After": str(RETRY_AFTER_SECONDS), "Connection": "close"}
)


@contextmanager
def http_server(
    listener: socket.socket, routes: Sequence[Route], tls: ssl.SSLContext | None = None
) -> Iterator["HttpService"]:
    """Answer requests during the block, in a thread of its own.

    Args:
        listener: listens already.
        routes: what is answered; all other paths are not found. An answer that is no coroutine runs in a
            thread, and may read files.
        tls: the settings of HTTPS; None for HTTP.
    """
    config = Config(
        Starlette(routes=routes),
        http=_Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="critical",  # requests of unknown clients do not belong on the terminal
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GOODBYE_SECONDS,
    )
    config.load()
    config.ssl = tls
    service = HttpService(UvicornServer(config), listener, tls is not None)
    service.start()
    try:
        yield service
    finally:
        service.stop()


class HttpService:
    """A server in a thread of its own, which should run until it is stopped."""

    def __init__(self, server: UvicornServer, listener: socket.socket, encrypted: bool) -> None:
        self._server = server
        self._listener = listener
        self._encrypted = encrypted
        self._thread = threading.Thread(target=self._run, name="http", daemon=True)
        self.reason = "it stopped"
        """Why the server has ended by itself."""

    def check(self) -> None:
        """Check that requests are answered.

        Raises:
            FilesUnavailable: the server has ended by itself.
        """
        if not self.runs:
            raise FilesUnavailable(f"the server of files ended ({self.reason}): start this command again")

    @property
    def runs(self) -> bool:
        """Whether requests are answered."""
        return self._thread.is_alive()

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the server, and wait until it has ended."""
        self._server.should_exit = True
        self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except (
            Exception,
            SystemExit,
        ) as error:  # whoever started it says so; a thread would print a traceback
            self.reason = f"{type(error).__name__}: {error}"

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)  # a client's end is not an error
        if self._encrypted:  # asyncio gives a client a minute to agree on the encryption
            listening = partial(loop.create_server, ssl_handshake_timeout=HEAD_SECONDS)
            loop.create_server = listening  # type: ignore[method-assign]  # uvicorn has no option for it
        await self._server.serve(sockets=[self._listener])


def file_answer(file: BinaryIO, request: Request) -> Response:
    """Return a file as an answer, or the rest of it from the byte at which the request continues."""
    size = os.fstat(file.fileno()).st_size
    wanted = _RANGE.fullmatch(request.headers.get("Range", ""))
    start = int(wanted[1]) if wanted else 0
    if start > 0 and start >= size:
        file.close()
        beyond = {"Content-Range": f"bytes */{size}"}
        return Response(status_code=HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, headers=beyond)
    headers = {
        "Content-Length": str(size - start),
        "Accept-Ranges": "bytes",
        "X-Content-Type-Options": "nosniff",
    }
    if wanted:
        headers["Content-Range"] = f"bytes {start}-{size - 1}/{size}"
    file.seek(start)
    status = HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK
    return FileAnswer(file, status, headers, with_body=request.method != "HEAD")


def is_plain(request: Request) -> bool:
    """Return whether a request names a path as it is: without a query and without escaped characters."""
    return not request.url.query and b"%" not in request.scope["raw_path"]


class FileAnswer(StreamingResponse):
    """A file, or its end, for a client that keeps reading; closes the file."""

    def __init__(self, file: BinaryIO, status: int, headers: dict[str, str], *, with_body: bool) -> None:
        self._file = file
        blocks = iter(lambda: file.read(BLOCK_BYTES), b"") if with_body else iter(())
        super().__init__(blocks, status, headers, "application/octet-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file; a client that reads too slowly loses the connection."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(BLOCK_SECONDS):
                await send(message)

        try:
            with suppress(TimeoutError):  # uvicorn closes the connection of an unfinished answer
                await super().__call__(scope, receive, send_in_time)
        finally:
            self._file.close()


class _Connection(H11Protocol):
    """A connection that ends if its client does nothing for too long."""

    _check: asyncio.TimerHandle | None = None
    _waiting_since = 0.0
    """Since when a request's head, or the client's reading of the last answer, is awaited."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        clients = [each.client for each in self.connections if isinstance(each, _Connection)]
        here = sum(client[0] == self.client[0] for client in clients if client and self.client)
        if len(self.connections) > 2 * MAX_CONNECTIONS or here > 2 * MAX_PER_ADDRESS:
            transport.abort()
        elif len(self.connections) > MAX_CONNECTIONS or here > MAX_PER_ADDRESS:
            self.app = _BUSY
        self._waiting_since = self.loop.time()
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check is not None:
            self._check.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._waiting_since = self.loop.time()
        super().on_response_complete()

    def _check_later(self) -> None:
        self._check = self.loop.call_later(_CHECK_SECONDS, self._end_if_idle)

    def _end_if_idle(self) -> None:
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.is_closing() or not answering:
            unread = self.transport.get_write_buffer_size() > 0
            patience = BLOCK_SECONDS if unread else HEAD_SECONDS
            if self.loop.time() - self._waiting_since > patience:
                self.transport.abort()
                return
        self._check_later()
