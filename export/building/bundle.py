"""Bundles on disk: whole or not at all, and recognised when they are there already."""

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from commandline.disk import put_in_place
from contract.bundle import MANIFEST_FILE, FileEntry, Manifest, decode_manifest
from contract.codec import encode
from contract.errors import ContractError
from export.errors import BadInput, StorageUnavailable

_WORKSHOP: Final = ".building-"


@contextmanager
def workshop(to: Path) -> Iterator[Path]:
    """A temporary folder inside `to`, on the same file system, gone at the end of the block.

    It is locked while in use, so that the next build can tell what a killed one left behind and remove it.

    Raises:
        StorageUnavailable: `to` cannot be made or written.
    """
    try:
        to.mkdir(parents=True, exist_ok=True)
        _sweep(to)
        folder = Path(tempfile.mkdtemp(prefix=_WORKSHOP, dir=to))
        with _locked(folder):
            try:
                yield folder
            finally:
                shutil.rmtree(folder, ignore_errors=True)
    except OSError as error:
        raise StorageUnavailable(f"cannot write to '{to}': {error.strerror or error}") from error


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _sweep(to: Path) -> None:
    for left in to.glob(f"{_WORKSHOP}*"):
        try:
            with _locked(left):
                shutil.rmtree(left, ignore_errors=True)
        except OSError:  # another build is at work there, or has just ended
            continue


def file_entry(path: Path) -> FileEntry:
    """Size and SHA-256 of a file."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return FileEntry(bytes=path.stat().st_size, sha256=digest)


def seal(draft: Path, manifest: Manifest, place: Path) -> None:
    """Write the manifest into a draft folder, sync everything to disk and move it into place.

    What is there already, a bundle, is replaced.

    Raises:
        BadInput: something else is there.
    """
    (draft / MANIFEST_FILE).write_bytes(encode(manifest))
    for path in draft.iterdir():
        _sync(path)
    _sync(draft)
    if place.exists() and not (place / MANIFEST_FILE).is_file():
        raise BadInput(f"'{place}' is there already and is no bundle: move it away or choose another folder")
    put_in_place(draft, place)  # an old bundle goes with the workshop
    _sync(place.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read(place: Path) -> Manifest | None:
    """The manifest of a bundle whose files are what it says; None where there is no such bundle."""
    try:
        manifest = decode_manifest((place / MANIFEST_FILE).read_bytes())
        intact = all(file_entry(place / name) == entry for name, entry in manifest.files.items())
    except (OSError, ContractError):
        return None
    return manifest if intact else None
