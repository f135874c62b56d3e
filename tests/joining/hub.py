"""The hub that a board joins: it runs on this machine."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from collector.hub.folder import HTTPS_PORT
from collector.hub.register import Register
from tests.arm64.inputs import QUESTIONS
from tests.arm64.programs import ROOT, check, program, query
from tests.joining.network import HUB_ADDRESS
from tests.joining.patience import until

_OTHER_DEVICE: Final = "another-board"


class Hub:
    """`collector hub` on this machine, at the board's network.

    Args:
        work: folder for the hub's folder and its log.
        bundles: folder of the bundles for the board.
        device: the name by which the board joins.
        python: the board's version of Python.
    """

    def __init__(self, work: Path, bundles: Path, device: str, python: str) -> None:
        self.work = work
        self._device, self._python = device, python
        self._bundles = bundles
        self.bundles = sorted(path.parent.name for path in bundles.glob("*/manifest.json"))
        self._folder = work / "hub"
        self.port = HTTPS_PORT
        self.database = self._folder / "results.db"

    @contextmanager
    def running(self) -> Iterator[None]:
        log = self.work / "hub.log"
        command = [sys.executable, "-m", "collector", "hub", "--dir", self._folder, "--at", HUB_ADDRESS]
        command += ["--bundles", self._bundles, "--questions", QUESTIONS]
        with log.open("w") as output:
            process = subprocess.Popen([*map(str, command)], cwd=ROOT, stdout=output, stderr=output)
        try:
            until(
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
        printed = program("collector", "invite", "--dir", self._folder, "--name", self._device)
        (line,) = [line for line in printed.splitlines() if line.startswith("curl ")]
        return line.replace("| sudo sh", "| sh")

    def new_pass(self, seconds: float) -> str:
        """A pass for any device, valid for some seconds."""
        return Register(self._folder / "register.db").invite(None, seconds, 1)

    def spent_pass(self) -> str:
        """A pass that another device has used."""
        secret = self.new_pass(600.0)
        form = ("-d", f"device={_OTHER_DEVICE}", "-d", "machine=x86_64", "-d", f"python={self._python}")
        place = f"https://{HUB_ADDRESS}:{self.port}/join/{secret}/credentials"
        done = subprocess.run(
            ["curl", "-sSkf", *form, "-o", "/dev/null", place], capture_output=True, text=True, check=False
        )
        check(done.returncode == 0, f"the hub gives no credentials: {done.stderr}")
        return secret

    def collect_wheels(self, machine: str) -> None:
        """Have the wheels for the board collected, with a pass of its own."""
        line = program("collector", "invite", "--dir", self._folder, "--for", "10m")
        (fetch,) = [each for each in line.splitlines() if each.startswith("curl ")]
        asked = f"/wheels?python={self._python}\\&machine={machine}\\&libc=glibc2.36"
        done = subprocess.run(
            fetch.partition(" | ")[0] + asked, shell=True, capture_output=True, text=True, check=False
        )
        check("distilbench-" in done.stdout, f"the hub collects no wheels: {done.stdout}{done.stderr}")

    def list_of_devices(self) -> str:
        """The passes and the devices that have joined."""
        return program("collector", "invite", "--dir", self._folder, "--list")

    def remove(self) -> None:
        """End the rights of the board."""
        program("collector", "remove", self._device, "--dir", self._folder)

    def dispatch(self, options: str) -> str:
        """Order a run of all bundles with some options; returns the id of the order."""
        plan = self.work / "plan.toml"
        run = f"bundles = {json.dumps(self.bundles)}\nquestions = {json.dumps(QUESTIONS.name)}\n{options}\n"
        plan.write_text(f"cool-down-minutes = 0\n[[run]]\n{run}")
        where = ("--dir", self._folder, "--bundles", self._bundles)
        sent = program("collector", "dispatch", plan, "--to", self._device, "--no-follow", "--json", *where)
        return str(json.loads(sent)[0]["order"])

    def phase(self, order_id: str) -> str | None:
        """How far an order is."""
        (row,) = query(self.database, f"SELECT phase FROM orders WHERE order_id = '{order_id}'")
        found: str | None = row["phase"]
        return found

    def cancel(self, order_id: str) -> None:
        """Cancel an order."""
        program("collector", "cancel", order_id, "--dir", self._folder)

    def answers(self) -> int:
        """Number of answers that the hub has stored."""
        (row,) = query(self.database, "SELECT count(*) AS answers FROM answers")
        return int(row["answers"])
