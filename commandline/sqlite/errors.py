"""What kind of error SQLite reports."""

import sqlite3
from typing import Final

_PRIMARY: Final = 0xFF
"""The part of an error code that names the kind of error."""


def primary_code(error: sqlite3.Error) -> int:
    """Return the primary result code of an error, such as `sqlite3.SQLITE_BUSY`.

    An error of Python's own module, such as one about text that is not UTF-8, has no code and counts as
    `SQLITE_ERROR`.
    """
    code: int = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & _PRIMARY
