"""Checks of the machine that a collector runs on; `collector.doctor.broker` checks the broker."""

import importlib.metadata
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from collector.doctor.holdings import holdings
from collector.doctor.postgres import examine_postgres
from collector.errors import CollectorError
from collector.store.database import Where, is_address
from collector.store.opening import open_store_to_read
from collector.store.sqlite.sqlite_store import OLDEST_SQLITE
from commandline.clock import synchronised
from commandline.disk import sync_seconds
from commandline.finding import Finding
from commandline.program.installation import how_to_add

LITTLE_SPACE_BYTES: Final = 1 << 30
NO_SPACE_BYTES: Final = 64 << 20
SLOW_SYNC_SECONDS: Final = 0.05
"""Seconds per commit; a slower disk commits fewer than 20 small transactions per second."""
_WAL_RESET_FIXED: Final = (3, 51, 3)
_NETWORK_FILE_SYSTEMS: Final = frozenset(("nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph"))
_EXTRAS: Final = (
    ("collector", ("iotcore",), "--embedded-broker"),
    ("hub", ("starlette", "uvicorn"), "serve --bundles"),
    ("score", ("bert-score", "transformers", "torch"), "BERTScore"),
    ("parquet", ("pyarrow",), "report --format parquet"),
    ("cluster", ("distributed",), "--workers tcp://HOST:PORT"),
    ("postgres", ("psycopg",), "--db postgresql://…"),
)


def examine_here(database: Where | None) -> Iterator[Finding]:
    """Check this machine: SQLite, the database and its disk, the clock, the optional packages."""
    yield _sqlite()
    if database is None:
        yield Finding("database", "warn", "no database is named", "name it with --db")
    elif is_address(database):
        yield from examine_postgres(str(database))
    else:
        database = Path(database)
        folder = database.absolute().parent
        if folder.is_dir():
            yield from _disk(folder)
            yield _database(database)
        else:
            yield Finding("database", "fail", f"there is no folder {str(folder)!r}", "create it")
    yield _clock(database)
    yield from _packages()


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        oldest = ".".join(map(str, OLDEST_SQLITE[:2]))
        return Finding("sqlite", "fail", f"version {version}", f"use a Python with SQLite {oldest} or later")
    if sqlite3.sqlite_version_info < _WAL_RESET_FIXED:
        return Finding(
            "sqlite",
            "ok",
            f"version {version}, which can lose commits when two programs write at the same moment; "
            "distilbench's own commands take turns, so let no other program write to the database",
        )
    return Finding("sqlite", "ok", f"version {version}")


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    what = f"{free / 1e9:.1f} GB are free in {str(folder)!r}"
    if free < NO_SPACE_BYTES:
        yield Finding("space", "fail", what, "free space: nothing is acknowledged while the disk is full")
    elif free < LITTLE_SPACE_BYTES:
        yield Finding("space", "warn", what, "free space, or move the database; see also collector prune")
    else:
        yield Finding("space", "ok", what)
    kind = _file_system(folder)
    if kind in _NETWORK_FILE_SYSTEMS:
        yield Finding(
            "file system",
            "fail",
            f"{str(folder)!r} is on {kind}, and SQLite's write-ahead log does not work there",
            "keep the database on a disk of this machine",
        )
    try:
        seconds = sync_seconds(folder)
    except OSError as error:
        yield Finding(
            "sync", "fail", f"{str(folder)!r} cannot be written: {error.strerror}", "fix its permissions"
        )
        return
    what = f"a synced write takes {seconds * 1e3:.1f} ms"
    slow = seconds > SLOW_SYNC_SECONDS
    advice = "use a faster disk to receive results faster" if slow else ""
    yield Finding("sync", "warn" if slow else "ok", what, advice)


def _file_system(folder: Path) -> str | None:
    """Return the file system type of a folder, as Linux names it; None on other systems."""
    mounts = Path("/proc/self/mounts")
    if not mounts.exists():
        return None
    found = ("", "")
    for line in mounts.read_text(errors="replace").splitlines():
        _, mount_point, kind, *_ = line.split(" ")
        mount_point = mount_point.replace("\\040", " ")
        if folder.is_relative_to(mount_point) and len(mount_point) >= len(found[0]):
            found = mount_point, kind
    return found[1] or None


def _database(path: Path) -> Finding:
    shown = repr(str(path))
    if not path.exists():
        return Finding("database", "ok", f"{shown} will be created")
    try:
        with open_store_to_read(path) as store:
            mode = store.value("PRAGMA journal_mode")
            broken = next(store.rows("PRAGMA quick_check(1)"), {"quick_check": "ok"})["quick_check"]
            found = holdings(f"{shown} is intact and", store)
    except CollectorError as error:
        return Finding("database", "fail", str(error), "restore a copy; docs/decisions/0008 explains why")
    if broken != "ok":
        return Finding("database", "fail", f"{shown} is damaged: {broken}", "restore a copy of it")
    if mode != "wal":
        return Finding(
            "database", "warn", f"{found.what}, but has no write-ahead log", "collector serve turns it on"
        )
    return found


def _clock(database: Where | None) -> Finding:
    now = datetime.now(UTC)
    if database is not None and (is_address(database) or Path(database).exists()):
        latest = _latest(database)
        if latest is not None and latest > now:
            return Finding(
                "clock",
                "fail",
                f"the time is {now:%F %T} UTC, and the database has a run from {latest:%F %T}",
                "set the clock",
            )
    if synchronised() is False:
        return Finding(
            "clock",
            "warn",
            "the system's clock is not synchronised",
            "times of arrival may be wrong: set up NTP",
        )
    return Finding("clock", "ok", f"the time is {now:%F %T} UTC")


def _latest(database: Where) -> datetime | None:
    try:
        with open_store_to_read(database) as store:
            text = store.value("SELECT max(first_received_at) FROM streams")
    except CollectorError:
        return None
    return None if text is None else datetime.fromisoformat(text)


def _packages() -> Iterator[Finding]:
    for extra, packages, purpose in _EXTRAS:
        found, missing = [], []
        for package in packages:
            try:
                found.append(f"{package} {importlib.metadata.version(package)}")
            except importlib.metadata.PackageNotFoundError:
                missing.append(package)
        if missing:
            what = f"{', '.join(missing)} missing: {purpose} cannot be used"
            yield Finding(f"extra {extra}", "ok", what, f"if needed: {how_to_add(extra)}")
        else:
            yield Finding(f"extra {extra}", "ok", f"{', '.join(found)}: {purpose}")
