"""A disk that remembers what was synced, so that a test can cut its power: a VFS shim, by ctypes.

It is registered in the very SQLite library that Python's `sqlite3` uses, as its default, and notes each
write, truncation, sync and deletion before it passes them on. From these notes follows what may be on the
disk if the power fails at any moment: all that was synced, and of the rest any sectors, in any combination.
It can also answer a write or a sync with an I/O error.
"""

import _sqlite3
import ctypes
import random
from collections.abc import Callable, Iterator
from ctypes import CFUNCTYPE, POINTER, byref, c_char_p, c_int, c_int64, c_void_p, cast, pointer
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

import pytest

SECTOR: Final = 512
"""Bytes that a disk writes at once; SQLite assumes no more (POWERSAFE_OVERWRITE leaves others alone)."""
IOERR_WRITE: Final = 10 | 3 << 8
IOERR_FSYNC: Final = 10 | 4 << 8

_OPEN = CFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, POINTER(c_int))
_DELETE = CFUNCTYPE(c_int, c_void_p, c_char_p, c_int)
_CLOSE = CFUNCTYPE(c_int, c_void_p)
_WRITE = CFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_TRUNCATE = CFUNCTYPE(c_int, c_void_p, c_int64)
_SYNC = CFUNCTYPE(c_int, c_void_p, c_int)


class _Methods(ctypes.Structure):
    """`sqlite3_io_methods`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("close", c_void_p),
        ("read", c_void_p),
        ("write", c_void_p),
        ("truncate", c_void_p),
        ("sync", c_void_p),
        ("others", c_void_p * 13),
    )


class _File(ctypes.Structure):
    """`sqlite3_file`; what follows belongs to the real VFS."""

    _fields_ = (("methods", POINTER(_Methods)),)


class _Vfs(ctypes.Structure):
    """`sqlite3_vfs`, version 3."""

    _fields_ = (
        ("version", c_int),
        ("file_size", c_int),
        ("max_pathname", c_int),
        ("next", c_void_p),
        ("name", c_char_p),
        ("app_data", c_void_p),
        ("open", c_void_p),
        ("delete", c_void_p),
        ("others", c_void_p * 14),
    )


class Note(NamedTuple):
    """What was done to a file, or told to the world."""

    kind: str
    """write, truncate, sync, delete, or told."""
    path: str = ""
    offset: int = 0
    data: bytes = b""
    told: Any = None
    """What must be true from now on whatever happens, since somebody was told that it is."""


class Disk:
    """Notes what SQLite does to files below a folder, within the `with` block.

    Args:
        folder: other files are left alone.
    """

    def __init__(self, folder: Path) -> None:
        self.notes: list[Note] = []
        self.fail_after: int | None = None
        """So many writes and syncs succeed, and none afterwards; None for all."""
        self._prefix = f"{folder}/"
        self._files: dict[int, tuple[str, _Methods, _Methods]] = {}
        self._library = ctypes.CDLL(_sqlite3.__file__)
        try:
            find = self._library.sqlite3_vfs_find
        except AttributeError:
            pytest.skip("this Python hides the SQLite library that it uses")
        find.restype = POINTER(_Vfs)
        self._real = find(None)
        self._callbacks = {
            "close": _CLOSE(self._close),
            "write": _WRITE(self._write),
            "truncate": _TRUNCATE(self._truncate),
            "sync": _SYNC(self._sync),
        }
        self._shim = _Vfs.from_buffer_copy(self._real.contents)
        self._shim.next = None
        self._shim.name = b"power"
        self._shim_callbacks = (_OPEN(self._open), _DELETE(self._delete))
        self._shim.open, self._shim.delete = (cast(each, c_void_p) for each in self._shim_callbacks)

    def __enter__(self) -> Self:
        assert self._library.sqlite3_vfs_register(byref(self._shim), 1) == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._library.sqlite3_vfs_register(self._real, 1)
        self._library.sqlite3_vfs_unregister(byref(self._shim))

    def tell(self, what: Any) -> None:
        """Note that somebody was told something."""
        self.notes.append(Note("told", told=what))

    def _open(self, _vfs: int, name: int, file: int, flags: int, out: Any) -> int:
        code: int = _OPEN(self._real.contents.open)(cast(self._real, c_void_p), name, file, flags, out)
        path = ctypes.string_at(name).decode() if name else ""
        opened = cast(file, POINTER(_File)).contents
        if code == 0 and path.startswith(self._prefix) and opened.methods:
            real = opened.methods.contents
            ours = _Methods.from_buffer_copy(real)
            for method, callback in self._callbacks.items():
                setattr(ours, method, cast(callback, c_void_p))
            self._files[file] = path, real, ours
            opened.methods = pointer(ours)
        return code

    def _delete(self, _vfs: int, name: bytes, sync: int) -> int:
        if name.decode().startswith(self._prefix):
            self.notes.append(Note("delete", name.decode()))
        code: int = _DELETE(self._real.contents.delete)(cast(self._real, c_void_p), name, sync)
        return code

    def _close(self, file: int) -> int:
        _, real, _ = self._files.pop(file)
        cast(file, POINTER(_File)).contents.methods = pointer(real)
        code: int = _CLOSE(real.close)(file)
        return code

    def _write(self, file: int, data: int, size: int, offset: int) -> int:
        path, real, _ = self._files[file]
        if self._fails():
            return IOERR_WRITE
        self.notes.append(Note("write", path, offset, ctypes.string_at(data, size)))
        code: int = _WRITE(real.write)(file, data, size, offset)
        return code

    def _truncate(self, file: int, size: int) -> int:
        path, real, _ = self._files[file]
        self.notes.append(Note("truncate", path, size))
        code: int = _TRUNCATE(real.truncate)(file, size)
        return code

    def _sync(self, file: int, flags: int) -> int:
        path, _, _ = self._files[file]
        if self._fails():
            return IOERR_FSYNC
        # The power may fail anyhow: a test need not wait for the real disk.
        self.notes.append(Note("sync", path))
        return 0

    def _fails(self) -> bool:
        if self.fail_after is None:
            return False
        self.fail_after -= 1
        return self.fail_after < 0


class Image:
    """A file after a power cut: what is safe, and what may or may not have reached the disk."""

    def __init__(self) -> None:
        self.safe = bytearray()
        self.unsafe: list[Note] = []

    def take(self, note: Note) -> None:
        """Note what happens to it."""
        self.unsafe.append(note)
        if note.kind == "sync":
            self.safe = self.after(lambda: True)
            self.unsafe.clear()

    def after(self, reached: Callable[[], bool]) -> bytearray:
        """Its bytes, if `reached` says of each sector whether it was written."""
        content = bytearray(self.safe)
        for note in self.unsafe:
            if note.kind == "truncate" and reached():
                del content[note.offset :]
            at = note.offset
            while note.kind == "write" and at < (end := note.offset + len(note.data)):
                until = min(end, (at // SECTOR + 1) * SECTOR)
                if reached():
                    content.extend(bytes(max(until - len(content), 0)))
                    content[at:until] = note.data[at - note.offset : until - note.offset]
                at = until
        return content


class Cut(NamedTuple):
    """A moment at which the power failed."""

    files: dict[str, bytearray]
    """What is on the disk."""
    told: Any
    """The latest that somebody was told."""
    coming: Any
    """What would have been told next: it may be on the disk already."""


def cuts(notes: list[Note], rng: random.Random, share: float) -> Iterator[Cut]:
    """Cuts at some moments: nothing, everything or any sectors of what was not synced have reached the disk.

    Args:
        notes: of a `Disk`; those before the first that is told are not cut.
        rng: chooses moments and sectors.
        share: of the moments; of those beside a sync, where it matters most, three times as many.
    """
    told = [at for at, note in enumerate(notes) if note.kind == "told"]
    images: dict[str, Image] = {}
    for at, note in enumerate(notes):
        beside = "sync" in {note.kind, notes[at - 1].kind}
        if at > told[0] and rng.random() < share * (3 if beside else 1):
            latest = max(t for t in told if t < at)
            coming = min((t for t in told if t >= at), default=latest)
            likely = rng.choice((0.0, 1.0, 0.5, 0.9))
            files = {
                path: image.after(lambda: rng.random() < likely)  # noqa: B023  # called at once
                for path, image in images.items()
            }
            yield Cut(files, notes[latest].told, notes[coming].told)
        if note.kind == "delete":
            # Whether or not a deletion has reached the disk: what is deleted says nothing any more.
            if rng.random() < 0.5:
                images.pop(note.path, None)
        elif note.kind != "told":
            images.setdefault(note.path, Image()).take(note)
