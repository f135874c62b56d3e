"""Which questions of a run are marked as disturbed, and why."""

import threading
from pathlib import Path

import msgspec
import pytest

from agent.bundle import describe
from agent.device import inspect_device
from agent.outbox import Outbox
from agent.plan import Plan, plan_run, read_questions, settings_for
from agent.run import Run
from agent.stop import Stop
from contract.records import Answer, Record, Sample

BOARDS = Path(__file__).parent.parent / "hardware"


@pytest.fixture
def plan(tiny_bundle: Path, long_questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    settings = settings_for(bundle, threads=1, warmup=0)
    return plan_run(inspect_device("test"), bundle, read_questions(long_questions), settings)


def measure(plan: Plan, outbox: Outbox, root: Path) -> list[Record]:
    with Stop() as stop:
        Run(plan, outbox, stop, root=root).measure(lambda _: None)
    return [msgspec.json.decode(row.body, type=Record) for row in outbox.rows(0, 1000)]


def marks(records: list[Record]) -> set[tuple[str, ...]]:
    return {record.marks for record in records if isinstance(record, Answer)}


def test_a_quiet_cool_machine_marks_nothing(plan: Plan, outbox: Outbox) -> None:
    records = measure(plan, outbox, BOARDS / "raspberry-pi-5")
    assert marks(records) == {()}
    sample = next(record for record in records if isinstance(record, Sample))
    assert (sample.temperature_celsius, sample.clock_hz) == (71.85, 2_400_000_000)
    assert sample.worker_rss_bytes is not None and sample.worker_rss_bytes > 10_000_000


def test_questions_of_a_throttled_machine_are_marked(plan: Plan, outbox: Outbox) -> None:
    records = measure(plan, outbox, BOARDS / "raspberry-pi-4")
    assert marks(records) == {("throttled", "under_voltage")}
    assert {r.throttle for r in records if isinstance(r, Sample)} == {("throttled", "under_voltage")}


def test_questions_beside_a_busy_parent_are_marked(plan: Plan, outbox: Outbox, tmp_path: Path) -> None:
    done = threading.Event()

    def burn() -> None:
        while not done.is_set():
            sum(range(1000))

    thread = threading.Thread(target=burn)
    thread.start()
    try:
        records = measure(plan, outbox, tmp_path)
    finally:
        done.set()
        thread.join()
    assert marks(records) == {("agent_busy",)}
