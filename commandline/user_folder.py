"""Where the files of a user are, by the XDG Base Directory Specification."""

import os
from pathlib import Path


def user_folder(variable: str, below_home: str) -> Path:
    """Return a folder of the user's files; it may not exist yet.

    Args:
        variable: the environment variable that may name it. The specification: a path that is not absolute
            is ignored.
        below_home: where it is in the user's home otherwise.

    Raises:
        RuntimeError: it is in the home of a user who has none.
    """
    named = os.environ.get(variable, "")
    return Path(named) if named.startswith("/") else Path.home() / below_home
