"""F20 over the whole suite: a password that is planted wherever tests use one must show up nowhere.

Every password that a test makes begins with `CANARY`; one that a process of its made is registered with
`made`. At the end all that was captured (of tests and of the processes that they ran) and every file that the
session left is searched for them; only private files with nothing but passwords in them may hold one. One
place where it shows fails the session. If several processes share the tests (pytest-xdist), each sends what
it found and made to the one that started them, which searches the files.
"""

import re
import secrets
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

CANARY = "canary-8c1f-b7aa"
MAX_FILE_BYTES = 32 * 1_048_576
_PLACE_CHARACTERS = 60
_PRIVATE = 0o600
_SECRETS = re.compile(rb"((([a-z0-9._-]+:)?[^\s:]+)?\n)*([a-z0-9._-]+:)?[^\s:]*")
"""A file of passwords, or of users and their passwords, and nothing else. A line matches in one way
only, so that a large file takes no longer than it must."""

_FOUND = "canary"

_made: dict[str, str] = {}
"""Each password that a process has made, and the name of the file that may hold it; empty for none."""
_places: list[str] = []
_left_out: set[Path] = set()


def may_hold(file: Path) -> Path:
    """Leave a file out that others may read, as a test of just that needs one."""
    _left_out.add(file.resolve())
    return file


def made(password: str, held_by: str = "") -> str:
    """Look for a password as well that a process of the test has made, and has said as it must.

    Args:
        password: what to look for.
        held_by: the name of the private file that may hold it beside other things; empty for none.
    """
    assert password
    _made[password] = held_by
    return password


def look(text: str | bytes | None, where: str, file: str = "") -> None:
    """Note whether the password shows in a text, which may be that of a private file of this name."""
    if text is None:
        return
    data = text.encode(errors="replace") if isinstance(text, str) else text
    for password in (CANARY, *_made):
        may = bool(file) and _made.get(password) == file
        if not may and (at := data.find(password.encode())) >= 0:
            around = data[max(at - _PLACE_CHARACTERS, 0) : at].rsplit(b"\n")[-1]
            _places.append(f"{where}: …{around.decode(errors='replace')}<the password>")


@pytest.fixture(scope="session", autouse=True)
def _planted() -> Iterator[None]:
    """Passwords that are made here carry the canary; what processes say is looked through."""
    with pytest.MonkeyPatch.context() as patch:
        plain_token = secrets.token_urlsafe
        patch.setattr(secrets, "token_urlsafe", lambda size=32: f"{CANARY}-{plain_token(size)}")
        communicate, invoke = subprocess.Popen.communicate, CliRunner.invoke

        def heard(self: "subprocess.Popen[Any]", *arguments: Any, **options: Any) -> Any:
            said = communicate(self, *arguments, **options)
            for text in said:
                look(text, f"what {_shown(self.args)} said")
            return said

        def invoked(self: CliRunner, *arguments: Any, **options: Any) -> Any:
            result = invoke(self, *arguments, **options)
            look(result.output, "what a command said")
            look(str(result.exception), "an exception of a command")
            return result

        patch.setattr(subprocess.Popen, "communicate", heard)
        patch.setattr(CliRunner, "invoke", invoked)
        yield


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Look through what was captured of a test, and how it failed."""
    for title, text in report.sections:
        look(text, f"{report.nodeid}, {title}")
    look(report.longreprtext, f"{report.nodeid}, its failure")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Look through the files, and fail if the password showed anywhere."""
    to_controller = getattr(session.config, "workeroutput", None)
    if to_controller is not None:
        found = {"places": _places, "made": _made, "left_out": [str(file) for file in _left_out]}
        to_controller[_FOUND] = found
        return
    folders = getattr(session.config, "_tmp_path_factory", None)
    base = getattr(folders, "_basetemp", None)
    if base is not None:
        for path in base.rglob("*"):
            if path.is_file() and not path.is_symlink() and path.resolve() not in _left_out:
                _look_into(path)
    if _places:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a process found and made that ran some of the tests; one that died sends nothing."""
    found = getattr(node, "workeroutput", {}).get(_FOUND, {})
    _places.extend(found.get("places", ()))
    _made.update(found.get("made", {}))
    _left_out.update(map(Path, found.get("left_out", ())))


def _look_into(path: Path) -> None:
    try:
        about = path.stat()
        data = path.read_bytes() if about.st_size <= MAX_FILE_BYTES else b""
    except OSError:
        return
    private = stat.S_IMODE(about.st_mode) == _PRIVATE
    if not private or not _SECRETS.fullmatch(data):
        look(data, str(path), path.name if private else "")


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say where it showed."""
    if _places:
        terminalreporter.section("a password that nobody may see shows in", red=True, bold=True)
        for place in dict.fromkeys(_places):
            terminalreporter.line(place)


def _shown(arguments: Any) -> str:
    words = [arguments] if isinstance(arguments, str | bytes | Path) else list(arguments)
    return " ".join(str(word) for word in words[:6])
