"""The folder where the agent keeps what must outlive it: the outbox and the device's id."""

import platform
import re
import secrets
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from agent.errors import BadInput, OutboxDamaged, StateUnusable
from agent.outbox.damage import move_aside
from agent.outbox.folder_lock import locked
from agent.outbox.outbox import DEFAULT_LIMIT_BYTES, Outbox, WhenFull
from agent.outbox.summary import device_ids
from agent.stop_signal import Stop
from commandline.counted import counted
from commandline.disk import write_whole
from commandline.user_folder import user_folder
from contract import device
from contract.codec import printable
from contract.errors import Malformed

_HOSTNAME_CHARS = 56
_MAX_ID_FILE_BYTES = 1000

OUTBOX_FILE: Final = "outbox.db"
"""The file of the outbox in a state folder."""


class StateFolder:
    """A state folder, which is created when it is first used, for its user only.

    Args:
        path: the folder; None for `distilbench` in the user's state home (XDG base directory specification).

    Raises:
        StateUnusable: it cannot be created.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path = path or default_folder()
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StateUnusable(f"cannot use the state folder {self.shown}: {error.strerror}") from None

    @property
    def outbox(self) -> Path:
        """The path of the outbox."""
        return self.path / OUTBOX_FILE

    def device_id(self, wanted: str | None, say: Callable[[str], None] = lambda _: None) -> str:
        """The id of this device: the wanted one, or the one that was made once from the host's name.

        A damaged file is moved aside. The device then gets the id of the results in its outbox, if it is one.

        Args:
            wanted: the id that the user chose; None for the one in the folder.
            say: prints a warning if the file was damaged.

        Raises:
            BadInput: the wanted id is not valid.
            StateUnusable: the id cannot be read or saved.
        """
        if wanted is not None:
            return checked_device_id(wanted)
        file = self.path / "device-id"
        try:
            if not file.exists():
                return self._save_id(_new_device_id(platform.node()))
            known = _read_id(file.read_bytes()[:_MAX_ID_FILE_BYTES])
            if known is not None:
                return known
            found = device_ids(self.outbox)
            aside = move_aside(file)
            own_id = self._save_id(found[0] if len(found) == 1 else _new_device_id(platform.node()))
        except OSError as error:
            raise StateUnusable(
                f"cannot use the file 'device-id' in {self.shown}: {error.strerror}"
            ) from None
        say(
            f"the device's id was damaged and moved to '{printable(str(aside))}': the id is '{own_id}' now"
            + (", as in the outbox" if len(found) == 1 else "; to choose another one, use --device-id")
        )
        return own_id

    def _save_id(self, own_id: str) -> str:
        text = f"{own_id}\n{_checksum(own_id)}\n"
        write_whole(self.path / "device-id", text.encode())
        return own_id

    @property
    def shown(self) -> str:
        """The path as messages show it."""
        return f"'{printable(str(self.path))}'"


class OpenedState(NamedTuple):
    """A state folder in use: locked, with its outbox open and signals caught."""

    folder: Path
    device_id: str
    outbox: Outbox
    stop: Stop


@contextmanager
def opened_state(
    path: Path | None,
    device_id: str | None,
    say: Callable[[str], None],
    *,
    limit_bytes: int = DEFAULT_LIMIT_BYTES,
    when_full: WhenFull = "pause",
    serving: bool = False,
) -> Iterator[OpenedState]:
    """Lock and open a state folder for the length of the block.

    Args:
        path: the folder; None for the default one.
        device_id: the id that the user chose; None for the one in the folder.
        say: prints a warning if the outbox is damaged and had to be moved aside.
        limit_bytes: largest size of the outbox.
        when_full: what happens at that size.
        serving: this agent gives the folder up for another one; see `folder_lock`.

    Raises:
        BadInput: the device id is not valid, or results of another device wait here.
        StateBusy: another agent works here.
        StateUnusable: the folder or the outbox cannot be used, or the outbox was moved or deleted meanwhile
            while results waited in it.
    """
    folder = StateFolder(path)
    with (
        Stop() as stop,
        locked(folder.path, serving=serving),
        _moving_damage_aside(folder.outbox),
        _open_outbox(folder.outbox, say, limit_bytes, when_full) as outbox,
    ):
        own_id = folder.device_id(device_id, say)
        for other in outbox.other_devices(own_id):
            raise BadInput(
                f"results of the device '{other}' wait in {folder.shown}: deliver them with "
                f"--device-id {other}, or name another --state-dir"
            )
        try:
            yield OpenedState(folder.path, own_id, outbox, stop)
        finally:
            _check_nothing_is_lost(outbox)


def _check_nothing_is_lost(outbox: Outbox) -> None:
    """Raise StateUnusable if results wait in an outbox that ends with this process."""
    missing = outbox.missing
    if missing is not None and (pending := outbox.pending()):
        lost = counted(pending, "result that was not delivered is", "results that were not delivered are")
        raise StateUnusable(
            f"{missing}: {lost} lost; leave the state folder alone while an agent works with it"
        )


def _open_outbox(path: Path, say: Callable[[str], None], limit_bytes: int, when_full: WhenFull) -> Outbox:
    """Open the outbox; a damaged one is moved aside, so that an unattended device continues to work."""
    try:
        return Outbox(path, limit_bytes, when_full)
    except OutboxDamaged as damage:
        say(_moved(path, damage))
        return Outbox(path, limit_bytes, when_full)


@contextmanager
def _moving_damage_aside(path: Path) -> Iterator[None]:
    """Move the outbox aside if its damage is found while it is in use, so that the next command works."""
    try:
        yield
    except OutboxDamaged as damage:
        raise StateUnusable(f"{_moved(path, damage)}; run the same command again") from None


def _moved(path: Path, damage: OutboxDamaged) -> str:
    aside = move_aside(path, ("", "-wal", "-shm"))
    return f"{damage}; it was moved to '{printable(str(aside))}', and results in it are not delivered"


def _read_id(data: bytes) -> str | None:
    """The id in the content of its file; None if the content is damaged."""
    try:
        own_id, *rest = data.decode("ascii").split()
        own_id = device.checked_device_id(own_id)
    except (UnicodeDecodeError, ValueError, Malformed):
        return None
    # Earlier versions wrote no checksum. Without its last line break, the file was cut.
    return own_id if data.endswith(b"\n") and " ".join(rest) in ("", _checksum(own_id)) else None


def _checksum(own_id: str) -> str:
    return f"crc32 {zlib.crc32(own_id.encode()):08x}"


def default_folder() -> Path:
    """Return the user's state folder, `distilbench` in the user's state home; it may not exist yet."""
    return user_folder("XDG_STATE_HOME", ".local/state") / "distilbench"


def checked_device_id(text: str) -> str:
    """The text, if it is a device id.

    Raises:
        BadInput: it is not.
    """
    try:
        return device.checked_device_id(text)
    except Malformed as error:
        raise BadInput(str(error)) from None


def _new_device_id(hostname: str) -> str:
    plain = re.sub(r"[^a-z0-9]+", "-", hostname.split(".")[0].lower()).strip("-")[:_HOSTNAME_CHARS]
    return f"{plain or 'device'}-{secrets.token_hex(3)}"
