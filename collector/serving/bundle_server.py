"""Serves a folder of bundles over HTTP, so that devices can fetch the files that a manifest lists.

Access is read-only. The only paths are `/NAME/manifest.json` and `/NAME/FILE`. Names are plain file names,
and links are not followed. A file that the bundle's manifest does not list is not found. Range requests are
answered, so that a download can be resumed.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from collector.errors import BadInput
from commandline.disk import open_plain
from commandline.program.installation import how_to_add
from contract.bundle import MANIFEST_FILE, MAX_MANIFEST_BYTES, bundle_name, decode_manifest
from contract.errors import ContractError

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

PORT: Final = 8642


class Serving(NamedTuple):
    """A folder that is being served."""

    url: str
    """The address of the folder, with a slash at its end."""
    check: Callable[[], None]
    """Raises `FilesUnavailable` if the server has ended by itself."""


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
def serving_bundles(folder: Path, address: str) -> Iterator[Serving]:
    """Serve a folder during the block.

    Args:
        folder: the folder of bundles.
        address: `host:port`, an IPv4 address or name of this machine; port 0 for a free one.

    Raises:
        BadInput: the folder or the address cannot be used, or the packages of the extra `hub` are missing.
    """
    try:
        from starlette.routing import Route

        from collector.serving.http_server import http_server
    except ModuleNotFoundError as error:
        raise BadInput(
            f"--bundles needs the package {error.name}; install it with: {how_to_add('hub')}"
        ) from None
    names(folder)
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise BadInput(f"{address[:100]!r} is not an address to serve bundles at: write 192.168.1.2:{PORT}")
    try:
        listener = socket.create_server((host, int(port)), backlog=1_024)
    except OSError as error:
        raise BadInput(f"bundles cannot be served at {address!r}: {error.strerror}") from None
    with listener:
        url = f"http://{host}:{listener.getsockname()[1]}/"
        route = Route("/{bundle}/{file}", partial(_answer, folder), methods=["GET"])
        with http_server(listener, [route]) as service:
            yield Serving(url, service.check)


def _answer(folder: Path, request: "Request") -> "Response":
    """Return a file of a bundle, or the rest of it."""
    from starlette.responses import Response

    from collector.serving.http_server import file_answer, is_plain

    asked = request.path_params
    file = bundle_file(folder, asked["bundle"], asked["file"]) if is_plain(request) else None
    return Response(status_code=HTTPStatus.NOT_FOUND) if file is None else file_answer(file, request)


def bundle_file(folder: Path, name: str, file: str) -> BinaryIO | None:
    """Open a file of a bundle in a folder of bundles; None if it is not available."""
    if bundle_name(name) is None or bundle_name(file) is None:
        return None
    bundle = folder / name
    if bundle.is_symlink():
        return None
    manifest = _opened(bundle / MANIFEST_FILE)
    if manifest is None or file == MANIFEST_FILE:
        return manifest
    with manifest:
        try:
            named = decode_manifest(manifest.read(MAX_MANIFEST_BYTES + 1)).files
        except ContractError:
            return None
    return _opened(bundle / file) if file in named else None


def _opened(path: Path) -> BinaryIO | None:
    try:
        return os.fdopen(open_plain(path), "rb")
    except OSError:
        return None
