"""Opens addresses of web servers that are not trusted: redirects stay in the web, and every answer ends.

A timeout of a socket is not enough: it starts over with each byte.
"""

import base64
import http.client
import socket
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import TracebackType
from typing import Any, Final, NamedTuple, Self
from urllib.parse import urlsplit

from commandline.broker_address import Secret
from contract.codec import printable

TIMEOUT_SECONDS: Final = 30.0
"""Longest wait for a connection, and for the next byte."""
PROGRESS_SECONDS: Final = 60.0
"""Within this time, an answer must begin; after that, and again each time, `PROGRESS_BYTES` must arrive."""
PROGRESS_BYTES: Final = 65_536
_AGAIN_SECONDS: Final = 1.0


class Login(NamedTuple):
    """How this device logs in to a web server, and which certificates it trusts there."""

    user: str
    password: Secret
    tls: ssl.SSLContext

    @property
    def header(self) -> str:
        """The value of `Authorization` (RFC 7617)."""
        both = f"{self.user}:{self.password.reveal()}".encode()
        return f"Basic {base64.b64encode(both).decode()}"


class WebAnswer:
    """A web server's answer, while it arrives."""

    def __init__(self, response: http.client.HTTPResponse, deadline: "_Deadline") -> None:
        self._response = response
        self._deadline = deadline
        self._since_progress = 0
        self._left = response.length  # None if the server does not state it

    @property
    def is_part(self) -> bool:
        """Whether the server sends the part that was asked for, and not the whole."""
        return self._response.status == http.client.PARTIAL_CONTENT

    def read(self, most: int) -> bytes:
        """Return the next bytes, at most `most` of them; none at the end.

        Raises:
            OSError: the answer broke off, or is too slow.
            HTTPException: it is not HTTP.
        """
        if self._left is not None:
            most = min(most, self._left)
        block = self._response.read1(most) if most else b""
        if self._left is not None:
            self._left -= len(block)
        if most and self._deadline.passed:
            raise ConnectionError("the connection is too slow")
        if most and self._left and not block:
            raise ConnectionError("the connection ended early")
        self._since_progress += len(block)
        if self._since_progress >= PROGRESS_BYTES:
            self._since_progress = 0
            self._deadline.renew()
        return block

    def read_all(self, most: int) -> bytes:
        """All that is left, or the first bytes if there are more than `most`."""
        parts = []
        while most > 0 and (part := self.read(most)):
            parts.append(part)
            most -= len(part)
        return b"".join(parts)


@contextmanager
def opened(url: str, start: int = 0, login: Login | None = None) -> Iterator[WebAnswer]:
    """Ask for what is at an address, from a byte on.

    Args:
        url: the address, http or https.
        start: the first byte.
        login: whom to log in as; a server that the address redirects to does not get it.

    Raises:
        HTTPError: the server answers with an error.
        OSError: it cannot be reached, leads elsewhere, breaks off or is too slow.
        HTTPException: it does not speak HTTP.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - the caller allows http and https only
    if login is not None:
        request.add_unredirected_header("Authorization", login.header)
    with _Deadline() as deadline:
        https = _Https(deadline, login.tls) if login is not None else _Https(deadline)
        opener = urllib.request.build_opener(_InTheWeb, _Http(deadline), https)
        try:
            try:
                response = opener.open(request, timeout=TIMEOUT_SECONDS)
            except ValueError:
                raise urllib.error.URLError("it redirects to what is not an address") from None
            with response:
                yield WebAnswer(response, deadline)
        except (OSError, http.client.HTTPException):
            if deadline.passed:
                raise TimeoutError(f"it sends less than {PROGRESS_BYTES // 1024} KiB per minute") from None
            raise


class _Deadline:
    """Shuts connections that are slow."""

    def __init__(self) -> None:
        self.passed = self._ended = False
        self._connections: list[http.client.HTTPConnection] = []
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        self.renew()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended = True
        self._cancel()

    def watch(self, connection: http.client.HTTPConnection) -> None:
        self._connections.append(connection)

    def renew(self) -> None:
        """Begin again to wait."""
        self._cancel()
        if not self.passed:
            self._start(PROGRESS_SECONDS)

    def _start(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._pass)
        self._timer.daemon = True
        self._timer.start()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _pass(self) -> None:
        self.passed = True
        for connection in self._connections:
            with suppress(OSError, AttributeError):  # not connected yet, or closed
                connection.sock.shutdown(socket.SHUT_RDWR)
        if not self._ended:
            self._start(_AGAIN_SECONDS)  # for a connection that is made only now


class _Watched:
    """A handler of urllib whose connections have a deadline."""

    def __init__(self, deadline: _Deadline, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(**({} if tls is None else {"context": tls}))
        self._deadline = deadline

    def do_open(self, http_class: Callable[..., http.client.HTTPConnection], req: Any, **options: Any) -> Any:
        """Open a connection, as the base class does, and watch it."""

        def watched(*arguments: Any, **more: Any) -> http.client.HTTPConnection:
            connection = http_class(*arguments, **more)
            self._deadline.watch(connection)
            return connection

        return super().do_open(watched, req, **options)  # type: ignore[misc]  # of the class beside it


class _Http(_Watched, urllib.request.HTTPHandler):
    pass


class _Https(_Watched, urllib.request.HTTPSHandler):
    pass


class _InTheWeb(urllib.request.HTTPRedirectHandler):
    """Follows redirects to http and https only, and never from https to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        """Refuse a redirect that leaves http and https, or that leads from https to http."""
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https") or (req.type == "https" and scheme == "http"):
            raise urllib.error.URLError(f"it redirects to '{printable(newurl)[:100]}'")
        return super().redirect_request(req, fp, code, msg, headers, newurl)
