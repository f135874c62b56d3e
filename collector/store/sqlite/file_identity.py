"""Whether the database that is open is still the file at its path.

A file that is moved, deleted or replaced stays open: what is written to it then is lost with the process, or
is not where its owner looks for it. SQLite does not notice
(https://www.sqlite.org/howtocorrupt.html, "Unlinking or renaming a database file while in use").
"""

from pathlib import Path
from typing import NamedTuple

from collector.errors import BadInput, DatabaseMoved


class _Inode(NamedTuple):
    device: int
    inode: int


class FileIdentity:
    """The files of a database as they are when it is opened: the database and its write-ahead log.

    It is made before the database is opened. Otherwise, a file that is put in place meanwhile would be taken
    for the one that is open.

    Args:
        path: the database, as the user named it.
        real: the same without links, as SQLite is to open it.

    Raises:
        BadInput: the file has several names, so that its locks and its log would, too.
    """

    def __init__(self, path: Path, real: Path) -> None:
        self._path = path
        self._real = real
        self._paths = (path, real.with_name(f"{real.name}-wal"))
        if path.stat().st_nlink > 1:
            raise BadInput(
                f"database {str(path)!r} has several names (hard links), which SQLite does not support: "
                'remove the others; `sqlite3 FILE ".backup COPY"` makes a copy'
            )
        self._files = tuple(map(_file, self._paths))

    def opened(self) -> None:
        """Note the write-ahead log, once SQLite has opened both files.

        Raises:
            DatabaseMoved: SQLite may have opened other files than those at the paths.
        """
        file, _ = self._files
        log = _file(self._paths[1])
        self._files = (file, log)
        if log is None or _file(self._real) != file:
            raise self._moved("was moved or replaced")
        self.check()

    def check(self) -> None:
        """Return if the files at the paths are those that are open.

        Raises:
            DatabaseMoved: they are not.
        """
        found = tuple(map(_file, self._paths))
        if found == self._files:
            return
        if found[0] is None:
            what = "was moved or deleted"
        elif found[0] != self._files[0]:
            what = "was replaced by another file"
        else:
            what = "has lost its write-ahead log, which was moved, deleted or replaced"
        raise self._moved(what)

    def _moved(self, what: str) -> DatabaseMoved:
        return DatabaseMoved(
            f"database {str(self._path)!r} {what} while it was in use: nothing more is stored or "
            "acknowledged; stop the collector before you move a database, then start it again"
        )


def _file(path: Path) -> _Inode | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return _Inode(status.st_dev, status.st_ino)
