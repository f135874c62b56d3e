"""The agent as a process, a real Mosquitto, and question files."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
SAMPLE_QUESTIONS = ROOT / "demo" / "sample-questions.json"
LONG_QUESTIONS = 80

Agent = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def agent(state_dir: Path) -> Agent:
    """Runs the command line to its end, on a state folder of the test's own."""

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            agent_command(*arguments),
            env=agent_environment(state_dir),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def agent_command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "agent", *map(str, arguments)]


def agent_environment(state_dir: Path) -> dict[str, str]:
    return {"DISTILBENCH_STATE_DIR": str(state_dir), "PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}


@pytest.fixture(scope="session")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty short questions without gold answers."""
    return write_questions(tmp_path_factory.mktemp("short"), 60, sentences=1)


@pytest.fixture(scope="session")
def long_questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions on contexts of two windows: seconds of work for a reader, more than connecting takes."""
    return write_questions(tmp_path_factory.mktemp("long"), LONG_QUESTIONS, sentences=25)


def write_questions(folder: Path, count: int, sentences: int) -> Path:
    path = folder / "questions.json"
    paragraphs = [
        {
            "context": f"In {1000 + number} the {number}th bridge of Arlen was built by Ada. " * sentences,
            "qas": [{"id": f"bridge-{number}", "question": f"Who built the {number}th bridge?"}],
        }
        for number in range(count)
    ]
    path.write_text(json.dumps({"data": [{"title": "Bridges", "paragraphs": paragraphs}]}))
    return path
