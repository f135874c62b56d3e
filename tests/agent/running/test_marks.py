"""Which questions of a run are marked as disturbed, and why; also within minutes without a pause."""

from functools import partial
from pathlib import Path

import msgspec
import pytest

from agent.bundles.bundle import describe
from agent.machine.device import inspect_device
from agent.machine.telemetry import Telemetry
from agent.outbox.outbox import Outbox
from agent.planning.plan import Plan, plan_run, read_questions, settings_for
from agent.running.marks import MachineWatch, marks_of
from agent.running.run import Run
from agent.stop_signal import Stop
from agent.worker.own_work import OwnWork
from agent.worker.process import WorkerProcess
from agent.worker.protocol import QuestionOutcome
from contract.records import Answer, Record, RunFinished, RunStarted, Sample, ThreadTrial
from tests.agent.worker.test_own_work import Clock

BOARDS = Path(__file__).parent.parent.parent / "hardware"


@pytest.fixture
def plan(tiny_bundle: Path, long_questions: Path) -> Plan:
    bundle = describe(tiny_bundle)
    settings = settings_for(bundle, threads=1, warmup=0)
    return plan_run(inspect_device("test"), bundle, read_questions(long_questions), settings)


def measure(plan: Plan, outbox: Outbox, root: Path, *, busy: bool = False) -> list[Record]:
    """Measure with a parent that sleeps or computes meanwhile, whatever the machine of the test does."""
    worker = partial(WorkerProcess, own_work=OwnWork(Clock(busy)))
    with Stop() as stop:
        Run(plan, outbox, stop, root=root, start_worker=worker).measure(lambda _: None)
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
    assert marks(measure(plan, outbox, tmp_path, busy=True)) == {("agent_busy",)}


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
    assert "41 MB of the machine's memory are left; --ignore-memory" in last.reason


class Board:
    """A Raspberry Pi whose throttle bits and temperature the test decides."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bits = root / "sys/devices/platform/soc/soc:firmware/get_throttled"
        zone = root / "sys/class/thermal/thermal_zone0"
        for folder in (self._bits.parent, zone):
            folder.mkdir(parents=True)
        (zone / "type").write_text("cpu-thermal\n")
        self._temperature = zone / "temp"
        self.is_at(40)

    def is_at(self, celsius: int, bits: int = 0) -> None:
        self._bits.write_text(f"{bits:x}\n")
        self._temperature.write_text(f"{celsius}000\n")


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


def asked(at_ns: int, time_ns: int = 0, waited_ns: int = 0) -> QuestionOutcome:
    return QuestionOutcome(question_id="q", asked_at_ns=at_ns, infer_ns=time_ns, waited_ns=waited_ns)


def test_a_mark_is_of_the_stretch_that_a_question_falls_into(board: Board) -> None:
    watch = MachineWatch(Telemetry(board.root), None, OwnWork(), look_seconds=0.0)
    for celsius, bits in ((50, 0), (81, 0b100), (60, 0), (55, 0)):
        board.is_at(celsius, bits)
        watch.look()
    stretches = watch.end()
    assert [stretch.after.temperature_celsius for stretch in stretches] == [50.0, 81.0, 60.0, 55.0, 55.0]
    hot = frozenset({"throttled"})
    assert [stretch.marks for stretch in stretches] == [frozenset(), hot, hot, frozenset(), frozenset()]
    first, second, third, fourth, _ = (stretch.end_ns for stretch in stretches)
    assert marks_of(asked(first - 1), stretches) == frozenset()
    assert marks_of(asked(first - 1, time_ns=2), stretches) == hot, "it was at work when that began"
    assert marks_of(asked(second), stretches) == hot
    assert marks_of(asked(third + 1), stretches) == frozenset()
    assert marks_of(asked(fourth, waited_ns=fourth - third), stretches) == hot, "it waited meanwhile"


def test_looks_keep_their_distance(board: Board) -> None:
    watch = MachineWatch(Telemetry(board.root), None, OwnWork(), look_seconds=60.0)
    watch.look()
    watch.look()
    assert len(watch.end()) == 1


def test_own_work_marks_its_stretch_only(board: Board) -> None:
    clock = Clock()
    own_work = OwnWork(clock)
    watch = MachineWatch(Telemetry(board.root), None, own_work, look_seconds=0.0)
    own_work.begin()
    clock.work(50_000_000)
    watch.look()
    clock.sleep(500_000_000)
    own_work.end()
    clock.work(50_000_000)  # after the wait: nobody is disturbed any more
    assert [stretch.marks for stretch in watch.end()] == [frozenset({"agent_busy"}), frozenset()]
