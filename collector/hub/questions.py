"""Adds the hub's question files to its database, one at a time, beside everything else that the hub does."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from collector.errors import BadInput, StorageUnavailable
from collector.hub.folder import HubFolder
from collector.orders.offered import question_files
from commandline.program.messages import Problem


class QuestionFiles:
    """The question files of a hub; each is added once, and again if it changes.

    Args:
        folder: the hub's folder.
        command: makes the command of a collector from its arguments.
        say: prints a line for the operator.
    """

    def __init__(
        self, folder: HubFolder, command: Callable[..., Sequence[str]], say: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._command = command
        self._say = say
        self._added: list[str] = []
        self._waiting: list[str] = []
        self._process: subprocess.Popen[str] | None = None

    def take(self, files: Sequence[Path]) -> None:
        """Copy files into the hub's folder, and note which ones the database does not have yet.

        Raises:
            BadInput: a file cannot be read.
            StorageUnavailable: the folder cannot be written.
        """
        folder = self._folder
        for file in files:
            try:
                data = file.read_bytes()
            except OSError as error:
                raise BadInput(f"question file {str(file)!r} cannot be read: {error.strerror}") from None
            target = folder.questions / file.name
            if not target.exists() or target.read_bytes() != data:
                folder.write(target, data)
        before = folder.added_questions()
        for name in question_files(folder.questions):
            about = (folder.questions / name).stat()
            stamp = f"{about.st_mtime_ns} {about.st_size} {name}"
            (self._added if stamp in before else self._waiting).append(stamp)

    def tick(self) -> None:
        """Begin with the next file, or note that one was added; never waits."""
        if self._process is not None:
            if self._process.poll() is not None:
                self._note(self._process)
                self._process = None
        elif self._waiting:
            file = self._folder.questions / _name(self._waiting[0])
            arguments = (
                "questions",
                "add",
                str(file),
                "--answerable-only",
                "--db",
                str(self._folder.database),
            )
            try:
                self._process = subprocess.Popen(  # noqa: S603  # our own command
                    self._command(*arguments),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            except OSError as error:
                self._say(Problem(f"the questions {file.name!r} are not added: {error.strerror or error}"))
                self._waiting.pop(0)

    def stop(self) -> None:
        """End what is being added; the next start adds it."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()
            self._process = None

    def _note(self, process: "subprocess.Popen[str]") -> None:
        stamp = self._waiting.pop(0)
        _, errors = process.communicate()
        if process.returncode:
            why = (errors.strip().splitlines() or ["no reason is given"])[-1].removeprefix("collector: ")
            self._say(Problem(f"the questions {_name(stamp)!r} are not added: {why}"))
            return
        self._added.append(stamp)
        try:
            self._folder.note_added_questions(self._added)
        except StorageUnavailable as error:
            self._say(Problem(str(error)))


def _name(stamp: str) -> str:
    return stamp.split(" ", 2)[2]
