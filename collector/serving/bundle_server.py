"""Serves a folder of bundles over HTTP, so that devices can fetch the files that a manifest lists.

Access is read-only. The only paths are `/NAME/manifest.json` and `/NAME/FILE`. Names are plain file names,
and links are not followed. A file that the bundle's manifest does not list is not found. Range requests are
answered, so that a download can be resumed.
"""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Final

from collector.errors import BadInput
from commandline.disk import open_plain
from contract.bundle import MANIFEST_FILE, MAX_MANIFEST_BYTES, bundle_name, decode_manifest
from contract.errors import ContractError

PORT: Final = 8642
MAX_CONNECTIONS: Final = 32
TIMEOUT_SECONDS: Final = 30.0
POLL_SECONDS: Final = 0.1
"""How often the server checks whether it should stop."""
_BLOCK_BYTES: Final = 262_144
_PATH: Final = re.compile(r"/([^/?#%]+)/([^/?#%]+)")
_RANGE: Final = re.compile(r"bytes=([0-9]{1,15})-")


def names(folder: Path) -> list[str]:
    """Return the names of the bundles in a folder that can be fetched.

    Raises:
        BadInput: the folder cannot be read.
    """
    try:
        return sorted(
            path.name
            for path in folder.iterdir()
            if bundle_name(path.name) and (path / MANIFEST_FILE).is_file()
        )
    except OSError as error:
        raise BadInput(f"bundles folder {str(folder)!r} cannot be read: {error.strerror}") from None


@contextmanager
def serving_bundles(folder: Path, address: str) -> Iterator[str]:
    """Serve a folder during the block; yields the URL of the folder.

    Args:
        folder: the folder of bundles.
        address: `host:port`, an IPv4 address or name of this machine; port 0 for a free one.

    Raises:
        BadInput: the folder or the address cannot be used.
    """
    names(folder)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise BadInput(f"{address[:100]!r} is not an address to serve bundles at: write 192.168.1.2:{PORT}")
    try:
        server = _Server((host, int(port)), _Handler)
    except OSError as error:
        raise BadInput(f"bundles cannot be served at {address!r}: {error.strerror}") from None
    server.folder = folder
    thread = threading.Thread(target=server.serve_forever, args=(POLL_SECONDS,), name="bundles", daemon=True)
    thread.start()
    try:
        yield f"http://{host}:{server.server_address[1]}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    folder: Path

    def __init__(self, *arguments: Any) -> None:
        self._free = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Accept a connection, unless there are too many."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve a connection to its end."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Do nothing: a client that disconnects early is not an error."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = TIMEOUT_SECONDS
    protocol_version = "HTTP/1.1"
    server_version = "distilbench"
    sys_version = ""

    def do_GET(self) -> None:
        """Send a file, or the rest of it."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Send the size of a file."""
        self._answer(with_body=False)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Do nothing: requests of unknown clients do not belong on the terminal."""

    def _answer(self, *, with_body: bool) -> None:
        file = self._file()
        if file is None:
            self.send_error(HTTPStatus.NOT_FOUND)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            wanted = _RANGE.fullmatch(self.headers.get("Range", ""))
            start = int(wanted[1]) if wanted else 0
            if start > 0 and start >= size:
                self.send_response(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)
                self.send_header("Content-Range", f"bytes */{size}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(HTTPStatus.PARTIAL_CONTENT if wanted else HTTPStatus.OK)
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{size - 1}/{size}")
            self.send_header("Content-Length", str(size - start))
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if with_body:
                file.seek(start)
                while block := file.read(_BLOCK_BYTES):
                    self.wfile.write(block)

    def _file(self) -> BinaryIO | None:
        """Open the requested file; None if it is not available."""
        asked = _PATH.fullmatch(self.path)
        if asked is None or bundle_name(asked[1]) is None or bundle_name(asked[2]) is None:
            return None
        bundle = self.server.folder / asked[1]
        if bundle.is_symlink():
            return None
        manifest = _opened(bundle / MANIFEST_FILE)
        if manifest is None or asked[2] == MANIFEST_FILE:
            return manifest
        with manifest:
            try:
                named = decode_manifest(manifest.read(MAX_MANIFEST_BYTES + 1)).files
            except ContractError:
                return None
        return _opened(bundle / asked[2]) if asked[2] in named else None


def _opened(path: Path) -> BinaryIO | None:
    try:
        return os.fdopen(open_plain(path), "rb")
    except OSError:
        return None
