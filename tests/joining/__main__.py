"""Lets a clean Debian, with a network of its own, join a hub with the printed line, and works with it.

    make joining                        # some minutes, as root
    make joining JOINING="--away 600"   # with the hub away for ten minutes
    make joining JOINING="--part hub"   # the hub as a service of a clean Debian, and its board

systemd runs in the Debian. Under emulation it cannot: this proof starts `agent serve` as the script says, and
leaves out the hub as a service.
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Final

import click

from tests.arm64.programs import ROOT, ProofError, check, program, query, step
from tests.arm64.root import DebianRoot
from tests.joining.board import Board
from tests.joining.hub import Hub
from tests.joining.hub_service import prove_hub_service
from tests.joining.network import Network
from tests.joining.refusals import BY_SYSTEMD, Refusals
from tests.joining.working import BUNDLE, DEVICE, STATE, Service, fetch, join, measure

EMULATED_BUNDLE: Final = "minilm-l6-int8-arm64"
"""The bundle under emulation, where it is faster than fp32."""
PACKAGES: Final = "python3,ca-certificates,curl,systemd"
"""What Raspberry Pi OS Lite has as well; python3-venv is not among them."""
MAX_JOIN_SECONDS: Final = 60.0
_PYTHON: Final = "3.11"
_AS_SERVICE: Final = "setpriv --reuid=distilbench --regid=distilbench --init-groups"
"""Starts a program as systemd does for `User=`, with no other process in between."""
_SERVE: Final = f"{_AS_SERVICE} /opt/distilbench/current/bin/agent serve --config /etc/distilbench/agent.toml"
_ORDERED_ROUNDS: Final = 3
_OF_ORDER: Final = """
SELECT status, (SELECT count(*) FROM answers WHERE answers.stream = runs.stream) AS answers,
    (SELECT count(DISTINCT question_id) FROM answers WHERE answers.stream = runs.stream) AS questions
FROM runs LEFT JOIN finishes USING (stream) WHERE order_id = '{}'
"""
_UNIT: Final = "distilbench-agent-serve.service"
_PLAN: Final = "/etc/distilbench/plan.toml"
_ACCOUNTS: Final = (
    *("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/subuid", "/etc/subgid"),
    "/etc/.pwd.lock",
)
_ALLOWED: Final = (
    *("/opt/distilbench", "/etc/distilbench", STATE, "/etc/systemd/system/distilbench-agent"),
    *("/etc/systemd/system/multi-user.target.wants/distilbench-agent-serve.service", *_ACCOUNTS),
)


@click.command()
@click.option("--machine", type=click.Choice(("aarch64", "x86_64")), default="x86_64", show_default=True)
@click.option(
    "--part",
    type=click.Choice(("all", "board", "hub")),
    default="all",
    show_default=True,
    help="The board that joins a hub on this machine, or the hub as a service of a clean Debian.",
)
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
def main(machine: str, part: str, folder: Path, away: float, limit: int, built: Path | None) -> None:
    """Prove that one line makes a clean Debian of MACHINE a board that works for its hub."""
    folder = folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _prove_joining(folder, machine, part, away, limit, built)
    except ProofError as error:
        raise SystemExit(f"joining: {error}") from None
    step("the proof succeeded")


def _prove_joining(
    folder: Path, machine: str, part: str, away: float, limit: int, built: Path | None
) -> None:
    """Make a Debian and bundles, and prove the parts of it that this machine can."""
    work = folder / f"run-{machine}"
    subprocess.run(["rm", "-rf", work], check=True)
    work.mkdir()
    root = DebianRoot(folder, machine, _PYTHON, PACKAGES)
    bundles = built.absolute() if built else _build_bundles(work / "bundles", root.foreign)
    if part != "hub":
        step("making a clean Debian")
        root.make()
        hub = Hub(work, bundles, DEVICE, _PYTHON)
        with Network("board") as network:
            network.wire_to(None)
            with Board(root, "board", network) as board:
                _prove(root, board, hub, away, limit)
    if part != "board" and not root.foreign:
        prove_hub_service(folder, root, bundles, limit)


def _build_bundles(to: Path, foreign: bool) -> Path:
    step("building bundles")
    precision = ("int8", "--target", "arm64") if foreign else ("fp32,int8",)
    what = ("--weights", ROOT / "demo" / "reader", "--precision", *precision, "--no-verify")
    program("export", "build", "minilm-l6", *what, "--to", to)
    return to


def _prove(root: DebianRoot, board: Board, hub: Hub, away: float, limit: int) -> None:
    """Take all steps in the order in which a user takes them."""
    with hub.running():
        line = hub.invite()
        step("collecting wheels")
        hub.collect_wheels(root.machine)
        Refusals(root, board, hub).prove(line)
        step("joining")
        seconds = join(board, line)
        step(f"from the line to 'has joined': {seconds:.0f} s")
        check(root.foreign or seconds < MAX_JOIN_SECONDS, f"that is more than {MAX_JOIN_SECONDS:.0f} s")
        strange = [path for path in root.differences() if not path.startswith((*_ALLOWED, *BY_SYSTEMD))]
        check(not strange, f"joining changed more than its own paths: {strange}")
        check(DEVICE in hub.list_of_devices(), "the hub does not list the device")
    log = hub.work / "serve.log"
    with hub.running(), board.serving(_SERVE, log):
        step("waiting for work")
        board.until(lambda: "waits for work" in _said(board, log), "the board does not connect")
        step(f"the waiting agent has {_resident_mb(board):.1f} MB resident")
        step("the printed line again, whose pass is used up")
        again = board.run(line)
        check("up to date" in again and f"{DEVICE} has joined" in again, f"it does not upgrade: {again}")
        step("fetching and measuring")
        fetch(board, _bundle(board))
        measure(board, _bundle(board), limit, 60 * board.slowness)
        board.until(lambda: hub.answers() == limit, "the answers do not arrive")
        if board.has_systemd:
            step("the service restarts, is killed, and the board is switched off")
            _interrupt(board, log)
    connections = _said(board, log).count("connected to")
    with board.serving(_SERVE, log):
        step(f"the hub is away for {away:.0f} s, and the board measures")
        begun = time.monotonic()
        measure(board, _bundle(board), limit, 0)
        check(hub.answers() == limit, "answers arrived at a hub that is away")
        time.sleep(max(0.0, away - (time.monotonic() - begun)))
        with hub.running():
            board.until(lambda: hub.answers() == 2 * limit, "the answers do not arrive after the hub is back")
            check(_said(board, log).count("connected to") > connections, "the board has not come back")
            step("the report")
            report = program("collector", "report", "--db", hub.database, "--by", "device")
            check(DEVICE in report, f"the report does not show the board:\n{report}")
            devices = program("collector", "devices", "--db", hub.database)
            check(DEVICE in devices, f"the board is not among the devices:\n{devices}")
            runs = json.loads(program("collector", "runs", "--db", hub.database, "--json"))
            check([run["state"] for run in runs] == ["complete"] * 2, f"the runs are {runs}")
            step("an order of all bundles in rounds, and the board is switched off meanwhile")
            _order(board, hub, limit)
            if board.has_systemd:
                step("a board with a plan")
                _with_a_plan(board, line)
            step("removing the device")
            hub.remove()
            board.until(lambda: "does not let this agent in" in _said(board, log), "it is still connected")
            refused = board.attempt(line)
            check(refused.returncode == 1 and "pass" in refused.stdout, f"it joins again: {refused.stdout}")
    step("removing the program")
    board.run("sh /opt/distilbench/current/install-agent.sh --purge")
    if board.has_systemd:
        units = board.run("systemctl list-unit-files --no-pager")
        check("distilbench" not in units, f"purging left units: {units}")
    left = [path for path in root.differences() if not path.startswith((*_ACCOUNTS, *BY_SYSTEMD))]
    check(not left, f"purging did not remove {left}")


def _interrupt(board: Board, log: Path) -> None:
    """Restart and kill the service, and cut the board's power; each time it connects again by itself."""
    for command in (f"systemctl restart {_UNIT}", f"systemctl kill --signal=KILL {_UNIT}"):
        before = _main_pid(board)
        connections = _said(board, log).count("connected to")
        board.run(command)
        board.until(
            lambda before=before: _main_pid(board) not in ("0", before),  # type: ignore[misc]
            f"the service does not run after '{command}'",
        )
        board.until(
            lambda known=connections: _said(board, log).count("connected to") > known,  # type: ignore[misc]
            f"the service is not connected after '{command}'",
        )
    board.restart()
    board.until(lambda: "waits for work" in _said(board, log), "the service does not connect after a start")


def _order(board: Board, hub: Hub, limit: int) -> None:
    """Order two plans, one after the other, and cancel the second; the first is carried out once."""
    first = hub.dispatch(f"limit = {limit * _ORDERED_ROUNDS}\nrounds = {_ORDERED_ROUNDS}")
    second = hub.dispatch("min-queries = 1000000\nrounds = 1")
    board.until(lambda: hub.phase(first) == "measuring", "the board does not begin with its order")
    if board.has_systemd:
        board.restart()
    board.until(lambda: hub.phase(second) == "measuring", "the board does not begin with the second order")
    hub.cancel(second)
    board.until(lambda: hub.phase(second) == "cancelled", "the board does not end a cancelled order")
    board.until(lambda: hub.phase(first) == "done", "the board does not end its order")
    runs = query(hub.database, _OF_ORDER.format(first))
    check(len(runs) == len(hub.bundles), f"the order has other runs than its bundles: {runs}")
    asked = {(row["status"], int(row["answers"]), int(row["questions"])) for row in runs}
    every = limit * _ORDERED_ROUNDS
    check(asked == {("complete", every, every)}, f"questions are missing or were asked twice: {runs}")


def _with_a_plan(board: Board, line: str) -> None:
    """Run the line on a board that has a plan, and on one that has only the timer of a plan."""
    for plan, sentence in ((True, f"{_PLAN} is kept"), (False, "distilbench-agent.timer is removed")):
        board.run(f"echo 'every-hours = 168' >{_PLAN}" if plan else f"rm {_PLAN}")
        said = board.run(line)
        check(sentence in said, f"the line does not say what becomes of the plan: {said}")
        timers = board.run("systemctl list-timers --all")
        check(("distilbench-agent.timer" in timers) == plan, f"the timers are {timers}")
        check(board.run(f"systemctl is-active {_UNIT}") == "active\n", "the service does not run")


def _bundle(board: Board) -> str:
    return EMULATED_BUNDLE if board.is_emulated else BUNDLE


def _said(board: Board, log: Path) -> str:
    """What `agent serve` has said on the board since it was switched on."""
    if board.has_systemd:
        return Service(board, _UNIT).said()
    return log.read_text()


def _main_pid(board: Board) -> str:
    return Service(board, _UNIT).main_pid()


def _resident_mb(board: Board) -> float:
    """Memory of the waiting agent, in MB."""
    pid = _main_pid(board) if board.has_systemd else "$(cat /run/service.pid)"
    return int(board.run(f"awk '/^VmRSS/ {{print $2}}' /proc/{pid}/status")) / 1024


if __name__ == "__main__":
    main()
