"""F34: `agent answer` ends, with one sentence, whatever a bundle makes it compute."""

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from contract.bundle import TOKENIZER_FILE
from tests.agent.bundles.test_hostile_bundle import replace_file
from tests.agent.conftest import agent_command, agent_environment
from tests.agent.running.test_odd_models import endless, with_nodes

PATIENCE_SECONDS = 4
END_SECONDS = 60.0
ASKED = ("--question", "Where does the Elbe end?", "--context", "The Elbe ends in a sea.", "--threads", "1")
IMPATIENT = f"""
import sys
from functools import partialmethod
from agent.worker.process import WorkerProcess
WorkerProcess.__init__ = partialmethod(WorkerProcess.__init__, patience_seconds={PATIENCE_SECONDS})
from agent.__main__ import main
sys.exit(main())
"""
"""`agent`, which waits less than the 10 minutes that it gives a model."""
MEMORY_BYTES = 5_000_000_000


@pytest.fixture
def endless_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    return with_nodes(endless(), tiny_bundle, tmp_path / "endless")


@pytest.fixture
def swelling_bundle(tiny_bundle: Path, tmp_path: Path) -> Path:
    """Its tokenizer makes a thousand million letters of each `a`."""
    folder = Path(shutil.copytree(tiny_bundle, tmp_path / "swelling"))
    tokenizer = json.loads((folder / TOKENIZER_FILE).read_text())
    longer = {"type": "Replace", "pattern": {"String": "a"}, "content": 1000 * "a"}
    tokenizer["normalizer"] = {"type": "Sequence", "normalizers": 3 * [longer]}
    replace_file(folder, TOKENIZER_FILE, json.dumps(tokenizer).encode())
    return folder


@pytest.mark.proof
def test_a_model_that_computes_without_an_end_is_one_sentence(endless_bundle: Path, state_dir: Path) -> None:
    sentence = ended_with(endless_bundle, state_dir)
    assert f"the worker process did not reply within {PATIENCE_SECONDS} s and was ended" in sentence


def test_a_tokenizer_that_swells_a_text_is_one_sentence(swelling_bundle: Path, state_dir: Path) -> None:
    sentence = ended_with(swelling_bundle, state_dir)
    assert "the worker process did not reply" in sentence or "memory" in sentence


def test_sigterm_ends_it_at_any_time(endless_bundle: Path, state_dir: Path) -> None:
    command = agent_command("answer", endless_bundle, *ASKED)
    with subprocess.Popen(
        command, env=agent_environment(state_dir), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        try:
            worker = computing(process)
            process.send_signal(signal.SIGTERM)
            assert process.wait(END_SECONDS) == 128 + signal.SIGTERM
        finally:
            process.kill()
        assert not worker.is_running()


def ended_with(bundle: Path, state_dir: Path) -> str:
    """The line with which `agent answer` fails."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPATIENT, "answer", bundle, *ASKED],
        env=agent_environment(state_dir),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES)),
        capture_output=True,
        text=True,
        timeout=END_SECONDS,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (1, ""), ended.stderr
    (line,) = ended.stderr.splitlines()
    return line


def computing(process: subprocess.Popen[bytes]) -> psutil.Process:
    """The worker of an agent, as soon as it has used more of a processor than it needs for a question."""
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        for worker in psutil.Process(process.pid).children():
            if worker.cpu_times().user > 2:
                return worker
        time.sleep(0.1)
    raise AssertionError("the worker does not compute")
