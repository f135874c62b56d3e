"""Fetches a bundle from a web server: its manifest, then its files, which are verified and put in place.

The server is not trusted. File names come from the manifest, whose rules allow plain names only. Sizes and
hashes come from it too, so no more bytes are read than it states, and no file is kept that does not match. A
download that broke off resumes where it ended.
"""

import hashlib
import http.client
import os
import shutil
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple
from urllib.parse import unquote, urlsplit

from agent.bundles.bundle import verify
from agent.bundles.http import Login, opened
from agent.bundles.retries import Retries
from agent.errors import BadInput, BundleRefused, NotFetched
from commandline.broker_address import may_hold_password
from commandline.disk import (
    lock_if_possible,
    not_replaceable,
    public_mode,
    put_in_place,
    stranger_in,
    sync_folder,
    write_whole,
)
from contract.bundle import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    FileEntry,
    Manifest,
    bundle_name,
    decode_manifest,
)
from contract.codec import printable
from contract.errors import ContractError

KEPT_FREE_BYTES: Final = 100_000_000
"""Room on the disk that no bundle takes: the agent's results and the system need some."""
_BLOCK_BYTES: Final = 262_144

Show = Callable[[str, int, int], None]
"""Called with a file's name, how many of its bytes have arrived, and its size."""


class Fetched(NamedTuple):
    """A bundle that is in place."""

    folder: Path
    new: bool
    """False if the same bundle was there before."""


Check = Callable[[Manifest, bytes], None]
"""Called with a manifest and its bytes before the other files are fetched; raises if they are not to be."""


def fetch(
    url: str,
    to: Path,
    show: Show,
    login: Login | None = None,
    check: Check = lambda manifest, data: None,
    named: str | None = None,
) -> Fetched:
    """Fetch a bundle into a folder of bundles.

    Args:
        url: address of the bundle's folder, http or https, which ends in the bundle's name.
        to: the folder of bundles; created if it does not exist.
        show: called with the progress of each file.
        login: whom to log in as; None for a server that asks for no login.
        check: looks at the manifest first.
        named: the name of the bundle's folder here; None for its name there.

    Raises:
        BadInput: the URL is not valid, or the folder cannot be used, or holds something that is not a bundle.
        BundleRefused: the URL leads to no bundle, or to one that does not match its manifest.
        NotFetched: the server does not answer, or the download broke off; the same command resumes it.
    """
    base = _base(url)
    name = bundle_name(unquote(urlsplit(base).path.strip("/").rpartition("/")[2]))
    if name is None:
        raise BadInput(
            f"'{printable(url)[:200]}' does not end in a bundle's name, as http://host/minilm-l6-int8 does"
        )
    data = read_whole(base + MANIFEST_FILE, MAX_MANIFEST_BYTES + 1, login)
    try:
        manifest = decode_manifest(data)
    except ContractError as error:
        raise BundleRefused(f"'{printable(url)[:200]}': {error}") from None
    check(manifest, data)
    folder = to / (named or name)
    if _is_there(folder, data):
        return Fetched(folder, new=False)
    try:
        _check_place(folder)
        with _draft(folder) as draft:
            for path in draft.iterdir():
                if path.name not in manifest.files:
                    path.unlink()  # of the manifest that an earlier fetch found
            write_whole(draft / MANIFEST_FILE, data, public_mode())
            _check_room(draft, manifest)
            for file in manifest.files:
                _fetch_file(base + file, draft / file, manifest.files[file], show, login)
            verify(draft)
            sync_folder(draft)
            _check_place(folder)  # again: downloading takes minutes
            put_in_place(draft, folder)
            sync_folder(to)
            shutil.rmtree(draft, ignore_errors=True)  # the old bundle
    except OSError as error:
        raise BadInput(f"cannot write to '{printable(str(to))}': {error.strerror}") from None
    return Fetched(folder, new=True)


def _base(url: str) -> str:
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or not url.isascii() or not url.isprintable() or " " in url or parts.query or parts.fragment:
        secret = "@" in url or may_hold_password(url)
        shown = "the given URL" if secret else f"'{printable(url)[:200]}'"
        raise BadInput(f"{shown} is not the address of a bundle: write http://host/NAME")
    if parts.password is not None or parts.username is not None:
        raise BadInput("the URL contains a user name, which others could read in the list of processes")
    return url.rstrip("/") + "/"


def read_whole(url: str, most: int, login: Login | None = None) -> bytes:
    """Return what is at an address, or its first bytes if there are more than `most`.

    Raises:
        NotFetched: the server does not answer, or answers with an error.
    """
    retries = Retries()
    while True:
        try:
            with opened(url, login=login) as answer:
                return answer.read_all(most)
        except urllib.error.HTTPError as error:
            if not retries.wait(error):
                raise NotFetched(
                    f"'{printable(url)[:200]}' answers {error.code} {printable(error.reason)}"
                ) from None
        except (OSError, http.client.HTTPException) as error:
            # Nobody is there, or the address is wrong: say so at once.
            if isinstance(error, urllib.error.URLError) or not retries.wait(error):
                raise NotFetched(f"cannot fetch '{printable(url)[:200]}': {_reason(error)}") from None


def _fetch_file(url: str, path: Path, entry: FileEntry, show: Show, login: Login | None) -> None:
    size = entry.bytes
    retries = Retries()
    while True:
        received = path.stat().st_size if path.exists() else 0
        if received > size:
            path.unlink()
            received = 0
        if received == size and path.exists():
            break
        try:
            _continue(url, path, received, size, show, login)
        except urllib.error.HTTPError as error:
            if not retries.wait(error):
                raise NotFetched(
                    f"'{printable(url)[:200]}' answers {error.code} {printable(error.reason)}; run the same "
                    "command again to resume"
                ) from None
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, OSError) and error.filename is not None:
                raise  # the error is about the file on this disk, not about the network
            if path.exists() and path.stat().st_size - received >= _BLOCK_BYTES:
                retries = Retries()  # enough of it arrived
            if not retries.wait(error):
                raise NotFetched(
                    f"'{printable(url)[:200]}' broke off: {_reason(error)}; run the same command again to "
                    "resume"
                ) from None
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != entry.sha256:
        path.unlink()
        raise BundleRefused(
            f"'{printable(url)[:200]}' has SHA-256 {found[:12]}…, but its manifest states "
            f"{entry.sha256[:12]}…: fetch it again, or build the bundle again"
        )


def _continue(url: str, path: Path, received: int, size: int, show: Show, login: Login | None) -> None:
    with opened(url, received, login) as answer, _plain(path) as file:
        if received and not answer.is_part:
            received = 0  # a server without range support sends the whole file again
        file.seek(received)
        file.truncate()
        while received < size and (block := answer.read(min(_BLOCK_BYTES, size - received))):
            file.write(block)
            received += len(block)
            show(path.name, received, size)
        file.flush()
        os.fsync(file.fileno())
    if received < size:
        raise ConnectionError("the server sends too little")


def _plain(path: Path) -> IO[bytes]:
    """Open a file of the draft for writing, and never what a link leads to."""
    return os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666), "r+b")


def _is_there(folder: Path, manifest: bytes) -> bool:
    try:
        if (folder / MANIFEST_FILE).read_bytes() != manifest:
            return False
        verify(folder)
    except (OSError, BundleRefused):
        return False
    return True


def _check_place(folder: Path) -> None:
    if reason := not_replaceable(folder):
        raise BadInput(f"'{printable(str(folder))}' {reason}: move it away, or name another folder with --to")


def draft_of(folder: Path) -> Path:
    """The folder in which a bundle arrives that gets this place."""
    return folder.with_name(f".{folder.name}.part")


@contextmanager
def _draft(folder: Path) -> Iterator[Path]:
    """The folder in which a bundle arrives, beside its place: made, or left by a fetch that broke off."""
    draft = draft_of(folder)
    shown = f"'{printable(str(draft))}'"
    draft.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        draft.mkdir()
    if draft.is_symlink() or not draft.is_dir():
        raise BadInput(f"{shown} is not a folder that 'agent fetch' has made: move it away")
    other = stranger_in(draft)
    if other is not None:
        raise BadInput(f"{shown} holds '{printable(other)}', which 'agent fetch' has not made: move it away")
    descriptor = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        try:
            lock_if_possible(descriptor, shown, give_up_seconds=0)
        except TimeoutError:
            raise NotFetched(f"another agent is fetching into {shown}: wait for it") from None
        yield draft
    finally:
        os.close(descriptor)


def _check_room(draft: Path, manifest: Manifest) -> None:
    received = sum(path.stat().st_size for path in draft.iterdir())
    needed = sum(entry.bytes for entry in manifest.files.values()) - received
    free = shutil.disk_usage(draft).free - KEPT_FREE_BYTES
    if needed > free:
        raise BadInput(
            f"the bundle needs {needed // 1_000_000} MB more, but '{printable(str(draft.parent))}' has "
            f"only {max(free, 0) // 1_000_000} MB for it: {KEPT_FREE_BYTES // 1_000_000} MB are kept free"
        )


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    return printable(str(getattr(reason, "strerror", None) or reason)) or type(error).__name__
