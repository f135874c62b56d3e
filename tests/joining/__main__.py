"""Lets a clean Debian, with a network of its own, join a hub with the printed line, and works with it.

    make joining                        # some minutes, as root
    make joining JOINING="--away 600"   # with the hub away for ten minutes

systemd runs in the Debian. Under emulation it cannot, and this proof starts `agent serve` as the script says.
"""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from tests.arm64.inputs import QUESTIONS
from tests.arm64.installation import AGENT
from tests.arm64.programs import ROOT, ProofError, check, program, query, step
from tests.arm64.root import DebianRoot
from tests.joining.board import HUB_ADDRESS, Board

DEVICE: Final = "pi5-lab-01"
BUNDLE: Final = "minilm-l6-fp32"
PACKAGES: Final = "python3,ca-certificates,curl,systemd"
"""What Raspberry Pi OS Lite has as well; python3-venv is not among them."""
MAX_JOIN_SECONDS: Final = 60.0
_PYTHON: Final = "3.11"
_PATIENCE_SECONDS: Final = 120.0
_AS_SERVICE: Final = "setpriv --reuid=distilbench --regid=distilbench --init-groups"
"""Starts a program as systemd does for `User=`, with no other process in between."""
_SERVE: Final = f"{_AS_SERVICE} /opt/distilbench/current/bin/agent serve --config /etc/distilbench/agent.toml"
_STATE: Final = "/var/lib/distilbench"
_UNIT: Final = "distilbench-agent-serve.service"
_PLAN: Final = "/etc/distilbench/plan.toml"
_ACCOUNTS: Final = (
    *("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"),
    "/etc/.pwd.lock",
)
_ALLOWED: Final = (
    *("/opt/distilbench", "/etc/distilbench", _STATE, "/etc/systemd/system/distilbench-agent"),
    *("/etc/systemd/system/multi-user.target.wants/distilbench-agent-serve.service", *_ACCOUNTS),
)
_BY_SYSTEMD: Final = (
    *("/tmp/.", "/tmp/systemd-private-", "/var/tmp/systemd-private-", "/etc/machine-id", "/var/log/"),
    *("/var/lib/systemd/", "/var/lib/apt/", "/var/lib/dpkg/", "/var/cache/apt/", "/var/lib/private"),
)
"""What a Debian writes that is only switched on."""


@click.command()
@click.option("--machine", type=click.Choice(("aarch64", "x86_64")), default="x86_64", show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=ROOT / ".venv" / "joining",
    help="Folder that keeps the Debian. [default: .venv/joining]",
)
@click.option(
    "--away", type=float, default=20.0, show_default=True, help="Seconds for which the hub is stopped."
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=10, show_default=True, help="Number of questions."
)
@click.option(
    "--bundles",
    "built",
    type=click.Path(path_type=Path, exists=True),
    help="Folder with the bundle of an earlier proof, to use instead of building one.",
)
def main(machine: str, folder: Path, away: float, limit: int, built: Path | None) -> None:
    """Prove that one line makes a clean Debian of MACHINE a board that works for its hub."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    work = folder / f"run-{machine}"
    subprocess.run(["rm", "-rf", work], check=True)
    work.mkdir()
    try:
        root = DebianRoot(folder, machine, _PYTHON, PACKAGES)
        step("making a clean Debian")
        root.make()
        if built is None:
            step("building a bundle")
            what = ("--weights", ROOT / "demo" / "reader", "--precision", "fp32", "--no-verify")
            program("export", "build", "minilm-l6", *what, "--to", work / "bundles")
        hub = _Hub(work, built.absolute() if built else work / "bundles")
        with Board(root, "board") as board:
            _prove(root, board, hub, away, limit)
    except ProofError as error:
        raise SystemExit(f"joining: {error}") from None
    step("the proof succeeded")


def _prove(root: DebianRoot, board: Board, hub: "_Hub", away: float, limit: int) -> None:
    """Take all steps in the order in which a user takes them."""
    with hub.running():
        line = hub.invite()
        step("collecting wheels")
        hub.collect_wheels(root.machine)
        step("a line with another key")
        other = re.sub(r"sha256//.", "sha256//_", line)
        check("key" in board.attempt(other).stdout, "a line with another key is not refused")
        step("a line with a pass that is not known")
        wrong = board.attempt(re.sub(r"(/join/)\S+", r"\1AAAAAAAAAAAAAAAAAAAAAA", line))
        check(wrong.returncode == 1, f"a wrong pass ends with {wrong.returncode}: {wrong.stdout}")
        check(wrong.stdout.count("\n") == 1, f"a wrong pass is more than a sentence: {wrong.stdout}")
        left = [path for path in root.differences() if not path.startswith(_BY_SYSTEMD)]
        check(not left, f"refused lines left {left}")
        step("joining")
        begun = time.monotonic()
        said = board.run(line)
        seconds = time.monotonic() - begun
        click.echo(said, err=True)
        once = "" if board.has_systemd else " once 'agent serve' runs"
        last = f"{DEVICE} has joined; it waits for work{once}"
        check(said.endswith(f"{last}\n"), f"the line does not end with '{last}'")
        step(f"from the line to 'has joined': {seconds:.0f} s")
        check(root.foreign or seconds < MAX_JOIN_SECONDS, f"that is more than {MAX_JOIN_SECONDS:.0f} s")
        strange = [path for path in root.differences() if not path.startswith((*_ALLOWED, *_BY_SYSTEMD))]
        check(not strange, f"joining changed more than its own paths: {strange}")
        check(DEVICE in hub.list_of_devices(), "the hub does not list the device")
    log = hub.work / "serve.log"
    with hub.running(), board.serving(_SERVE, log):
        step("waiting for work")
        _until(lambda: "waits for work" in _said(board, log), "the board does not connect")
        step(f"the waiting agent has {_resident_mb(board):.1f} MB resident")
        step("the printed line again, whose pass is used up")
        again = board.run(line)
        check("up to date" in again and f"{DEVICE} has joined" in again, f"it does not upgrade: {again}")
        step("fetching and measuring")
        board.run(f"{AGENT} fetch {BUNDLE} {QUESTIONS.name}")
        _measure(board, limit, 60)
        _until(lambda: hub.answers() == limit, "the answers do not arrive")
        if board.has_systemd:
            step("the service restarts, is killed, and the board is switched off")
            _interrupt(board, log)
    connections = _said(board, log).count("connected to")
    with board.serving(_SERVE, log):
        step(f"the hub is away for {away:.0f} s, and the board measures")
        begun = time.monotonic()
        _measure(board, limit, 0)
        check(hub.answers() == limit, "answers arrived at a hub that is away")
        time.sleep(max(0.0, away - (time.monotonic() - begun)))
        with hub.running():
            _until(lambda: hub.answers() == 2 * limit, "the answers do not arrive after the hub is back")
            check(_said(board, log).count("connected to") > connections, "the board has not come back")
            step("the report")
            report = program("collector", "report", "--db", hub.database, "--by", "device")
            check(DEVICE in report, f"the report does not show the board:\n{report}")
            devices = program("collector", "devices", "--db", hub.database)
            check(DEVICE in devices, f"the board is not among the devices:\n{devices}")
            runs = json.loads(program("collector", "runs", "--db", hub.database, "--json"))
            check([run["state"] for run in runs] == ["complete"] * 2, f"the runs are {runs}")
            if board.has_systemd:
                step("a board with a plan")
                _with_a_plan(board, line)
            step("removing the device")
            hub.remove()
            _until(lambda: "does not let this agent in" in _said(board, log), "it is still connected")
            refused = board.attempt(line)
            check(refused.returncode == 1 and "pass" in refused.stdout, f"it joins again: {refused.stdout}")
    step("removing the program")
    board.run("sh /opt/distilbench/current/install-agent.sh --purge")
    if board.has_systemd:
        units = board.run("systemctl list-unit-files --no-pager")
        check("distilbench" not in units, f"purging left units: {units}")
    left = [path for path in root.differences() if not path.startswith((*_ACCOUNTS, *_BY_SYSTEMD))]
    check(not left, f"purging did not remove {left}")


def _interrupt(board: Board, log: Path) -> None:
    """Restart and kill the service, and cut the board's power; each time it connects again by itself."""
    for command in (f"systemctl restart {_UNIT}", f"systemctl kill --signal=KILL {_UNIT}"):
        before = _main_pid(board)
        connections = _said(board, log).count("connected to")
        board.run(command)
        _until(
            lambda before=before: _main_pid(board) not in ("0", before),  # type: ignore[misc]
            f"the service does not run after '{command}'",
        )
        _until(
            lambda known=connections: _said(board, log).count("connected to") > known,  # type: ignore[misc]
            f"the service is not connected after '{command}'",
        )
    board.restart()
    _until(lambda: "waits for work" in _said(board, log), "the service does not connect after a start")


def _with_a_plan(board: Board, line: str) -> None:
    """Run the line on a board that has a plan, and on one that has only the timer of a plan."""
    for plan, sentence in ((True, f"{_PLAN} is kept"), (False, "distilbench-agent.timer is removed")):
        board.run(f"echo 'every-hours = 168' >{_PLAN}" if plan else f"rm {_PLAN}")
        said = board.run(line)
        check(sentence in said, f"the line does not say what becomes of the plan: {said}")
        timers = board.run("systemctl list-timers --all")
        check(("distilbench-agent.timer" in timers) == plan, f"the timers are {timers}")
        check(board.run(f"systemctl is-active {_UNIT}") == "active\n", "the service does not run")


def _said(board: Board, log: Path) -> str:
    """What `agent serve` has said on the board since it was switched on."""
    if board.has_systemd:
        return board.run(f"journalctl --unit {_UNIT} --output cat --no-pager")
    return log.read_text()


def _main_pid(board: Board) -> str:
    return board.run(f"systemctl show --property MainPID --value {_UNIT}").strip()


def _resident_mb(board: Board) -> float:
    """Memory of the waiting agent, in MB."""
    pid = _main_pid(board) if board.has_systemd else "$(cat /run/service.pid)"
    return int(board.run(f"awk '/^VmRSS/ {{print $2}}' /proc/{pid}/status")) / 1024


def _measure(board: Board, limit: int, flush_seconds: int) -> None:
    """Run the bundle on the board; without a hub, that ends with status 1, and the results are kept."""
    command = f"{AGENT} run {_STATE}/bundles/{BUNDLE} --questions {_STATE}/questions/{QUESTIONS.name}"
    options = f"--limit {limit} --rounds 1 --warmup 1 --flush-seconds {flush_seconds}"
    done = board.attempt(f"{command} {options}")
    check(f"{limit} questions answered" in done.stdout, f"measuring failed:\n{done.stdout}")


def _until(condition: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        check(time.monotonic() < deadline, otherwise)
        time.sleep(0.5)


class _Hub:
    """`collector hub` on this machine, at the board's network."""

    def __init__(self, work: Path, bundles: Path) -> None:
        self.work = work
        self._bundles = bundles
        self._folder = work / "hub"
        self.database = self._folder / "results.db"

    @contextmanager
    def running(self) -> Iterator[None]:
        log = self.work / "hub.log"
        command = [sys.executable, "-m", "collector", "hub", "--dir", self._folder, "--at", HUB_ADDRESS]
        command += ["--bundles", self._bundles, "--questions", QUESTIONS]
        with log.open("w") as output:
            process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=output, stderr=output)
        try:
            _until(
                lambda: "listening on" in log.read_text() or process.poll() is not None,
                "the hub does not start",
            )
            check(process.poll() is None, f"the hub does not start: {log.read_text()}")
            yield
        finally:
            process.terminate()
            process.wait(60)

    def invite(self) -> str:
        """The line for the board, without sudo, which a minimal Debian lacks."""
        printed = program("collector", "invite", "--dir", self._folder, "--name", DEVICE)
        (line,) = [line for line in printed.splitlines() if line.startswith("curl ")]
        return line.replace("| sudo sh", "| sh")

    def collect_wheels(self, machine: str) -> None:
        """Have the wheels for the board collected, with a pass of its own."""
        line = program("collector", "invite", "--dir", self._folder, "--for", "10m")
        (fetch,) = [each for each in line.splitlines() if each.startswith("curl ")]
        asked = f"/wheels?python={_PYTHON}\\&machine={machine}\\&libc=glibc2.36"
        done = subprocess.run(
            fetch.partition(" | ")[0] + asked, shell=True, capture_output=True, text=True, check=False
        )
        check("distilbench-" in done.stdout, f"the hub collects no wheels: {done.stdout}{done.stderr}")

    def list_of_devices(self) -> str:
        """The passes and the devices that have joined."""
        return program("collector", "invite", "--dir", self._folder, "--list")

    def remove(self) -> None:
        """End the rights of the board."""
        program("collector", "remove", DEVICE, "--dir", self._folder)

    def answers(self) -> int:
        """Number of answers that the hub has stored."""
        (row,) = query(self.database, "SELECT count(*) AS answers FROM answers")
        return int(row["answers"])


if __name__ == "__main__":
    main()
