"""Reads and writes bundles on disk; a bundle is written whole or not at all."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from commandline.disk import lacks_locks, lock_if_possible, not_replaceable, put_in_place, sync_folder
from contract.bundle import MANIFEST_FILE, FileEntry, Manifest, decode_manifest, encode_manifest
from contract.errors import ContractError
from export.errors import BadInput, StorageUnavailable

_WORKSHOP: Final = ".building-"
_PATIENCE_SECONDS: Final = 60.0


@contextmanager
def workshop(to: Path) -> Iterator[Path]:
    """A temporary folder inside `to`, on the same file system; it is removed at the end of the block.

    It is locked while in use, so that the next build can recognise and remove the folder of a killed build.

    Raises:
        StorageUnavailable: `to` cannot be made or written.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        with ExitStack() as locks:
            with _alone_in(to):  # otherwise another build sweeps the folder before it is locked
                _sweep(to)
                folder = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=to))
                locks.enter_context(_locked(folder, needed=False))
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageUnavailable(f"cannot write to '{to}': {error.strerror or error}") from error


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Wait until no other build sweeps or makes a workshop here; not where there are no locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        lock_if_possible(handle, f"folder '{folder}'", _PATIENCE_SECONDS)
        yield
    finally:
        os.close(handle)


@contextmanager
def _locked(folder: Path, *, needed: bool) -> Iterator[None]:
    """Keep other builds from removing a workshop; where there are no locks, none of them removes any."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if needed or not lacks_locks(error):
                raise
        yield
    finally:
        os.close(handle)


def _sweep(to: Path) -> None:
    for folder in to.glob(f"{_WORKSHOP}*"):
        try:
            with _locked(folder, needed=True):
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:  # another build is using it, or has just ended
            continue


def file_entry(path: Path) -> FileEntry:
    """The size and the SHA-256 of a file, as an entry of the manifest."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)


def seal(draft: Path, manifest: Manifest, place: Path) -> None:
    """Write the manifest into a draft folder, sync everything to disk and move it into place.

    A bundle that is already there is replaced.

    Raises:
        BadInput: something that is not a bundle is there, or a bundle with other files beside it.
    """
    (draft / MANIFEST_FILE).write_bytes(encode_manifest(manifest))
    for path in draft.iterdir():
        _sync(path)
    sync_folder(draft)
    if reason := not_replaceable(place):
        raise BadInput(f"'{place}' {reason}: move it away or choose another folder")
    put_in_place(draft, place)  # an old bundle is removed with the workshop
    sync_folder(place.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(place: Path) -> Manifest | None:
    """The manifest of a bundle if its files match it; None if there is no such bundle."""
    try:
        manifest = decode_manifest((place / MANIFEST_FILE).read_bytes())
        intact = all(file_entry(place / name) == entry for name, entry in manifest.files.items())
    except (OSError, ContractError):
        return None
    return manifest if intact else None
