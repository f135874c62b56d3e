"""Collects the wheels for a kind of board once, keeps them, and lists them.

Of older versions it keeps the wheels of the one before, which boards may be fetching.
"""

import hashlib
import os
import re
import shutil
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Final, NamedTuple

from collector.errors import BadInput, StorageUnavailable
from collector.hub.shipped import constraints
from collector.hub.wheels.own_wheel import own_wheel
from collector.hub.wheels.pip import NoWheel, Pip
from commandline.disk import open_plain

OLDEST_GLIBC: Final = 17
"""Minor version of the oldest glibc that wheels of these days are for (manylinux2014)."""
KEPT_VERSIONS: Final = 2
"""Lists per kind of board, and own wheels, that are kept: those of this version, and of the one before."""
_DRAFT: Final = "collecting-"
_PYTHON: Final = re.compile(r"3\.(1[1-9]|[2-9][0-9])")
_LIBC: Final = re.compile(r"glibc2\.([1-9][0-9])")
_MACHINES: Final = ("aarch64", "x86_64")
_WHEEL: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+]*(-[A-Za-z0-9_.+!]+){4,5}\.whl")


class Kind(NamedTuple):
    """What decides which wheels fit a board."""

    python: str
    """Such as 3.11."""
    machine: str
    glibc: int
    """Minor version of its C library: 36 for glibc 2.36."""

    def __str__(self) -> str:
        return f"Python {self.python} on {self.machine} with glibc 2.{self.glibc}"


def kind_of(python: str, machine: str, libc: str) -> Kind:
    """Return the kind of a board, from what it says of itself.

    Raises:
        NoWheel: no wheels exist for such a board.
    """
    if not _PYTHON.fullmatch(python):
        raise NoWheel(f"there are no wheels for Python {python[:20]!r}: Python 3.11 or later is needed")
    if machine not in _MACHINES:
        raise NoWheel(
            f"there are no wheels for the processor {machine[:40]!r}: onnxruntime has them for aarch64 and "
            "x86_64 only"
        )
    glibc = _LIBC.fullmatch(libc)
    if glibc is None or int(glibc[1]) < OLDEST_GLIBC:
        raise NoWheel(f"there are no wheels for the C library {libc[:40]!r}: glibc 2.17 or later is needed")
    return Kind(python, machine, int(glibc[1]))


class Shelf:
    """The wheels of a hub, in one folder: `pool` has the files, `lists` their names for each kind of board.

    Args:
        folder: where they are kept.
        source: a folder of wheels to take them from; None for the package index that pip is set up for.
        say: prints a line for the operator.
    """

    def __init__(self, folder: Path, source: Path | None, say: Callable[[str], None]) -> None:
        self._folder = folder
        self._pool = folder / "pool"
        self._lists = folder / "lists"
        self._source = source
        self._say = say
        self._collecting: dict[Kind, Future[list[str]]] = {}
        self._lock, self._own_lock, self._pool_lock = Lock(), Lock(), Lock()
        # Two kinds at a time: many boards may join at once, and others wait without a thread.
        self._workers = ThreadPoolExecutor(2, thread_name_prefix="wheels")
        self._pip = Pip()
        self._own: str | None = None
        self._digests: dict[tuple[str, int, int], str] = {}

    def prepare(self) -> None:
        """Make the folders; look for wheels in the folder that was named.

        Raises:
            BadInput: that folder has no wheels.
            StorageUnavailable: the folders cannot be made.
        """
        try:
            for folder in (self._pool, self._lists):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for left in self._folder.glob(f"{_DRAFT}*"):  # of a hub that was killed
                shutil.rmtree(left, ignore_errors=True)
        except OSError as error:
            raise StorageUnavailable(f"{str(self._folder)!r} cannot be written: {error.strerror}") from None
        if self._source is not None and not any(self._source.glob("*.whl")):
            raise BadInput(
                f"the folder {str(self._source)!r} has no wheels: deploy/make-wheelhouse.sh fills one"
            )

    def listing(self, kind: Kind) -> "Future[list[str]]":
        """Return the lines `SHA256  FILENAME` for a kind of board, as soon as its wheels are collected."""
        with self._lock:
            running = self._collecting.get(kind)
            if running is None or running.done():
                running = self._workers.submit(self._listed, kind)
                self._collecting[kind] = running
            return running

    def open(self, name: str) -> BinaryIO | None:
        """Open a wheel; None if there is no such wheel."""
        if not _WHEEL.fullmatch(name):
            return None
        try:
            return os.fdopen(open_plain(self._pool / name), "rb")
        except OSError:
            return None

    def close(self) -> None:
        """End what is being collected, and begin nothing more."""
        self._pip.stop()
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _listed(self, kind: Kind) -> list[str]:
        try:
            own = self._own_name()
            names = self._kept(kind)
            if names is None:
                names = self._collected(kind, own)
            return [f"{self._digest(name)}  {name}" for name in (own, *names)]
        except OSError as error:
            raise NoWheel(f"the hub cannot keep wheels: {error.strerror or error}") from None
        except zipfile.BadZipFile as error:
            raise NoWheel(f"the hub's own wheel {self._own!r} is damaged: {error}") from None

    def _own_name(self) -> str:
        """Return the name of distilbench's own wheel, which is made once per start."""
        with self._own_lock:
            if self._own is None:
                with tempfile.TemporaryDirectory(dir=self._folder, prefix=_DRAFT) as made:
                    given = sorted((self._source or Path(made)).glob("distilbench-*.whl"), key=_age)
                    wheel = given[-1] if given else own_wheel(Path(made), self._pip)
                    draft = Path(made, "draft")
                    shutil.copyfile(wheel, draft)
                    draft.replace(self._pool / wheel.name)
                    self._own = wheel.name
            return self._own

    def _list_file(self, kind: Kind) -> Path:
        """The name changes with what is wanted and what there is, so that an upgraded hub collects again."""
        wanted = hashlib.sha256(_constraints_text().encode())
        wanted.update(_metadata(self._pool / str(self._own)))
        for wheel in sorted(self._source.glob("*.whl")) if self._source else ():
            wanted.update(f"{wheel.name} {wheel.stat().st_size}\n".encode())
        name = f"cp{kind.python}-{kind.machine}-glibc2.{kind.glibc}-{wanted.hexdigest()[:12]}.txt"
        return self._lists / name

    def _kept(self, kind: Kind) -> list[str] | None:
        with suppress(OSError):
            file = self._list_file(kind)
            # A power cut may leave a file without its content.
            kept = _listed_in(file)
            if kept and all(self._digest(name) == digest for name, digest in kept.items()):
                os.utime(file)  # the newest ones stay
                return list(kept)
        return None

    def _collected(self, kind: Kind, own: str) -> list[str]:
        self._say(f"collecting wheels for {kind}")
        with tempfile.TemporaryDirectory(dir=self._folder, prefix=_DRAFT) as made:
            _download(kind, self._pool / own, self._source, Path(made), self._pip)
            found = sorted(path.name for path in Path(made).glob("*.whl") if path.name != own)
            with self._pool_lock:  # no wheel may be removed before its list is there
                for name in found:
                    (Path(made) / name).replace(self._pool / name)
                draft = self._list_file(kind).with_suffix(".part")
                draft.write_text("".join(f"{self._digest(name)}  {name}\n" for name in found))
                draft.replace(self._list_file(kind))
                self._remove_older()
        self._say(f"collected {len(found) + 1} wheels for {kind}")
        return found

    def _remove_older(self) -> None:
        """Remove the lists and wheels of versions before the one before."""
        of_kind: dict[str, list[Path]] = defaultdict(list)
        for file in self._lists.glob("*.txt"):
            of_kind[file.name.rpartition("-")[0]].append(file)
        wanted = {wheel.name for wheel in _newest(self._pool.glob("distilbench-*.whl"))}
        for files in of_kind.values():
            lists = _newest(files)
            for file in files:
                names = _listed_in(file) if file in lists else None
                if names is None:
                    file.unlink()
                else:
                    wanted.update(names)
        for wheel in self._pool.glob("*.whl"):
            if wheel.name not in wanted:
                wheel.unlink()

    def _digest(self, name: str) -> str:
        path = self._pool / name
        found = path.stat()
        key = (name, found.st_mtime_ns, found.st_size)
        if key not in self._digests:
            with path.open("rb") as file:
                self._digests[key] = hashlib.file_digest(file, "sha256").hexdigest()
        return self._digests[key]


def _download(kind: Kind, own: Path, source: Path | None, into: Path, pip: Pip) -> None:
    platforms = [f"manylinux_2_{minor}_{kind.machine}" for minor in range(kind.glibc, OLDEST_GLIBC - 1, -1)]
    platforms += [f"manylinux2014_{kind.machine}", f"linux_{kind.machine}"]
    options = ["--dest", str(into), "--only-binary=:all:", "--python-version", kind.python]
    options += ["--implementation", "cp", *(word for name in platforms for word in ("--platform", name))]
    if source is None:
        options += ["--constraint", str(constraints())]
    else:
        options += ["--no-index", "--find-links", str(source)]
    # With pip's own wheel, a board needs no package python3-venv.
    tools = ["pip"] if source is None or any(source.glob("pip-*.whl")) else []
    pip.run(f"collect wheels for {kind}", "download", *options, str(own), *tools)


def _listed_in(file: Path) -> dict[str, str] | None:
    """Return the digest of each wheel that a list names; None if the list is damaged."""
    try:
        return dict(line.split()[::-1] for line in file.read_text().splitlines())
    except ValueError:
        return None


def _newest(files: Iterable[Path]) -> list[Path]:
    return sorted(files, key=_age)[-KEPT_VERSIONS:]


def _constraints_text() -> str:
    try:
        return constraints().read_text()
    except OSError:
        return ""


def _metadata(wheel: Path) -> bytes:
    """Return what a wheel says of itself, its dependencies among it."""
    with zipfile.ZipFile(wheel) as archive:
        return b"".join(archive.read(name) for name in archive.namelist() if name.endswith("/METADATA"))


def _age(path: Path) -> float:
    return path.stat().st_mtime
