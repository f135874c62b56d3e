"""The worker process as its parent sees it: how long it may take, and what it may say."""

import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.errors import WorkerDied
from agent.stop_signal import Stop
from agent.worker import process
from agent.worker.process import WorkerProcess
from contract.questions import Question
from tests.contract.examples import SETTINGS

QUESTION = Question("q1", "Who?", "Ada did.", (), "")

_SAYS = """
import sys
for line in sys.stdin:
    print({!r}, flush=True)
"""
_TAKES = """
import sys, time
for line in sys.stdin:
    time.sleep({seconds})
    print('{{"say":"answered","rss_bytes":1,"peak_rss_bytes":1,"outcomes":[{{"say":"outcome",'
          '"question_id":"q1","asked_at_ns":1,"infer_ns":{infer_ns}}}]}}', flush=True)
"""


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("{}", "sent what is not a reply: reply does not fit the format"),
        ("hello", "sent what is not a reply: reply is not valid JSON"),
        ('{"say":"answered","outcomes":[{"say":"outcome","question_id":"q","asked_at_ns":1,"confidence":null}],'
         '"rss_bytes":1,"peak_rss_bytes":1}', "sent what is not a reply"),
        ('{"say":"loaded","load_ns":1}', "sent the wrong reply: Loaded"),
    ],
)  # fmt: skip
def test_a_reply_that_breaks_the_contract_is_a_dead_worker(stop: Stop, said: str, why: str) -> None:
    with WorkerProcess(stop, SETTINGS, _SAYS.format(said)) as worker, pytest.raises(WorkerDied, match=why):
        worker.ask([QUESTION], 1.0)


def test_a_worker_that_is_silent_is_killed(stop: Stop) -> None:
    with WorkerProcess(stop, SETTINGS, "import time; time.sleep(600)", patience_seconds=0.2) as worker:
        with pytest.raises(WorkerDied, match="did not reply within 0 s and was ended"):
            worker.ask([QUESTION], 0.0)
        with pytest.raises(WorkerDied, match="killed by SIGKILL"):
            worker.ask([QUESTION], 0.0)


def test_a_question_may_take_twenty_times_as_long_as_the_slowest_before(stop: Stop) -> None:
    program = _TAKES.format(seconds=0.3, infer_ns=2_000_000_000)
    with WorkerProcess(stop, SETTINGS, program) as worker:
        worker.ask([QUESTION], 0.0)  # its start takes as long as it likes
        worker._patience_seconds = 0.01  # shorter than any reply takes: only the slowest question counts
        assert len(worker.ask([QUESTION], 0.0).outcomes) == 1
        worker._slowest_ns = 0
        with pytest.raises(WorkerDied, match="did not reply"):
            worker.ask([QUESTION], 0.0)


def test_a_rate_may_take_until_its_last_arrival_has_had_its_turn(stop: Stop) -> None:
    program = _TAKES.format(seconds=0.5, infer_ns=1)
    with (
        WorkerProcess(stop, SETTINGS, program, patience_seconds=0.3) as worker,
        pytest.raises(WorkerDied, match="did not reply"),
    ):
        worker.ask([QUESTION], 1e9, arrivals_ns=(1,))
    with WorkerProcess(stop, SETTINGS, program, patience_seconds=0.3) as worker:
        assert worker.ask([QUESTION], 1e9, arrivals_ns=(60_000_000_000,)).outcomes


def test_a_pause_of_this_process_is_not_the_worker_s_fault(
    stop: Stop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after Ctrl-Z and a machine that slept: the wait is counted in parts, each at most once."""
    monkeypatch.setattr(process, "MEANWHILE_SECONDS", 0.05)
    pauses: list[object] = []
    program = _TAKES.format(seconds=0.6, infer_ns=1)
    with WorkerProcess(stop, SETTINGS, program, patience_seconds=0.2) as worker:

        def pause() -> None:  # until the reply is there, which takes longer than the patience
            assert worker._process.stdout is not None
            pauses.append(select.select([worker._process.stdout], [], []))

        assert worker.ask([QUESTION], 0.0, pause).outcomes
    assert len(pauses) == 1


_PARENT = """
import sys
from agent.stop_signal import Stop
from agent.worker.process import WorkerProcess
from agent.worker.protocol import LoadBundle, Loaded
from tests.contract.examples import SETTINGS

order = LoadBundle(bundle=b"", bundle_sha256="", settings=SETTINGS)
with Stop() as stop, WorkerProcess(stop, SETTINGS, sys.argv[1]) as worker:
    worker._exchange(order, Loaded, 600.0, None)
"""
_COMPUTES_WITHOUT_AN_END = """
import os, sys, time
from pathlib import Path
sys.path.append(sys.argv[1])
from agent.worker.main import main

def load(order):
    Path({draft!r}).write_text(str(os.getpid()))
    Path({draft!r}).rename({place!r})
    time.sleep(600)

main(load)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux to tell the worker of its parent's end")
def test_a_worker_ends_with_a_killed_parent_whatever_it_computes(tmp_path: Path) -> None:
    place = tmp_path / "pid"
    program = _COMPUTES_WITHOUT_AN_END.format(draft=str(tmp_path / "draft"), place=str(place))
    root = Path(__file__).parents[3]
    parent = subprocess.Popen([sys.executable, "-c", _PARENT, program], cwd=root)
    try:
        _wait_for(place.exists)
        status = Path("/proc", place.read_text(), "status")
        assert _runs(status)
    finally:
        parent.kill()
        parent.wait()
    _wait_for(lambda: not _runs(status))


def _runs(status: Path) -> bool:
    """Whether a process exists, and is not only waiting for its end to be noticed."""
    try:
        return "State:\tZ" not in status.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)
