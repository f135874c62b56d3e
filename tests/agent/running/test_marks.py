"""Which questions of a run are marked as disturbed, and why."""

import threading
from pathlib import Path

import msgspec
import pytest

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan, plan_run, read_questions, settings_for
from agent.running.run import Run
from agent.stop import Stop
from contract.records import Answer, Record, RunFinished, RunStarted, Sample, ThreadTrial

BOARDS = Path(__file__).parent.parent.parent / "hardware"


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


def test_energy_is_metered_and_its_source_named(plan: Plan, outbox: Outbox) -> None:
    records = measure(plan, outbox, BOARDS / "server")
    assert {r.energy_joules for r in records if isinstance(r, Sample)} == {0.0}, "its counters stand still"
    assert isinstance(records[-1], RunFinished)
    assert records[-1].energy_source == "RAPL: package-0, dram, package-1, dram"


def test_what_spoke_against_measuring_is_recorded(plan: Plan, outbox: Outbox) -> None:
    trials = (ThreadTrial(threads=1, p50_ns=5), ThreadTrial(threads=2, p50_ns=3))
    records = measure(
        plan._replace(remarks=("it is hot: cool it",), thread_trials=trials), outbox, BOARDS / "server-vm"
    )
    assert isinstance(records[0], RunStarted) and isinstance(records[-1], RunFinished)
    assert (records[0].remarks, records[0].thread_trials) == (("it is hot: cool it",), trials)
    assert records[-1].energy_source is None


def test_a_bundle_that_does_not_fit_is_not_loaded(plan: Plan, outbox: Outbox, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 65536 kB\nMemAvailable: 40000 kB\n")
    first, last = measure(plan, outbox, tmp_path)
    assert isinstance(first, RunStarted) and isinstance(last, RunFinished)
    assert (last.status, last.answered) == ("failed", 0)
    assert last.reason.startswith("out of memory (estimated): about ")
    assert "41 MB are left of the machine's memory; --ignore-memory" in last.reason
