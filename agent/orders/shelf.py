"""The folder of the bundles and questions that orders name, which never grows beyond a bound.

It is `ordered` in the state folder. Each bundle and question file is in a folder that is named by its digest,
whatever its name at the hub is: versions of one name are kept apart, and one that is renamed is kept once.
What a user has fetched or copied is in other folders, and is never touched.
"""

import os
import re
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from agent.bundles.bundle import verify
from agent.bundles.fetch import KEPT_FREE_BYTES, draft_of
from agent.errors import BadInput, BundleRefused
from contract.codec import printable
from contract.errors import ContractError
from contract.questions import MAX_QUESTION_FILE_BYTES, decode_questions

FOLDER: Final = "ordered"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class _OnShelf(NamedTuple):
    place: Path
    size: int
    used_at: float


class Shelf:
    """Keeps what orders name.

    Args:
        state_folder: the state folder, which this process has locked.
        most_bytes: largest size of everything in it.
    """

    def __init__(self, state_folder: Path, most_bytes: int) -> None:
        self.folder = state_folder / FOLDER
        self._most_bytes = most_bytes

    def bundle(self, sha256: str) -> Path:
        """The place of the bundle with this digest of its manifest."""
        return self.folder / "bundles" / sha256 / "bundle"

    def questions(self, sha256: str) -> Path:
        """The place of the question file with this digest."""
        return self.folder / "questions" / sha256 / "questions.json"

    def has_bundle(self, sha256: str) -> bool:
        """Whether a bundle is here and matches its manifest, all of which is hashed."""
        place = self.bundle(sha256)
        try:
            found = verify(place).sha256 == sha256
        except BundleRefused:
            return False
        _touch(place.parent)
        return found

    def has_questions(self, sha256: str) -> bool:
        """Whether a question file is here and has the right questions."""
        place = self.questions(sha256)
        try:
            with place.open("rb") as file:
                found = decode_questions(file.read(MAX_QUESTION_FILE_BYTES + 1)).sha256 == sha256
        except (OSError, ContractError):
            return False
        _touch(place.parent)
        return found

    def make_room(self, place: Path, size: int, needed_here: Collection[str]) -> None:
        """Drop what no order names, the least recently used first, until there is room.

        What lies in the folder of the place, such as a damaged file, is dropped first. Only a part of the
        bundle, which its download continues, stays and counts.

        Args:
            place: of what is to be added, as `bundle` or `questions` returns it.
            size: its size in bytes.
            needed_here: the digests that open orders name; none of these is dropped.

        Raises:
            BadInput: there is too little room even then.
        """
        _clear(place.parent, draft_of(place))
        kept = self._kept()
        needed_bytes = size - sum(each.size for each in kept if each.place == place.parent)
        for each in sorted(kept, key=lambda each: each.used_at):
            if self._lacking(needed_bytes, kept) <= 0:
                return
            if each.place.name not in needed_here:
                with suppress(OSError):
                    shutil.rmtree(each.place)
                    kept.remove(each)
        if (lacking := self._lacking(needed_bytes, kept)) > 0:
            raise BadInput(
                f"what the order names needs {needed_bytes / 1e6:.0f} MB more, and {lacking / 1e6:.0f} MB of "
                f"them have no room: '{printable(str(self.folder))}' may take "
                f"{self._most_bytes / 1e6:.0f} MB (--keep-mib), and {KEPT_FREE_BYTES / 1e6:.0f} MB of the "
                "disk stay free"
            )

    def _lacking(self, needed_bytes: int, kept: Collection[_OnShelf]) -> int:
        used = sum(each.size for each in kept)
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        free = shutil.disk_usage(self.folder).free - KEPT_FREE_BYTES
        return max(used + needed_bytes - self._most_bytes, needed_bytes - free)

    def _kept(self) -> list[_OnShelf]:
        found = []
        for kind in ("bundles", "questions"):
            with suppress(OSError):
                for place in (self.folder / kind).iterdir():
                    if _DIGEST.fullmatch(place.name) and place.is_dir() and not place.is_symlink():
                        found.append(_OnShelf(place, _size(place), place.stat().st_mtime))
        return found


def _clear(folder: Path, but: Path) -> None:
    with suppress(OSError):
        for path in folder.iterdir():
            if path == but:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


def _size(place: Path) -> int:
    return sum(path.lstat().st_size for path in place.rglob("*") if path.is_file())


def _touch(place: Path) -> None:
    with suppress(OSError):
        os.utime(place)
