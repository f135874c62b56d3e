"""What a pass opens, below `/join/PASS`: the script, wheels, unit files, and credentials once per use."""

import asyncio
import re
from concurrent.futures import Future
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from collector.errors import StorageUnavailable
from collector.hub.authority import certificate_end
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.membership import Membership
from collector.hub.mosquitto import wait_until_applied
from collector.hub.register import Conflict, Refused
from collector.hub.service.access import Access, Denied
from collector.hub.shipped import BOARD, installer, unit_file
from collector.hub.wheels.pip import NoWheel
from collector.hub.wheels.shelf import Kind, Shelf, kind_of
from collector.serving.http_server import HEAD_SECONDS, file_answer, is_plain

MAX_FORM_BYTES: Final = 4_096
_SCRIPT: Final = "text/x-shellscript"
_FILE: Final = re.compile(r"[a-z][a-z0-9.-]{0,80}")
_NOT_IN_QUOTES: Final = re.compile(r"['\x00-\x1f\x7f]")
"""What a text between single quotes of a shell cannot have."""
_FIELD_CHARS: Final = 64


class Joining:
    """Answers what a board asks for while it joins.

    Args:
        folder: the hub's folder.
        settings: its settings.
        pin: the pin of its key.
        access: decides who is answered.
        shelf: the wheels.
    """

    def __init__(
        self, folder: HubFolder, settings: HubSettings, pin: str, access: Access, shelf: Shelf
    ) -> None:
        self._folder = folder
        self._settings = settings
        self._pin = pin
        self._access = access
        self._shelf = shelf
        self._membership = Membership(folder, settings, pin)

    def script(self, request: Request) -> Response:
        """Return the script that lets a board join, or that prints why not, unless the board has joined.

        Nothing of a pass that is not good is repeated in the script.
        """
        secret, device, refusal = request.path_params["secret"], None, ""
        try:
            text = (BOARD / "join.sh").read_text()
        except OSError as error:
            raise StorageUnavailable(f"the script cannot be read: {error.strerror}") from None
        try:
            device = self._access.by_pass(request, secret)
        except Denied as denied:
            secret, refusal = "", denied.sentence
        except StorageUnavailable as error:
            secret, refusal = "", f"the hub cannot answer now: {error}"
        values = {
            "@HUB_URL@": self._settings.url,
            "@PIN@": self._pin,
            "@PASS@": secret,
            "@DEVICE@": device or "",
            "@CERTIFICATE_ENDS@": f"{certificate_end(self._folder):%Y-%m-%d}",
            "@REFUSAL@": _NOT_IN_QUOTES.sub('"', refusal),
        }
        for placeholder, value in values.items():
            text = text.replace(placeholder, value)
        return Response(text, media_type=_SCRIPT, headers=_NOT_KEPT)

    async def wheels(self, request: Request) -> Response:
        """Return the lines `SHA256  FILENAME` of what a board installs, once the hub has collected it."""
        await run_in_threadpool(self._access.by_pass, request, request.path_params["secret"])
        return await wheel_list(self._shelf, request)

    def wheel(self, request: Request) -> Response:
        """Return a wheel, or the rest of it."""
        self._access.by_pass(request, request.path_params["secret"])
        return wheel_file(self._shelf, request)

    def file(self, request: Request) -> Response:
        """Return a unit for systemd, or another file that the script needs."""
        self._access.by_pass(request, request.path_params["secret"])
        return board_file(request)

    def file_of_joined(self, request: Request) -> Response:
        """Return the same to a device that has joined."""
        self._access.by_login(request)
        return board_file(request)

    def order_secret(self, request: Request) -> Response:
        """Return the secret under which a device's orders are sealed, to that device."""
        device = self._access.by_login(request)
        if device is None:
            raise Denied(403, "a pass opens no device's secret: log in with the device's id and password")
        return PlainTextResponse(f"{self._membership.order_secret(device)}\n", headers=_NOT_KEPT)

    async def credentials(self, request: Request) -> Response:
        """Use the pass once, and return a tar archive of the device's settings."""
        secret = request.path_params["secret"]
        form = await _form(request)
        await run_in_threadpool(self._access.by_pass, request, secret)
        archive = await run_in_threadpool(self._let_in, secret, form)
        return Response(archive, media_type="application/x-tar", headers=_NOT_KEPT)

    def _let_in(self, secret: str, form: dict[str, str]) -> bytes:
        try:
            archive = self._membership.let_in(
                secret, form.get("device", ""), form.get("machine", ""), form.get("python", "")
            )
        except Conflict as conflict:
            raise Denied(409, str(conflict)) from None
        except Refused as refused:
            raise Denied(403, str(refused)) from None
        wait_until_applied(self._folder)
        return archive


_NOT_KEPT: Final = {"Cache-Control": "no-store"}


def board_file(request: Request) -> Response:
    """Return a unit for systemd, or the installer, which the script includes.

    Raises:
        Denied: there is no such file.
    """
    name = request.path_params["name"]
    if _FILE.fullmatch(name) and is_plain(request):
        path = installer() if name == installer().name else unit_file(name)
        if path.is_file():
            return file_answer(path.open("rb"), request)
    raise Denied(404, f"the hub has no file {name[:80]!r}")


async def wheel_list(shelf: Shelf, request: Request) -> Response:
    """Return the lines `SHA256  FILENAME` for the board that the query describes.

    Raises:
        Denied: there are no such wheels.
    """
    asked = request.query_params
    try:
        kind = kind_of(asked.get("python", ""), asked.get("machine", ""), asked.get("libc", ""))
        lines = await _waited(shelf, kind)
    except NoWheel as error:
        raise Denied(404, str(error)) from None
    return PlainTextResponse("".join(f"{line}\n" for line in lines))


def wheel_file(shelf: Shelf, request: Request) -> Response:
    """Return a wheel, or the rest of it.

    Raises:
        Denied: there is no such wheel.
    """
    name = request.path_params["name"]
    file = shelf.open(name)
    if file is None:
        raise Denied(404, f"the hub has no wheel {name[:200]!r}")
    return file_answer(file, request)


async def _waited(shelf: Shelf, kind: Kind) -> list[str]:
    running: Future[list[str]] = shelf.listing(kind)
    # A board that hangs up must not end what others wait for.
    return await asyncio.shield(asyncio.wrap_future(running))


async def _form(request: Request) -> dict[str, str]:
    """Read the fields of a small form, which must arrive in time."""
    data = b""
    try:
        async with asyncio.timeout(HEAD_SECONDS):
            async for part in request.stream():
                data += part
                if len(data) > MAX_FORM_BYTES:
                    raise Denied(413, f"a form may have at most {MAX_FORM_BYTES} bytes")
    except TimeoutError:
        raise Denied(408, "the form did not arrive in time") from None
    fields = parse_qs(data.decode("utf-8", "replace"), max_num_fields=16)
    return {name: values[0][:_FIELD_CHARS] for name, values in fields.items()}
