"""What is done on a board that joins and works, and with a service of systemd."""

import time
from typing import Final

import click

from tests.arm64.inputs import QUESTIONS
from tests.arm64.installation import AGENT
from tests.arm64.programs import check
from tests.joining.board import Board

DEVICE: Final = "pi5-lab-01"
BUNDLE: Final = "minilm-l6-fp32"
STATE: Final = "/var/lib/distilbench"


class Service:
    """A service of systemd.

    Args:
        machine: where it runs.
        unit: its name.
    """

    def __init__(self, machine: Board, unit: str) -> None:
        self._machine = machine
        self._unit = unit

    def said(self) -> str:
        """What it has said since the machine was switched on."""
        return self._journal(f"--unit {self._unit}")

    def said_since_start(self) -> str:
        """What it, and systemd about it, has said since it was started the last time."""
        invocation = self.invocation()
        return self._journal(f"_SYSTEMD_INVOCATION_ID={invocation} + INVOCATION_ID={invocation}")

    def invocation(self) -> str:
        """What distinguishes its last start from all others."""
        return self._shown("InvocationID")

    def main_pid(self) -> str:
        """Its main process; 0 if it does not run."""
        return self._shown("MainPID")

    def _shown(self, name: str) -> str:
        return self._machine.run(f"systemctl show --property {name} --value {self._unit}").strip()

    def _journal(self, which: str) -> str:
        return self._machine.run(f"journalctl --output cat --no-pager {which}")


def join(board: Board, line: str) -> float:
    """Run the printed line on a board, and check its end; returns the seconds that it took."""
    begun = time.monotonic()
    said = board.run(line)
    seconds = time.monotonic() - begun
    click.echo(said, err=True)
    once = "" if board.has_systemd else " once 'agent serve' runs"
    last = f"{DEVICE} has joined; it waits for work{once}"
    check(said.endswith(f"{last}\n"), f"the line does not end with '{last}'")
    return seconds


def fetch(board: Board, bundle: str) -> None:
    """Fetch a bundle and the questions from the hub."""
    board.run(f"{AGENT} fetch {bundle} {QUESTIONS.name}")


def measure(board: Board, bundle: str, limit: int, flush_seconds: int) -> None:
    """Run a bundle on the board; without a hub, that ends with status 1, and the results are kept."""
    command = f"{AGENT} run {STATE}/bundles/{bundle} --questions {STATE}/questions/{QUESTIONS.name}"
    options = f"--limit {limit} --rounds 1 --warmup 1 --flush-seconds {flush_seconds}"
    if board.is_emulated:  # several threads of an emulator that spin take the cores from each other
        options += " --threads 1 --no-spinning"
    done = board.attempt(f"{command} {options}")
    check(f"{limit} questions answered" in done.stdout, f"measuring failed:\n{done.stdout}")
