"""A backup of the collector's database, and what happens when it is put back."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path


class Backup:
    """The latest backup of a database.

    Args:
        database: the database.
        copy: the file of the backup, on a disk that has room.
    """

    def __init__(self, database: Path, copy: Path) -> None:
        self._database = database
        self._copy = copy

    def forget(self) -> None:
        """Delete the backup."""
        self._copy.unlink(missing_ok=True)

    def make(self) -> None:
        """Back the database up, whether or not it is in use."""
        if self._database.exists():
            self.forget()
            with (
                closing(sqlite3.connect(self._database)) as source,
                closing(sqlite3.connect(self._copy)) as copy,
            ):
                source.backup(copy)

    def put_back(self) -> None:
        """Move the database away, and put the backup in its place; a collector may have it open.

        The log is moved after the database, and what appears meanwhile, too: a log of the old database beside
        the backup would damage it (https://www.sqlite.org/howtocorrupt.html, 1.4).
        """
        if not self._copy.exists():
            return
        new = self._database.with_name("new.db")
        shutil.copy(self._copy, new)
        for suffix in ("", "-wal", "-shm", "", "-wal", "-shm"):
            file = self._database.with_name(self._database.name + suffix)
            if file.exists():
                file.replace(file.with_name(f"moved.db{suffix}"))
        new.replace(self._database)
