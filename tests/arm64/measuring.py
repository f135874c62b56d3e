"""Measures in the root like a user, and here, one question file after another."""

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from tests.arm64.inputs import BUNDLES
from tests.arm64.installation import AGENT
from tests.arm64.programs import check, program
from tests.arm64.root import DebianRoot

_ALIKE: Final = {"threads": 1, "spinning": False, "warmup": 0, "rounds": 1}
"""Settings of all runs. Several threads of an emulator that spin would take the cores from each other, and
each further round would load the bundle again."""
_FLUSH_SECONDS: Final = 120
CANARIES: Final = 2
"""How many of a question file's questions are also asked as canaries."""
_SECONDS_OF_A_RUN: Final = 60.0
"""Seconds that must be left for another run to start."""


class Measuring:
    """Runs all bundles with the same questions in the root and here.

    Args:
        root: the Debian, in which the agent is installed as the first device.
        bundles: the folder with `BUNDLES`.
        devices: the folder that `collector provision` made for each CPU to emulate, by the CPU's name.
    """

    def __init__(self, root: DebianRoot, bundles: Path, devices: dict[str, Path]) -> None:
        self._root = root
        self._bundles = bundles
        self._devices = devices
        self._first = next(iter(devices))
        self._settled = {self._first}

    def there(self, bundles: Sequence[str], questions: Path, until: float) -> None:
        """Run a plan in the root, as each device, and deliver the results.

        Args:
            bundles: some of `BUNDLES`.
            questions: the question file; the plan is written next to it.
            until: monotonic time at which to stop; answers until then count.

        Raises:
            ProofError: a run failed, or results were not delivered.
        """
        plan = questions.with_name(f"{questions.stem}-{bundles[0]}.toml")
        plan.write_text(_plan(bundles, questions))
        shown = {"bundles": self._bundles, "questions": questions.parent, **self._devices}
        for device in self._devices:
            left = until - time.monotonic()
            if left < _SECONDS_OF_A_RUN:
                return
            where = self._settled_as(device, shown)
            work = f"{AGENT} run-plan /mnt/questions/{plan.name} --flush-seconds {_FLUSH_SECONDS} {where}"
            output = self._root.run(f"timeout --foreground {left:.0f} {work} || [ $? = 124 ]", shown, device)
            click.echo(f"{device}:\n{output}", err=True)
            check(", 0 failed" in output or time.monotonic() >= until, "a run failed")
            self._root.run(f"{AGENT} flush --flush-seconds {_FLUSH_SECONDS} {where}", shown, device)

    def here(self, questions: Path, database: Path, device: str) -> None:
        """Measure the same on this machine, import the results, and choose canaries for the root by them.

        Raises:
            ProofError: the agent or the collector fails.
        """
        results = questions.with_suffix(".jsonl")
        bundles = [self._bundles / name for name in BUNDLES]
        numbers = [f"--{key}={_ALIKE[key]}" for key in ("threads", "warmup", "rounds")]
        options = [*numbers, "--no-spinning"]
        where = ("--to-file", results, "--state-dir", questions.parent / "state", "--device-id", device)
        program("agent", "run", *bundles, "--questions", questions, *options, *where)
        program("collector", "ingest", results, "--db", database)
        canaries = ("--count", str(CANARIES), "--to", _canaries(questions))
        program("collector", "canaries", questions.stem, *canaries, "--db", database)

    def _settled_as(self, device: str, shown: dict[str, Path]) -> str:
        """Options of the agent as a device: the first is the installed one, others get their own folder."""
        if device == self._first:
            return "--config /etc/distilbench/agent.toml"
        home = f"/var/lib/distilbench/{device}"
        if device not in self._settled:
            self._root.run(f"cp -r /mnt/{device} {home} && chown -R distilbench: {home}", shown, device)
            self._settled.add(device)
        return f"--config {home}/agent.toml --state-dir {home}/state"


def _canaries(questions: Path) -> Path:
    return questions.with_name(f"{questions.stem}-canaries.json")


def _plan(bundles: Sequence[str], questions: Path) -> str:
    files = {"questions": questions.name, "canary": _canaries(questions).name}
    run = {"bundles": [f"/mnt/bundles/{name}" for name in bundles], **files, **_ALIKE}
    lines = [f"{key} = {json.dumps(value)}" for key, value in run.items()]
    return "\n".join(["cool-down-minutes = 0", "[[run]]", *lines, ""])
