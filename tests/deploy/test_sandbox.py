"""The agent works within what its unit allows; systemd itself runs on no machine of the tests."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.installed import program
from tests.mosquitto import Mosquitto

UNITS = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = UNITS / "distilbench-agent.service"
WAIT_SECONDS = 120.0
DENY_WRITE_EXECUTE = """
import ctypes, os, sys
assert ctypes.CDLL(None, use_errno=True).prctl(65, 1, 0, 0, 0) == 0, os.strerror(ctypes.get_errno())
os.execv(sys.executable, [sys.executable, "-m", "agent", *sys.argv[1:]])
"""
"""PR_SET_MDWE (Linux 6.3) forbids what MemoryDenyWriteExecute= does, in this process and all it starts."""


DISPENSABLE = {
    "mbind",  # asked for memory near a processor
    "fchown",  # only as root: SQLite gives a journal its database's owner
}


def system_calls(name: str) -> set[str]:
    """Of a systemd group such as `@system-service`, or a system call itself."""
    if not name.startswith("@"):
        return {name}
    said = subprocess.run(
        [program("systemd-analyze"), "syscall-filter", name], capture_output=True, text=True, check=True
    ).stdout
    members = [line.strip() for line in said.splitlines()[1:]]
    return all_of(member for member in members if member and member[0] != "#")


def all_of(names: Iterable[str]) -> set[str]:
    return {call for name in names for call in system_calls(name)}


def allowed_by(unit: Path) -> set[str]:
    """What the lines SystemCallFilter= of a unit add up to, as systemd.exec(5) says."""
    allowed: set[str] = set()
    for line in unit.read_text().splitlines():
        if line.startswith("SystemCallFilter="):
            names = line.partition("=")[2]
            calls = all_of(names.lstrip("~").split())
            allowed = allowed - calls if names.startswith("~") else allowed | calls
    return allowed


def run_plan(folder: Path, bundle: Path, broker: Mosquitto, agent: list[str | Path]) -> str:
    """Have an agent ask one question, and return what it says."""
    qas = [{"id": "1", "question": "Who sang?", "answers": [{"text": "Ann", "answer_start": 0}]}]
    article = {"title": "song", "paragraphs": [{"context": "Ann sang.", "qas": qas}]}
    (folder / "questions.json").write_text(json.dumps({"version": "1.1", "data": [article]}))
    plan = folder / "plan.toml"
    core = min(os.sched_getaffinity(0))  # one that this process, which may have a share of them, can use
    plan.write_text(f'[[run]]\nbundles = ["{bundle}"]\nquestions = "questions.json"\naffinity = "{core}"\n')
    where: list[str | Path] = [
        "--broker",
        broker.url,
        "--flush-seconds",
        "0",
        "--state-dir",
        folder / "state",
    ]
    done = subprocess.run([*agent, "run-plan", plan, *where], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.broker
def test_the_agent_does_with_the_system_calls_that_its_unit_allows(
    broker: Mosquitto, tiny_bundle: Path, tmp_path: Path
) -> None:
    if subprocess.run([program("strace"), "-qq", "-o", "/dev/null", "true"], check=False).returncode:
        pytest.skip("strace may not trace here")
    log = tmp_path / "calls"
    # A question mark lets strace pass over names that it doesn't know.
    allowed = ",".join(f"?{name}" for name in sorted(allowed_by(UNIT)))
    strace: list[str | Path] = [
        program("strace"),
        "-f",
        "-qq",
        "-o",
        log,
        "-e",
        f"inject=!{allowed}:error=EPERM",
    ]
    said = run_plan(tmp_path, tiny_bundle, broker, [*strace, sys.executable, "-m", "agent"])
    assert "1 question answered" in said
    calls = log.read_text()
    assert {"connect", "fdatasync", "sched_setaffinity"} <= set(
        re.findall(r"^\d+ +(\w+)\(", calls, re.MULTILINE)
    )
    refused = set(re.findall(r"(\w+)(?:\(| resumed>).*\(INJECTED\)$", calls, re.MULTILINE))
    assert refused <= DISPENSABLE


@pytest.mark.broker
def test_a_waiting_agent_does_with_the_system_calls_that_its_unit_allows(
    broker: Mosquitto, tmp_path: Path
) -> None:
    if subprocess.run([program("strace"), "-qq", "-o", "/dev/null", "true"], check=False).returncode:
        pytest.skip("strace may not trace here")
    log, said = tmp_path / "calls", tmp_path / "said"
    allowed = ",".join(f"?{name}" for name in sorted(allowed_by(UNITS / "distilbench-agent-serve.service")))
    command = [program("strace"), "-f", "-qq", "-o", str(log), "-e", f"inject=!{allowed}:error=EPERM"]
    command += [sys.executable, "-m", "agent", "serve", "--broker", broker.url, "--state-dir", str(tmp_path)]
    with said.open("w") as output, subprocess.Popen(command, stderr=output) as tracer:
        deadline = time.monotonic() + WAIT_SECONDS
        while "waits for work" not in said.read_text():
            assert tracer.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.05)
        (agent,) = Path(f"/proc/{tracer.pid}/task/{tracer.pid}/children").read_text().split()
        os.kill(int(agent), signal.SIGTERM)
        assert tracer.wait(WAIT_SECONDS) == 0
    refused = set(re.findall(r"(\w+)(?:\(| resumed>).*\(INJECTED\)$", log.read_text(), re.MULTILINE))
    assert refused <= DISPENSABLE


@pytest.mark.broker
def test_the_agent_never_needs_memory_that_can_be_written_and_run(
    broker: Mosquitto, tiny_bundle: Path, tmp_path: Path
) -> None:
    assert "MemoryDenyWriteExecute=yes\n" in UNIT.read_text()
    said = run_plan(tmp_path, tiny_bundle, broker, [sys.executable, "-c", DENY_WRITE_EXECUTE])
    if "Invalid argument" in said:
        pytest.skip("this kernel cannot forbid it")
    assert "1 question answered" in said
