"""Messages that count are grammatical for one thing."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import cli
from agent.delivery.destination import ResultFile
from agent.delivery.flush import deliver_waiting
from agent.outbox.state_folder import opened_state
from agent.progress import Progress
from agent.stopping.stop_rule import verdict
from agent.stopping.tally import Tally
from contract.records import Settings
from tests.agent.records import begin, fill


@pytest.fixture
def settings() -> Settings:
    return Settings(
        scenario="single-stream",
        decoding="pipeline",
        max_tokens=384,
        stride_tokens=128,
        max_answer_tokens=15,
        threads=1,
        warmup_questions=0,
        seed=0,
    )


def test_one_question(settings: Settings) -> None:
    progress = Progress("a" * 32, "tiny", 0, 1, (), None)
    assert progress.how_far == "0 of 1 question"
    tally = Tally(settings.scenario, 0)
    assert verdict(settings, 1, 0, tally) == ("inconclusive", "--max-seconds ended it after 0 of 1 question")


def test_one_result_and_one_unfinished_run(tmp_path: Path) -> None:
    state_dir, printed = tmp_path / "state", list[str]()
    with opened_state(state_dir, "device", print) as state:
        fill(state.outbox, begin(state.outbox), 1)
    status = CliRunner().invoke(cli, ["status", "--state-dir", str(state_dir)]).stdout
    assert "pending     1, oldest" in status and "unfinished  1 run\n            run " in status
    assert "with --no-resume it ends it and starts over\n" in status
    checks = CliRunner().invoke(cli, ["doctor", "--state-dir", str(state_dir)]).stdout
    assert "1 result waits\n" in checks
    deliver_waiting(ResultFile(tmp_path / "results.jsonl"), state_dir, "device", printed.append)
    assert printed == ["1 result delivered"]
