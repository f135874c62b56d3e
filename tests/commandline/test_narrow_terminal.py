"""Every command on a terminal of 80 columns that has no letters but those of Latin-1.

The database has hostile and long names and many devices.
"""

import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from collector.scoring.question_sets import add_questions
from collector.store.database import Store
from collector.store.opening import open_store
from contract.messages import encode_message
from docs.command_pages import PROGRAMS, commands_of
from tests.agent.conftest import ROOT
from tests.collector import factory
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_records
from tests.collector.reports import hostile

LONG: Final = "deepset-roberta-base-squad2-distilled-and-fine-tuned-on-very-many-questions"

COMMANDS: Final = {
    "agent config init": "new.toml",
    "agent config check": "agent.toml",
    "agent config show": "",
    "agent doctor": "",
    "agent device": "",
    "agent fetch": "http://127.0.0.1:9/none --to bundles",
    "agent answer": "tiny --question When? --context 1932",
    "agent run": "tiny --questions rivers.json --limit 1 --to-file out.jsonl --warmup 0",
    "agent run-plan": "plan.toml --check --to-file out.jsonl",
    "agent audit": "tiny --questions rivers.json --limit 10",
    "agent status": "",
    "agent flush": "--to-file out.jsonl",
    "collector config init": "new.toml",
    "collector config check": "collector.toml",
    "collector config show": "",
    "collector provision": "kitchen-pi --passwords passwords --broker mqtts://workstation",
    "collector doctor": "",
    "collector ingest": "results.jsonl",
    "collector merge": "other.db",
    "collector rejected": "",
    "collector rejected retry": "",
    "collector questions list": "",
    "collector questions add": "rivers.json --name another",
    "collector score": "",
    "collector rebuild": "",
    "collector predictions write": "latest --to written.json",
    "collector predictions add": "theirs.json --model theirs --questions rivers",
    "collector evaluate": "rivers.json theirs.json",
    "collector canaries": "rivers --to canaries.json",
    "collector invite": "--list --dir hub",
    "collector remove": "kitchen-pi --dir hub",
    "collector dispatch": "plan.toml --all --check --dir hub",
    "collector orders": "--all --dir hub",
    "collector cancel": "3f2a --dir hub",
    "collector report": "--require f1>=50",
    "collector open": "",
    "collector compare": "previous latest",
    "collector runs": "",
    "collector trend": "",
    "collector show": "latest",
    "collector devices": "",
    "collector query": "select*from(runs)limit(1)",
    "collector prune": "--before 2026-01-31 --dry-run",
    "export-models list": "",
    "export-models verify": "tiny --against tiny --limit 2",
    "export-models questions squad": "--from rivers.json --to squad.json",
    "export-models suggest": "--db results.db --hardware raspberry-pi-5 --require p50_ms<=60",
}
DATA: Final = {"agent device", "agent answer", "agent run-plan", "collector evaluate"}
"""Commands that print JSON, or commands to copy, whose lines are as long as a text in them."""
NOT_HERE: Final = {
    "collector serve": "never ends, and prints nothing but messages",
    "agent serve": "never ends, and prints nothing but messages",
    "collector hub": "never ends, and prints nothing but messages",
    "collector watch": "never ends; it draws the list that `runs` prints",
    "collector schema": "prints a Markdown page",
    "export-models build": "takes minutes, and prints nothing but messages",
    "export-models distill": "takes minutes, and prints nothing but messages",
    **{f"{program} completion": "prints a script" for program in PROGRAMS},
}
"""Commands that are not run here, and why."""


class Seen(NamedTuple):
    """What a command has written."""

    status: int
    output: str
    messages: str


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory, tiny_bundle: Path) -> Path:
    """A folder with all files that the commands name."""
    folder = tmp_path_factory.mktemp("narrow") / "prepared"
    folder.mkdir()
    shutil.copytree(tiny_bundle, folder / "tiny")
    (folder / "rivers.json").write_bytes(factory.QUESTIONS)
    (folder / "theirs.json").write_text('{"q1": "the North Sea"}')
    (folder / "agent.toml").write_text('broker = "mqtt://workstation"\n')
    (folder / "collector.toml").write_text('db = "results.db"\n')
    (folder / "plan.toml").write_text('[[run]]\nbundles = "tiny"\nquestions = "rivers.json"\n')
    sent = batch(run_records(bundle=manifest(LONG, "int8")), device_id="pi-5")
    (folder / "results.jsonl").write_bytes(encode_message(sent) + b"\n")
    with open_store(folder / "results.db", create=True) as store:
        add_questions(store, folder / "rivers.json")
        hostile(store)
        for number in range(12):
            _board(store, number)
    shutil.copy(folder / "results.db", folder / "other.db")
    return folder


@pytest.fixture
def folder(prepared: Path) -> Iterator[Path]:
    """A copy of it with a short name: a path is printed whole."""
    with tempfile.TemporaryDirectory(prefix="nt") as name:
        yield shutil.copytree(prepared, Path(name, "w"))


def _board(store: Store, number: int) -> None:
    where = device(
        f"pi5-laboratory-on-the-third-floor-{number:02}",
        ("raspberry-pi-5", "laptop", "a-very-long-named-class-of-hardware-with-a-fan")[number % 3],
        model="Raspberry Pi Compute Module 5 Lite Rev 1.0",
        cpu_model="Intel(R) Xeon(R) Platinum 8488C with many words",
        class_named=number % 3 == 2,
    )
    for model, precision in ((LONG, "int8"), ("日本語モデル", "fp32"), ("naïve-Größe", "int8")):
        answers = [(f"q{1 + i}", "北海 naïve, “sea”", 10.0 * (number + 1) + i) for i in range(4)]
        records = run_records(answers, manifest(model, precision, title=model.title()), where)
        take(store, batch(records, device_id=where.device_id))


def seen(folder: Path, command: str, arguments: str) -> Seen:
    """Run a command with its standard output on a terminal."""
    program, *words = command.split()
    ours, theirs = pty.openpty()
    settings = {
        **os.environ,
        "BROWSER": "true",
        "COLUMNS": "80",
        "DISTILBENCH_DB": str(folder / "results.db"),
        "LC_ALL": "C",
        "NO_COLOR": "1",
        "PYTHONIOENCODING": "latin-1",
        "PYTHONPATH": str(ROOT),
        "TERM": "xterm",
        "XDG_STATE_HOME": str(folder / "state"),
    }
    if program != "collector":
        del settings["DISTILBENCH_DB"]
    started = [sys.executable, "-m", program.removesuffix("-models"), *words, *arguments.split()]
    with subprocess.Popen(
        started, stdin=subprocess.DEVNULL, stdout=theirs, stderr=subprocess.PIPE, cwd=folder, env=settings
    ) as process:
        os.close(theirs)
        output = b"".join(_parts(ours))
        assert process.stderr is not None
        messages = process.stderr.read()
        return Seen(process.wait(150), output.decode("latin-1"), messages.decode("latin-1"))


def _parts(terminal: int) -> Iterator[bytes]:
    try:
        while part := os.read(terminal, 65_536):
            yield part
    except OSError:  # Linux says so when the other side has closed
        pass
    finally:
        os.close(terminal)


@pytest.mark.proof
@pytest.mark.parametrize("command", COMMANDS)
def test_a_narrow_terminal_of_latin_1_shows_every_command(folder: Path, command: str) -> None:
    found = seen(folder, command, COMMANDS[command])
    assert found.status in {0, 1}, found.messages
    assert "Traceback" not in found.messages + found.output
    assert "Error:" not in found.messages, "of Python"
    output = re.sub(r"\x1b\[[012]m", "", found.output)  # bold and dim are no colours
    assert "\x1b" not in output
    widest = max(output.splitlines(), key=len, default="")
    assert command in DATA or len(widest) <= 80


def test_no_command_is_forgotten() -> None:
    groups = {"rejected", "predictions"}  # they do something themselves
    every = {place.name for name, program in PROGRAMS.items() for place in commands_of(name, program)}
    used = {name for name in every if not any(other.startswith(f"{name} ") for other in every)}
    assert used <= {*COMMANDS, *NOT_HERE}
    assert {*COMMANDS, *NOT_HERE} <= every | {f"collector {group}" for group in groups}
