"""A machine that joins without root: what it has afterwards, and what becomes of what it had before."""

import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from agent.outbox.outbox import Outbox
from tests import installed
from tests.agent.records import begin, fill
from tests.collector.hub.running_hub import RunningHub
from tests.deploy.installed_wheels import wheels_of
from tests.installed import program

pytestmark = [pytest.mark.broker, pytest.mark.proof, pytest.mark.timeout(1200)]

SECONDS = 500.0


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    installed.module("cryptography")
    program("curl")
    folder = tmp_path_factory.mktemp("hub")
    needed = [Requirement(text) for text in requires("distilbench") or ()]
    names = [each.name for each in needed if each.marker is None]
    with RunningHub(folder / "hub", "--wheels", wheels_of(folder / "wheels", "pip", *names)) as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def joins(home: Path, line: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """Run the printed line as a user who has this home folder."""
    return subprocess.run(
        line.replace("| sudo sh", f"| sh -s -- --user {' '.join(options)}"),
        shell=True,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={
            "HOME": str(home),
            "PATH": "/usr/local/bin:/usr/bin:/bin:" + str(Path(shutil.which("python3") or "").parent),
        },
        check=False,
    )


def current(home: Path) -> str:
    return str((home / ".local/share/distilbench/current").readlink())


def test_a_machine_joins_upgrades_goes_back_and_leaves(hub: RunningHub, home: Path) -> None:
    settings, state = home / ".config/distilbench", home / ".local/state/distilbench"
    settings.mkdir(parents=True)
    (settings / "agent.toml").write_text(
        'device-id = "old-pi"\nbroker = "mqtt://old"\nhardware-class = "pi-5-fan"\n'
    )
    (settings / "agent.toml").chmod(0o600)
    # Results of the old name would never be delivered.
    state.mkdir(parents=True)
    with Outbox(state / "outbox.db") as outbox:
        fill(outbox, begin(outbox, device_id="old-pi"), 3)
    invited = hub.invite("--name", "new-pi")
    refused = joins(home, invited.curl)
    assert refused.returncode == 1
    assert "results of 'old-pi' wait here, and this machine would join as 'new-pi'" in refused.stderr
    assert not (home / ".local/share/distilbench").exists(), "nothing is half-installed"
    assert "old-pi" in (settings / "agent.toml").read_text()

    shutil.rmtree(state)
    done = joins(home, invited.curl)  # the pass is still good
    assert done.returncode == 0, done.stderr
    assert re.search(r"\nnew-pi has joined; it waits for work", done.stderr)
    text = (settings / "agent.toml").read_text()
    assert 'device-id = "new-pi"' in text and 'hardware-class = "pi-5-fan"' in text and "old" not in text
    assert 'broker = "mqtt://old"' in (settings / "agent.toml.before-joining").read_text()
    for secret in ("password", "order-secret"):
        assert (settings / secret).stat().st_mode & 0o077 == 0
    assert not list((home / ".local/share/distilbench").glob("joining.*"))

    first = current(home)
    # As if the hub had had another address when the machine joined.
    at = f"127.0.0.1:{hub.port}"
    for name, old, new in (
        ("hub.toml", f"https://{at}", f"https://192.0.2.7:{hub.port}"),
        ("agent.toml", "@127.0.0.1:", "@192.0.2.7:"),
    ):
        changed = (settings / name).read_text().replace(old, new)
        assert new in changed
        (settings / name).write_text(changed)
    kept = (settings / "order-secret").read_text()
    (settings / "order-secret").unlink()  # as if it had joined before hubs gave orders
    again = joins(home, invited.curl)  # the pass is used up
    assert again.returncode == 0, again.stderr
    assert "program    up to date" in again.stderr and "new-pi has joined" in again.stderr
    assert "the hub is at 127.0.0.1 now, no longer at 192.0.2.7" in again.stderr
    assert (settings / "order-secret").read_text() == kept
    assert (settings / "order-secret").stat().st_mode & 0o077 == 0
    assert "192.0.2.7" not in (settings / "agent.toml").read_text() + (settings / "hub.toml").read_text()
    assert current(home) == first
    assert "there is no previous version" in joins(home, invited.curl, "--rollback").stderr

    (wheel,) = (hub.folder / "wheels" / "pool").glob("distilbench-*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:  # another SHA-256, so another version of the program
        archive.writestr("agent/newer.txt", "")
    newer = joins(home, invited.curl)
    assert newer.returncode == 0, newer.stderr
    assert current(home) != first, newer.stderr
    back = joins(home, invited.curl, "--rollback")
    assert (back.returncode, back.stderr) == (0, "back to agent (distilbench) 0.1.0\n")
    assert current(home) == first

    script = home / ".local/share/distilbench/current/install-agent.sh"
    left = subprocess.run(
        ["sh", script, "--purge", "--user"], env={"HOME": str(home), "PATH": "/usr/bin:/bin"}, check=False
    )
    assert left.returncode == 0
    assert not [path for path in home.rglob("*") if "distilbench" in path.name]
