"""The hub as a service of a clean Debian, installed as the handbook says, with a board that has joined it."""

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import click

from tests.arm64.inputs import QUESTIONS, make_wheelhouse
from tests.arm64.programs import ROOT, check, step
from tests.arm64.root import DebianRoot
from tests.joining.board import Board
from tests.joining.network import HUB_ADDRESS, Network
from tests.joining.working import BUNDLE, DEVICE, Service, fetch, join, measure

UNIT: Final = "distilbench-hub.service"
PACKAGES: Final = "python3,python3-venv,ca-certificates,curl,systemd,mosquitto"
MOST_EXPOSED: Final = 2.5
"""Largest exposure that `systemd-analyze security` may see; it calls services below 5 well protected."""
_PYTHON: Final = "3.11"
_USER: Final = "ada"
_HUB: Final = f"/home/{_USER}/.local/share/distilbench/hub"
_COLLECTOR: Final = f"/home/{_USER}/distilbench/bin/collector"
_OPTIONS: Final = "--bundles /srv/bundles --wheels /srv/wheels"
_INSTALL: Final = "pip install --quiet --no-index --find-links /srv/packages 'distilbench[collector,hub]'"
_ROOTS_HUB: Final = '/srv/the hub\'s "5%" of $HOME'
"""A name with everything that a unit must quote."""
_SYSTEM_HUB: Final = "/var/lib/distilbench/hub"
_SYSTEM_COLLECTOR: Final = "/opt/distilbench/current/bin/collector"
_FIRST_START: Final = """
$HUB 2>~/first-start &
for _ in $(seq 300); do ! grep -q 'listening on' ~/first-start || break; sleep 0.2; done
kill -INT $!
wait $!
"""
_TROUBLE: Final = re.compile(r"ended \(|Traceback|cannot|refused|Failed|Main process exited", re.I)
"""What a hub's journal has if something went wrong."""


class HubService:
    """A hub in a Debian, as a service of systemd.

    Args:
        machine: the Debian.
        user: whose hub it is.
        program: path of its `collector`.
        folder: the hub's folder.
    """

    def __init__(self, machine: Board, user: str, program: str, folder: str) -> None:
        self.machine = machine
        self._user, self._program, self._folder = user, program, folder
        self.service = Service(machine, UNIT)

    def collector(self, *words: str) -> str:
        """Run a command of the collector as the hub's user, and return its output."""
        return self.machine.run(as_user(self._user, shlex.join([self._program, *words])))

    def invite(self, *words: str) -> str:
        """Return a line for a board, without sudo, which a minimal Debian lacks."""
        printed = self.collector("invite", "--dir", self._folder, *words)
        (line,) = [line for line in printed.splitlines() if line.startswith("curl ")]
        return line.replace("| sudo sh", "| sh")

    def start_first(self, *options: str) -> None:
        """Start it by hand, end it with Ctrl-C, and write the unit for it, as the handbook says."""
        words = [self._program, "hub", "--dir", self._folder, *options]
        self.machine.run(as_user(self._user, _FIRST_START.replace("$HUB", shlex.join(words))))
        kept = [word for word in words[2:] if QUESTIONS.name not in word and word != "--questions"]
        unit = self.collector("hub", *kept, "--unit")
        self.machine.run(f"printf %s {shlex.quote(unit)} >/etc/systemd/system/{UNIT}")

    def start(self) -> None:
        """Have systemd examine its unit, then start it, now and at each boot."""
        self.machine.run("systemctl daemon-reload")
        _examine_unit(self.machine)
        self.machine.run(f"systemctl enable --quiet --now {UNIT}")
        self.machine.until(self.is_ready, "the hub does not start")
        pid = self.service.main_pid()
        status = self.machine.run(f"grep -E '^(NoNewPrivs|Seccomp|CapBnd):' /proc/{pid}/status").split()
        check(status[1::2] == ["0" * 16, "1", "2"], f"systemd does not protect the hub: {status}")

    def kept(self) -> tuple[str, str, str]:
        """Return what no interruption may change: the answers, the devices, and the certificate's key."""
        sql = "SELECT count(*) AS answers FROM answers"
        rows = self.collector("query", "--db", f"{self._folder}/results.db", "--format", "json", sql)
        devices = json.loads(self.collector("invite", "--dir", self._folder, "--devices", "--json"))
        names = ", ".join(str(device.get("device")) for device in devices)
        key = self.machine.run(f"sha256sum <{self._folder}/server.key; sha256sum <{self._folder}/ca.crt")
        return str(json.loads(rows)[0]["answers"]), names, key

    def is_ready(self) -> bool:
        """Whether its collector has connected since the service was started."""
        return "listening on" in self.service.said_since_start()

    def processes(self) -> list[str]:
        """The names of the processes of a hub, of which nothing else of a clean Debian has one."""
        names = self.machine.run("cat /proc/[0-9]*/comm 2>/dev/null; true").split()
        return sorted(name for name in names if name in ("collector", "mosquitto", "python3"))


def prove_hub_service(folder: Path, board_root: DebianRoot, bundles: Path, limit: int) -> None:
    """Install a hub as a service, let a board join it, and interrupt the hub in every way.

    Args:
        folder: keeps the Debian of the hub.
        board_root: the Debian of the board.
        bundles: folder of bundles for the board.
        limit: number of questions.

    Raises:
        ProofError: something does not work.
    """
    root = DebianRoot(folder / "hub", board_root.machine, _PYTHON, PACKAGES)
    step("making a clean Debian for the hub, and one for its board")
    root.make()
    board_root.make()
    step("collecting what the two install")
    wheels = _wheels(folder, root.machine)
    root.add(wheels, "srv/wheels")
    root.add(_packages(folder, wheels), "srv/packages")
    root.add(bundles, "srv/bundles")
    root.add(QUESTIONS.parent, "srv/questions", only=QUESTIONS.name)
    with Network("hub") as network, Network("board") as board_network:
        board_network.wire_to(network)
        with (
            Board(root, "workstation", network) as machine,
            Board(board_root, "board", board_network) as board,
        ):
            machine.run("chmod -R a+rX /srv")
            hub = HubService(machine, _USER, _COLLECTOR, _HUB)
            _install(hub)
            _work(hub, board, limit)
            _interrupt(hub, Service(board, "distilbench-agent-serve.service"), board, network, limit)
            _stop(hub)
            _shipped_unit(machine, board)


def _wheels(folder: Path, machine: str) -> Path:
    """Collect the wheels for a board; with pip among them, it needs no package python3-venv."""
    wheels = make_wheelhouse(folder, machine, _PYTHON)
    _download(wheels, "pip")
    return wheels


def _packages(folder: Path, wheels: Path) -> Path:
    """Download what the workstation installs: distilbench with the extras `collector` and `hub`."""
    (wheel,) = wheels.glob("distilbench-*.whl")
    to = folder / "packages"
    subprocess.run(["rm", "-rf", to], check=True)
    _download(to, f"{wheel}[collector,hub]")
    return to


def _download(to: Path, what: str) -> None:
    command: list[str | Path] = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", to]
    command += ["--only-binary=:all:", "--constraint", ROOT / "constraints.txt", what]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    check(done.returncode == 0, f"cannot get every package: {done.stderr[-1000:]}")


def _install(hub: HubService) -> None:
    """Follow the chapters about a workstation and about the hub as a service."""
    machine = hub.machine
    machine.run("systemctl disable --quiet --now mosquitto")
    machine.run(f"useradd --create-home --shell /bin/sh {_USER}")
    step("installing from a wheel, as a user")
    machine.run(
        as_user(
            _USER,
            f"python3 -m venv ~/distilbench && ~/distilbench/bin/{_INSTALL}",
        )
    )
    step("a hub without Mosquitto")
    machine.run("mv /usr/sbin/mosquitto /usr/sbin/mosquitto.away")
    without = machine.attempt(as_user(_USER, f"{_COLLECTOR} hub"))
    machine.run("mv /usr/sbin/mosquitto.away /usr/sbin/mosquitto")
    check(
        without.returncode == 1 and without.stdout.count("\n") == 1,
        f"that is not a sentence: {without.stdout}",
    )
    check(
        "sudo apt install mosquitto" in without.stdout, f"it does not say what to install: {without.stdout}"
    )
    check(machine.attempt(f"test -e {_HUB}").returncode == 1, "it left a folder")
    step("the first start, and its unit")
    hub.start_first(*_OPTIONS.split(), "--questions", f"/srv/questions/{QUESTIONS.name}")
    hub.start()


def _examine_unit(machine: Board) -> None:
    """Have systemd check the unit, and estimate how well it is protected."""
    said = machine.attempt(f"systemd-analyze verify /etc/systemd/system/{UNIT}").stdout
    check("distilbench" not in said, f"systemd does not accept the unit: {said}")
    said = machine.run(f"systemd-analyze security --no-pager {UNIT}")
    found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", said)
    check(found is not None and float(found[1]) <= MOST_EXPOSED, f"the unit protects too little:\n{said}")
    assert found is not None
    step(f"systemd-analyze security: {found[1]} of 10")


def _work(hub: HubService, board: Board, limit: int) -> None:
    """Let a board join, measure, and deliver."""
    step("a board joins")
    line = hub.invite("--name", DEVICE)
    step(f"from the line to 'has joined': {join(board, line):.0f} s, with the collecting of wheels")
    step("the board measures")
    fetch(board, BUNDLE)
    measure(board, BUNDLE, limit, 60)
    board.until(lambda: hub.kept()[:2] == (str(limit), DEVICE), f"the answers do not arrive: {hub.kept()}")


def _interrupt(hub: HubService, agent: Service, board: Board, network: Network, limit: int) -> None:
    """Interrupt the hub in every way; each time it and its board come back with what they had."""
    machine, service = hub.machine, hub.service
    unused = hub.invite("--for", "3h")
    kept = hub.kept()

    def without_network() -> None:
        network.pull_out()
        machine.restart()
        machine.until(lambda: "this machine has no network address" in service.said(), "it finds a network")
        network.plug_in()

    ways: dict[str, Callable[[], object]] = {
        "is restarted": lambda: machine.run(f"systemctl restart {UNIT}"),
        "is killed": lambda: machine.run(f"systemctl kill --kill-who=main --signal=KILL {UNIT}"),
        "is killed with its programs": lambda: machine.run(f"systemctl kill --signal=KILL {UNIT}"),
        "boots again": machine.reboot,
        "is switched off": machine.restart,
        "boots without a network": without_network,
    }
    for way, interrupt in ways.items():
        step(f"the hub {way}")
        before, connections = service.invocation(), agent.said().count("connected to")
        interrupt()
        machine.until(
            lambda before=before: service.invocation() != before and hub.is_ready(),  # type: ignore[misc]
            f"the hub that {way} is not back",
        )
        check(hub.processes().count("mosquitto") == 1, f"there is not one Mosquitto: {hub.processes()}")
        board.until(
            lambda known=connections: agent.said().count("connected to") > known,  # type: ignore[misc]
            f"the board of a hub that {way} is not back",
        )
        check(hub.kept() == kept, f"a hub that {way} has {hub.kept()}, and had {kept}")
        script = board.run(f"{unused.partition(' | ')[0]}")
        check("REFUSAL=''" in script, f"a pass of before is refused by a hub that {way}")
    step("the board measures again")
    measure(board, BUNDLE, limit, 60)
    board.until(lambda: hub.kept()[0] == str(2 * limit), f"the answers do not arrive: {hub.kept()}")


def _stop(hub: HubService) -> None:
    """Stop the service: it exits with 0, in order, and leaves no program behind."""
    step("the hub is stopped")
    machine = hub.machine
    before = len(hub.service.said_since_start())
    machine.run(f"systemctl stop {UNIT}")
    properties = machine.run(
        f"systemctl show -p Result -p ExecMainStatus -p ExecMainCode -p ActiveState {UNIT}"
    )
    shown = dict(line.split("=", 1) for line in properties.splitlines())
    ended = {"Result": "success", "ExecMainStatus": "0", "ExecMainCode": "1", "ActiveState": "inactive"}
    check(shown == ended, f"the hub does not end cleanly: {shown}")
    check(not hub.processes(), f"processes are left: {hub.processes()}")
    said = hub.service.said_since_start()
    click.echo(said[before:], err=True)
    order = re.findall("the hub stops|records stored", said)
    check(order == ["the hub stops", "records stored"], f"systemd, not the hub, ended its programs: {order}")
    check(not _TROUBLE.search(said), f"a hub that was stopped complains:\n{said}")


def _shipped_unit(machine: Board, board: Board) -> None:
    """Run the unit of `deploy/systemd` as its system user, as the handbook says."""
    step("the unit for a system user")
    hub = HubService(machine, "distilbench", _SYSTEM_COLLECTOR, _SYSTEM_HUB)
    machine.run(
        "useradd --system --user-group --home-dir /var/lib/distilbench --shell /usr/sbin/nologin distilbench"
    )
    program = "/opt/distilbench/current"
    machine.run(f"python3 -m venv {program} && {program}/bin/{_INSTALL}")
    shipped = f"{program}/lib/python3*/site-packages/collector/hub/deploy/systemd"
    machine.run(f"cp {shipped}/{UNIT} /etc/systemd/system/{UNIT}")
    hub.start()
    _answers(hub, board)
    _stop(hub)
    step("the unit of a hub that belongs to root, in a folder with a strange name")
    hub = HubService(machine, "root", _SYSTEM_COLLECTOR, _ROOTS_HUB)
    hub.start_first()
    hub.start()
    _answers(hub, board)
    _stop(hub)


def _answers(hub: HubService, board: Board) -> None:
    line = hub.invite("--name", DEVICE)
    check(HUB_ADDRESS in line, f"the hub has another address: {line}")
    script = board.run(line.partition(" | ")[0])
    check(f"DEVICE='{DEVICE}'" in script, f"the hub does not answer: {script[:500]}")


def as_user(user: str, command: str) -> str:
    """Return the command of a shell that runs another one as a user, in its home folder."""
    home = f"$(getent passwd {user} | cut -d: -f6)"
    return f"runuser -u {user} -- env HOME={home} sh -c {shlex.quote(f'cd; {command}')}"
