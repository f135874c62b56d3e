"""The script that lets a board join, without root, against a real hub: what it refuses, leaving nothing.

Each refusal is one sentence. What a board lacks is feigned by programs that come first in its path.
"""

import os
import re
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509

from tests import installed
from tests.collector.hub.running_hub import Invited, RunningHub
from tests.collector.hub.wheels.fake_wheels import wheel_folder
from tests.faults.disks import small_disk
from tests.faults.proxy import Cutting
from tests.installed import program

pytestmark = pytest.mark.broker

SECONDS = 200.0
LARGE_BYTES = 200_000
SENTENCE = re.compile(r"distilbench: [^\n]+\n")


FILLING_VENV = """
case "$*" in *"-m venv"*) ;; *) exec "$real" "$@" ;; esac
for folder; do :; done
mkdir "$folder" && echo "it is begun" && exec head -c 9000000 /dev/zero >"$folder/large"
"""
"""What makes an environment, but large."""


class Ended(NamedTuple):
    code: int
    stderr: str


class Machine:
    """A home folder, and a path in which some programs are feigned."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.feigned = folder / "feigned"
        self.home.mkdir()
        self.feigned.mkdir()

    def feign(self, name: str, script: str) -> None:
        """Put a program before all others; `real` in its script is the path of the real one."""
        file = self.feigned / name
        file.write_text(f"#!/bin/sh\nreal={shutil.which(name)}\n{script}\n")
        file.chmod(0o755)

    def pipe(self, script: str, *options: str) -> Ended:
        """Pipe a script into `sh`, as the printed line does."""
        done = subprocess.run(
            ["sh", "-s", "--", *options],
            input=script,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            env={"HOME": str(self.home), "PATH": f"{self.feigned}:{os.environ['PATH']}"},
            cwd=self.home,
            check=False,
        )
        assert done.stdout == ""
        return Ended(done.returncode, done.stderr)

    @property
    def is_untouched(self) -> bool:
        """Whether no file was left in the home folder; empty folders above the program may be."""
        return (
            not [path for path in self.home.rglob("*") if not path.is_dir()]
            and not (self.home / ".local" / "share" / "distilbench").exists()
        )


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningHub]:
    """A hub with wheels that do not work: these tests end before that matters."""
    installed.module("cryptography")
    program("curl")
    folder = tmp_path_factory.mktemp("hub")
    wheels = wheel_folder(folder / "wheelhouse")
    for needed in wheels.glob("needed-*.whl"):
        with zipfile.ZipFile(needed, "a") as archive:
            archive.writestr("needed/data", os.urandom(LARGE_BYTES))
    with RunningHub(folder / "hub", "--wheels", wheels) as running:
        yield running


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def script_of(hub: RunningHub, invited: Invited) -> str:
    return hub.get(f"/join/{invited.secret}").text


FEIGNED: dict[str, tuple[str, str, str]] = {
    "another processor": (
        "uname",
        'case "$*" in -m) echo armv7l ;; *) exec "$real" "$@" ;; esac',
        "this processor is 'armv7l', but onnxruntime has wheels for aarch64 and x86_64 only",
    ),
    "32 bits": (
        "getconf",
        'case "$*" in LONG_BIT) echo 32 ;; *) exec "$real" "$@" ;; esac',
        "this system is 32-bit, and there is no onnxruntime for it: install the 64-bit Raspberry Pi OS",
    ),
    "no glibc": (
        "getconf",
        'case "$*" in GNU*) exit 1 ;; *) exec "$real" "$@" ;; esac',
        "this system has no glibc, and there is no onnxruntime for it: use Debian, Ubuntu or Raspberry Pi OS",
    ),
    "an old Python": (
        "python3",
        'case "$*" in *version_info*) exit 1 ;; --version) echo Python 3.9.2 ;; *) exec "$real" "$@" ;; esac',
        "this is Python 3.9.2, but 3.11 or later is needed: upgrade to Debian 12 or Ubuntu 24.04",
    ),
    "a clock before the certificates": (
        "date",
        'case "$*" in +%Y) echo 1970 ;; +%F) echo 1970-01-01 ;; *) exec "$real" "$@" ;; esac',
        "the clock shows 1970-01-01, so certificates would fail: set it (timedatectl set-ntp true) and try "
        "again",
    ),
    "a clock after the certificates": (
        "date",
        'case "$*" in +%Y) echo 2099 ;; +%Y%m%d) echo 20990101 ;; +%F) echo 2099-01-01 ;; '
        '*) exec "$real" "$@" ;; esac',
        "the clock shows 2099-01-01, but the hub's certificate ends on {until}: set it (timedatectl set-ntp "
        "true) and try again",
    ),
    "a full disk": (
        "df",
        'echo "Filesystem 1048576-blocks Used Available Capacity Mounted on"; echo "/dev/x 100 90 10 90% /"',
        "{home} has 10 MB free, but 500 MB are needed",
    ),
    "a wheel that is not what the hub names": (
        "sha256sum",
        "exit 1",
        "distilbench-0.1.0-py3-none-any.whl does not have the SHA-256 that the hub names: run the same line "
        "again",
    ),
}


@pytest.mark.parametrize("lack", FEIGNED)
def test_a_machine_that_cannot_join_is_told_why(hub: RunningHub, machine: Machine, lack: str) -> None:
    name, script, sentence = FEIGNED[lack]
    machine.feign(name, script)
    ended = machine.pipe(script_of(hub, hub.invite()), "--user")
    said = [line for line in ended.stderr.splitlines(keepends=True) if not line.startswith("program ")]
    certificate = x509.load_pem_x509_certificate((hub.folder / "server.crt").read_bytes())
    known = {"home": machine.home, "until": certificate.not_valid_after_utc.date()}
    assert (ended.code, "".join(said)) == (1, f"distilbench: {sentence.format(**known)}\n")
    assert machine.is_untouched


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_disk_that_fills_while_it_joins_is_one_sentence(
    hub: RunningHub, tmp_path: Path, tool: str, machine: Machine
) -> None:
    program(tool)
    shutil.rmtree(machine.home)
    machine.feign("sleep", "exit 0")
    machine.feign("df", 'echo "Filesystem Used"; echo "/dev/x 1000 1 999 1% /"')
    machine.feign("python3", FILLING_VENV)
    script = script_of(hub, hub.invite()).replace("command -v curl", "true" if tool == "curl" else "false")
    for size, sentence in (
        ("12k", r"distilbench: the disk of \S+/distilbench is full; nothing is installed: [^\n]+\n"),
        ("2m", r"distilbench: the program could not be installed: [^\n]*No space left on device\n"),
    ):
        with small_disk(machine.home, size):
            ended = machine.pipe(script, "--user")
            said = re.sub(r"^program .*\n", "", ended.stderr, flags=re.MULTILINE)
            assert ended.code == 1
            assert re.fullmatch(sentence, said), ended.stderr
            assert machine.is_untouched
        machine.home.rmdir()


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_a_download_that_is_cut_continues_where_it_was(
    hub: RunningHub, tmp_path: Path, machine: Machine, tool: str
) -> None:
    program(tool)
    machine.feign("sleep", "exit 0")
    machine.feign("sha256sum", f'"$real" "$@" && echo >>{tmp_path}/good')
    machine.feign(
        "python3", 'case "$*" in *"-m venv"*) echo no venv >&2; exit 1 ;; *) exec "$real" "$@" ;; esac'
    )
    proxy = Cutting(hub.port, LARGE_BYTES // 2)
    try:
        script = script_of(hub, hub.invite()).replace(f"127.0.0.1:{hub.port}", f"127.0.0.1:{proxy.port}")
        if tool == "wget":
            script = script.replace("command -v curl", "false")
        ended = machine.pipe(script, "--user")
    finally:
        proxy.close()
    assert (tmp_path / "good").read_text().count("\n") >= 2, ended.stderr
    assert ended.stderr.endswith("distilbench: the program could not be installed: no venv\n")
    assert machine.is_untouched


def test_a_machine_without_python_is_told_why(hub: RunningHub, machine: Machine) -> None:
    for folder in os.environ["PATH"].split(":"):
        for tool in Path(folder).glob("*") if Path(folder).is_dir() else ():
            if "python" not in tool.name and not (machine.feigned / tool.name).exists():
                (machine.feigned / tool.name).symlink_to(tool)
    script = script_of(hub, hub.invite())
    done = subprocess.run(
        ["/bin/sh", "-s", "--", "--user"],
        input=script,
        capture_output=True,
        text=True,
        env={"HOME": str(machine.home), "PATH": str(machine.feigned)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        1,
        "distilbench: python3 is missing: apt install python3 python3-venv\n",
    )
    assert machine.is_untouched


@pytest.mark.parametrize("tool", ["curl", "wget"])
def test_another_key_is_not_trusted(hub: RunningHub, machine: Machine, tool: str) -> None:
    """The line itself refuses it; so does the script, should the hub's key change meanwhile."""
    program(tool)
    if tool == "wget":
        machine.feign("curl", "exit 127")
    script = script_of(hub, hub.invite())
    if tool == "wget":
        script = script.replace("command -v curl", "false")
    pin = re.findall(r"PIN='(.*)'", script)[0]
    ended = machine.pipe(script.replace(pin, f"sha256//{'A' * 43}="), "--user")
    assert ended == Ended(
        1,
        f"distilbench: the hub at https://127.0.0.1:{hub.port} has another key than this line names, so "
        "nothing was taken from it: make a new line with 'collector invite'\n",
    )
    assert machine.is_untouched


def test_a_script_that_is_cut_anywhere_does_nothing(hub: RunningHub, machine: Machine) -> None:
    script = script_of(hub, hub.invite())
    (machine.home / "curl-was-called").mkdir()
    machine.feign("curl", f"touch {machine.home}/curl-was-called/yes; exit 7")
    ends = {len(script) - most for most in range(2, 60)} | set(range(0, len(script), 997))
    for end in sorted(ends):
        machine.pipe(script[:end], "--user")
    assert not (machine.home / "curl-was-called" / "yes").exists()
    (machine.home / "curl-was-called").rmdir()
    assert machine.is_untouched


def test_a_pass_that_is_not_good_is_one_sentence(hub: RunningHub, machine: Machine) -> None:
    spent = hub.invite()
    hub.password(hub.join(spent.secret, "first-board"))
    for secret, why in (
        (spent.secret, "was used already"),
        (hub.new_pass(seconds=0.0), "has expired"),
        ("x" * 22, "is not known here"),
    ):
        ended = machine.pipe(hub.get(f"/join/{secret}").text, "--user")
        assert ended == Ended(1, f"distilbench: this pass {why}: ask for a new line (collector invite)\n")
    assert machine.is_untouched


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--usr"], "unknown argument '--usr': use --user, --name NAME or --rollback"),
        (["--name"], "--name needs a value"),
        (
            ["--user", "--name", "Attic Pi"],
            "'Attic Pi' is not a device's name: use a-z, 0-9, '.', '_' and '-'",
        ),
        (["--user", "--rollback"], "there is no version in {home}/.local/share/distilbench to go back from"),
    ],
)
def test_wrong_options_are_one_sentence(
    hub: RunningHub, machine: Machine, options: Sequence[str], sentence: str
) -> None:
    ended = machine.pipe(script_of(hub, hub.invite()), *options)
    assert ended == Ended(1, f"distilbench: {sentence.format(home=machine.home)}\n")
    assert machine.is_untouched


class _Cutting(BaseHTTPRequestHandler):
    """Sends the first half of everything, and counts."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(b"x" * 500)

    def log_message(self, *_: object) -> None:
        pass


def test_a_download_that_is_cut_again_and_again_is_one_sentence(hub: RunningHub, machine: Machine) -> None:
    asked: list[str] = []
    handler = type("Cutting", (_Cutting,), {"asked": asked})
    machine.feign("sleep", "exit 0")
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}"
        script = script_of(hub, hub.invite()).replace(f"https://127.0.0.1:{hub.port}", url)
        ended = machine.pipe(script, "--user")
        server.shutdown()
        thread.join()
    assert ended == Ended(
        1,
        f"distilbench: the hub at {url} broke off; nothing is installed: check the network and run the same "
        "line again\n",
    )
    assert len(asked) == 5
    assert machine.is_untouched


def test_a_hub_that_is_away_is_one_sentence(hub: RunningHub, machine: Machine) -> None:
    machine.feign("sleep", "exit 0")
    url = "https://127.0.0.1:9"
    script = script_of(hub, hub.invite()).replace(f"https://127.0.0.1:{hub.port}", url)
    assert machine.pipe(script, "--user") == Ended(
        1,
        f"distilbench: the hub at {url} cannot be reached; nothing is installed: check the network and run "
        "the same line again\n",
    )
    assert machine.is_untouched
