"""A file of results: the messages that a broker would get, one per line."""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from agent.errors import NotDelivered
from contract.codec import printable


def extend(path: Path, messages: Iterable[bytes]) -> None:
    """Append messages to a file, all or none; they are on the disk when this returns.

    The file is copied, extended and renamed over the old one, so a reader never sees half a run.

    Raises:
        NotDelivered: the file cannot be written.
    """
    draft = path.with_name(f"{path.name}.part")
    try:
        try:
            with draft.open("wb") as file:
                if path.exists():
                    with path.open("rb") as old:
                        shutil.copyfileobj(old, file)
                for message in messages:
                    file.write(message + b"\n")
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except BaseException:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NotDelivered(
            f"cannot write results to '{printable(str(path))}': {error.strerror}; they are kept in the outbox"
        ) from None
