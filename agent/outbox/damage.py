"""Moves damaged files aside: they stay in their folder, under a name that says what they are."""

from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from agent.errors import StateUnusable
from commandline.disk import sync_folder
from contract.codec import printable


def move_aside(path: Path, suffixes: tuple[str, ...] = ("",)) -> Path:
    """Rename a damaged file to `NAME.damaged-TIME`, together with the files that belong to it.

    Args:
        path: the file.
        suffixes: what the names of the files add to the file's name; those that do not exist are left out.

    Returns:
        The new path.

    Raises:
        StateUnusable: it cannot be renamed.
    """
    stem = f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%SZ}"
    names = (stem if number == 0 else f"{stem}-{number}" for number in count())
    aside = next(free for name in names if not (free := path.with_name(name)).exists())
    try:
        for suffix in suffixes:
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(aside.with_name(aside.name + suffix))
        sync_folder(path.parent)
    except OSError as error:
        raise StateUnusable(
            f"'{printable(str(path))}' is damaged, and it cannot be moved aside: {error.strerror}"
        ) from None
    return aside
