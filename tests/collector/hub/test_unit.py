"""The unit that `collector hub --unit` prints, as systemd reads it."""

import os
import pwd
import sys
from pathlib import Path

import pytest

from collector.errors import BadInput
from collector.hub.folder import HubFolder, HubSettings
from collector.hub.unit import unit_for
from tests.collector.command import collector


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "hub"
    path.mkdir()
    HubFolder(path).keep(HubSettings("192.168.1.2"))
    return path


def values(unit: str, key: str) -> list[str]:
    return [line.partition("=")[2] for line in unit.splitlines() if line.startswith(f"{key}=")]


def test_the_printed_unit_runs_this_hub_as_this_user(folder: Path, tmp_path: Path) -> None:
    printed = collector("hub", "--dir", folder, "--at", "192.168.1.2", "--bundles", tmp_path, "--unit")
    assert printed.returncode == 0, printed.stderr
    program = Path(sys.executable).with_name("collector")
    assert values(printed.stdout, "ExecStart") == [
        f"{program} hub --dir {folder} --at 192.168.1.2 --bundles {tmp_path}"
    ]
    assert values(printed.stdout, "User") == [pwd.getpwuid(os.getuid()).pw_name]
    assert values(printed.stdout, "ReadWritePaths") == [str(folder)]
    assert not values(printed.stdout, "Group") + values(printed.stdout, "StateDirectory")


def test_without_a_hub_no_unit_is_printed(tmp_path: Path) -> None:
    refused = collector("hub", "--dir", tmp_path / "hub", "--unit")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no hub in" in refused.stderr


def test_what_systemd_would_read_otherwise_is_quoted(tmp_path: Path) -> None:
    """Spaces separate paths, `%h` is the home folder, and `$HOME` a variable (systemd.syntax(7))."""
    folder = tmp_path / 'the 5%h \\ "$HOME" of it\'s hub'
    folder.mkdir()
    unit = unit_for(folder)
    written = str(tmp_path) + r"/the 5%%h \\ \"{}HOME\" of it's hub"
    assert values(unit, "ReadWritePaths") == [f'"{written.format("$")}"']
    (start,) = values(unit, "ExecStart")
    assert start.endswith(f' hub --dir "{written.format("$$")}"')


def test_a_name_that_no_line_can_have_is_refused(folder: Path) -> None:
    with pytest.raises(BadInput, match=r"^a unit cannot have the control character in '/srv/a\\nb': "):
        unit_for(folder, ("--bundles", "/srv/a\nb"))


def test_the_owner_of_the_folder_runs_the_hub_whoever_asks(folder: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can give a folder away")
    os.chown(folder, pwd.getpwnam("daemon").pw_uid, -1)
    assert values(unit_for(folder), "User") == ["daemon"]
    os.chown(folder, 64_999, -1)
    assert values(unit_for(folder), "User") == ["64999"], "a user without a name"


def test_a_program_elsewhere_than_its_python_is_found(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`pip install --user` puts it into ~/.local/bin."""
    program = tmp_path / "collector"
    program.write_text("")
    monkeypatch.setattr(sys, "argv", [str(program)])
    assert values(unit_for(folder), "ExecStart")[0].startswith(f"{program} hub")


def test_the_printed_unit_does_not_explain_the_one_for_a_system_user(folder: Path) -> None:
    assert "sudo -u distilbench" not in unit_for(folder)
