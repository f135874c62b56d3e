"""What a hub offers to its devices: bundles and question files, by name and digest."""

import os
import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Final, NamedTuple

from collector.errors import BadInput
from collector.orders.name_list import listed
from commandline.disk import open_plain
from contract.bundle import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    Manifest,
    bundle_digest,
    bundle_name,
    decode_manifest,
)
from contract.codec import printable
from contract.errors import ContractError
from contract.questions import MAX_QUESTION_FILE_BYTES, QuestionFile, decode_questions

_DIGEST: Final = re.compile(r"[0-9a-f]{8,64}")


class OfferedBundle(NamedTuple):
    """A bundle in the hub's folder."""

    name: str
    sha256: str
    """Of its manifest."""
    manifest: Manifest


class OfferedQuestions(NamedTuple):
    """A question file in the hub's folder, without the questions that have no answer."""

    name: str
    file: QuestionFile


class Offer:
    """The bundles and question files of a hub. A question file is read when it is asked for.

    Args:
        bundles: the folder of bundles.
        questions: the folder of question files.

    Raises:
        BadInput: a folder cannot be read.
    """

    def __init__(self, bundles: Path, questions: Path) -> None:
        self._questions = questions
        self._bundles_folder = bundles
        self.bundles = _bundles(bundles)
        self._names = question_files(questions)
        self._read: dict[str, OfferedQuestions] = {}

    def bundle(self, wanted: str) -> OfferedBundle:
        """Return the bundle with a name, or with a beginning of the SHA-256 of its manifest.

        Raises:
            BadInput: the hub has no such bundle, or the text is a path or an address.
        """
        if wanted in self.bundles:
            return self.bundles[wanted]
        named = [each for each in self.bundles.values() if _is_digest(wanted, each.sha256)]
        if named:
            return named[0]
        raise BadInput(_unknown("bundle", wanted, self.bundles, self._bundles_folder))

    def questions(self, wanted: str) -> OfferedQuestions:
        """Return the question file with a name, also without its ending, or with a beginning of its digest.

        Raises:
            BadInput: the hub has no such file or it cannot be read, or the text is a path or an address.
        """
        name = wanted if wanted in self._names else None
        if name is None:
            of_name = [each for each in self._names if each.rpartition(".")[0] == wanted]
            name = of_name[0] if len(of_name) == 1 else None
        if name is not None:
            return self._questions_named(name)
        if _DIGEST.fullmatch(wanted):
            for each in self._names:
                if _is_digest(wanted, (found := self._questions_named(each)).file.sha256):
                    return found
        raise BadInput(_unknown("question file", wanted, dict.fromkeys(self._names), self._questions))

    def _questions_named(self, name: str) -> OfferedQuestions:
        if name not in self._read:
            try:
                with (self._questions / name).open("rb") as file:
                    data = file.read(MAX_QUESTION_FILE_BYTES + 1)
                read = decode_questions(data, answerable_only=True)
            except OSError as error:
                raise BadInput(f"question file {name!r} cannot be read: {error.strerror or error}") from None
            except ContractError as error:
                raise BadInput(f"question file {name!r}: {error}") from None
            self._read[name] = OfferedQuestions(name, read)
        return self._read[name]


def _bundles(folder: Path) -> dict[str, OfferedBundle]:
    """Read the manifests in a folder; a folder without a valid one is not offered."""
    found = {}
    try:
        for path in sorted(folder.iterdir()):
            if bundle_name(path.name) is None or path.is_symlink() or not path.is_dir():
                continue
            try:
                with os.fdopen(open_plain(path / MANIFEST_FILE), "rb") as file:
                    data = file.read(MAX_MANIFEST_BYTES + 1)
                manifest = decode_manifest(data)
            except (OSError, ContractError):
                continue
            found[path.name] = OfferedBundle(path.name, bundle_digest(data), manifest)
    except OSError as error:
        raise BadInput(f"bundles folder {str(folder)!r} cannot be read: {error.strerror}") from None
    return found


def question_files(folder: Path) -> list[str]:
    """Return the names of the question files in a folder.

    Raises:
        BadInput: the folder cannot be read.
    """
    try:
        return sorted(path.name for path in folder.iterdir() if path.is_file() and bundle_name(path.name))
    except OSError as error:
        raise BadInput(f"questions folder {str(folder)!r} cannot be read: {error.strerror}") from None


def _is_digest(wanted: str, sha256: str) -> bool:
    return _DIGEST.fullmatch(wanted) is not None and sha256.startswith(wanted)


def _unknown(what: str, wanted: str, known: Mapping[str, object], folder: Path) -> str:
    shown = f"'{printable(wanted)[:80]}'"
    if "/" in wanted or "\\" in wanted:
        return (
            f"{shown} is not the name of a {what}: an order names no path and no address, only what the hub "
            f"has in {str(folder)!r}"
        )
    near = get_close_matches(wanted, known, 1)
    advice = f"did you mean {near[0]!r}?" if near else f"it has {listed(known) or 'none'}"
    return f"the hub has no {what} {shown} in {str(folder)!r}: {advice}"
