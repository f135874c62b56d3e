"""Opens a bundle, which is untrusted: only files that its manifest names are loaded, and only after hashing.

Files are never opened through a link, and no more bytes of them are read than the contract allows. Each is
hashed through an open descriptor and loaded through that same descriptor, so a file that is swapped under its
name in between is not read. A file that is changed in place is detected by its times.
"""

import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from agent.errors import BundleRefused
from commandline.counted import counted
from commandline.disk import open_plain
from contract.bundle import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    MODEL_FILE,
    TOKENIZER_FILE,
    FileEntry,
    Manifest,
    bundle_digest,
    decode_manifest,
)
from contract.codec import printable
from contract.errors import ContractError
from contract.foreign.encodings import LFS_POINTER


class Bundle(NamedTuple):
    """A bundle as its manifest describes it; its files are not verified yet."""

    folder: Path
    manifest: Manifest
    sha256: str
    """SHA-256 of the manifest's bytes, which in turn contain the SHA-256 of every file."""

    @property
    def title(self) -> str:
        """The bundle's name for people: `minilm-l6 int8`."""
        return printable(f"{self.manifest.model} {self.manifest.precision}")


class OpenedModel(NamedTuple):
    """A verified model file, open for loading."""

    path: str
    """Names the very bytes that were hashed: through the descriptor, if the system can name one."""


def describe(folder: Path) -> Bundle:
    """Read a bundle's manifest, and check that its files are there and have the sizes that it states.

    Cheap: no file but the manifest is read, so it returns at once for a model of any size.

    Raises:
        BundleRefused: it is not a bundle or is a newer one; a file is missing, is a link or has another size.
    """
    if not folder.exists():
        raise BundleRefused(f"there is no bundle at {_shown(folder)}")
    if not (folder / MANIFEST_FILE).exists():
        raise BundleRefused(f"{_shown(folder)} is not a bundle: it has no {MANIFEST_FILE}")
    with _opened(folder, MANIFEST_FILE) as descriptor, open(descriptor, "rb", closefd=False) as file:
        data = file.read(MAX_MANIFEST_BYTES + 1)
    _check_no_pointer(folder, MANIFEST_FILE, data)
    try:
        manifest = decode_manifest(data)
    except ContractError as error:
        raise BundleRefused(f"{_shown(folder)}: {error}") from None
    for name, entry in manifest.files.items():
        with _opened(folder, name) as descriptor:
            _check_size(folder, name, descriptor, entry)
    return Bundle(folder, manifest, bundle_digest(data))


def verify(folder: Path) -> Bundle:
    """Describe a bundle and check the hashes of the files that are loaded, without loading them.

    Raises:
        BundleRefused: it is not a bundle, or does not match its manifest.
    """
    bundle = describe(folder)
    verified_tokenizer(bundle)
    with verified_model(bundle):
        return bundle


@contextmanager
def verified_model(bundle: Bundle) -> Iterator[OpenedModel]:
    """Hash the model file and open it for loading inside the block; it must not change until the block ends.

    Raises:
        BundleRefused: it is not the file that the manifest describes, or it changed.
    """
    entry = bundle.manifest.files[MODEL_FILE]
    with _opened(bundle.folder, MODEL_FILE) as descriptor:
        before = _identity(os.fstat(descriptor))
        _check_size(bundle.folder, MODEL_FILE, descriptor, entry)
        with open(descriptor, "rb", closefd=False) as file:
            _check_sha256(bundle.folder, MODEL_FILE, hashlib.file_digest(file, "sha256").hexdigest(), entry)
        linux = sys.platform == "linux"
        path = Path(f"/proc/self/fd/{descriptor}") if linux else bundle.folder / MODEL_FILE
        yield OpenedModel(str(path))
        if _identity(os.fstat(descriptor)) != before or _identity(path.stat()) != before:
            raise BundleRefused(f"{_shown(bundle.folder / MODEL_FILE)} changed while it was being loaded")


def verified_tokenizer(bundle: Bundle) -> bytes:
    """The bytes of the tokenizer file, checked against the manifest.

    Raises:
        BundleRefused: they are not the ones that the manifest describes.
    """
    entry = bundle.manifest.files[TOKENIZER_FILE]
    with _opened(bundle.folder, TOKENIZER_FILE) as descriptor, open(descriptor, "rb", closefd=False) as file:
        _check_size(bundle.folder, TOKENIZER_FILE, descriptor, entry)
        data = file.read(entry.bytes + 1)
    _check_sha256(bundle.folder, TOKENIZER_FILE, hashlib.sha256(data).hexdigest(), entry)
    return data


@contextmanager
def _opened(folder: Path, name: str) -> Iterator[int]:
    path = folder / name
    try:
        descriptor = open_plain(path)
    except OSError as error:
        if path.is_symlink():
            raise BundleRefused(f"{_shown(path)} is a link, which a bundle may not contain") from None
        raise BundleRefused(f"cannot open {_shown(path)}: {error.strerror}") from None
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _identity(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _check_size(folder: Path, name: str, descriptor: int, entry: FileEntry) -> None:
    size = os.fstat(descriptor).st_size
    if size != entry.bytes:
        _check_no_pointer(folder, name, os.pread(descriptor, len(LFS_POINTER), 0))
        raise BundleRefused(
            f"{_shown(folder / name)} has {counted(size, 'byte')}, but its manifest states {entry.bytes}: "
            "build or copy the bundle again"
        )


def _check_no_pointer(folder: Path, name: str, start: bytes) -> None:
    if start.startswith(LFS_POINTER):
        raise BundleRefused(
            f"{_shown(folder / name)} is a Git LFS pointer, not the file itself: run 'git lfs pull' where it "
            "was cloned, and copy the bundle again"
        )


def _check_sha256(folder: Path, name: str, sha256: str, entry: FileEntry) -> None:
    if sha256 != entry.sha256:
        raise BundleRefused(
            f"{_shown(folder / name)} has SHA-256 {sha256[:12]}…, but its manifest states "
            f"{entry.sha256[:12]}…: build or copy the bundle again"
        )


def _shown(path: Path) -> str:
    return f"'{printable(str(path))}'"
