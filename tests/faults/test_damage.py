"""F11: random damage of the device's files and of the database ends in a sentence, and the device goes on.

Each case has a seed of its own, so a failure names the one to try again. The few of `make test` are the first
of the 600 of `make proofs`.
"""

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.delivery.destination import write_waiting
from agent.errors import AgentError
from agent.outbox.outbox import Outbox
from agent.outbox.state_folder import opened_state
from agent.planning.plan_file import Position, PositionFile
from collector.comparison.compare import compare_file
from collector.errors import CollectorError
from collector.intake.ingest import ingest
from collector.intake.results_file import ingest_file
from collector.serving.upkeep import bring_up_to_date
from collector.store.opening import open_store
from tests.collector.delivering import by_topic
from tests.collector.factory import batch, device, run_records, started
from tests.faults.sending import answers, append, finish

CASES = 600
FEW = 40
PLAN = Path("plan.toml")
RUNS = ("a" * 32, "b" * 32)


def damage(path: Path, rng: random.Random) -> None:
    """Flip some bytes, cut the file, or overwrite a part; more often near its beginning."""
    data = bytearray(path.read_bytes())
    end = rng.choice((100, 8192, len(data)))
    kind = rng.choice(("flip", "flip", "flip", "cut", "zeros", "empty", "text"))
    if kind == "flip":
        for _ in range(rng.choice((1, 1, 5, 20, 100, 400))):
            data[rng.randrange(min(end, len(data)))] ^= rng.randrange(1, 256)
    elif kind == "cut":
        del data[rng.randrange(len(data)) :]
    elif kind == "zeros":
        at = rng.randrange(min(end, len(data)))
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    else:
        data = bytearray(b"" if kind == "empty" else "\N{BOM}hello\xff".encode("latin-1", "replace"))
    path.write_bytes(data)


@pytest.fixture(scope="module")
def whole_state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder with a finished run and an unfinished one, part of it in the write-ahead log."""
    folder = tmp_path_factory.mktemp("state")
    copy = folder / "copy"
    PositionFile(folder, PLAN).write(Position("a", datetime.now(UTC), done=3))
    with opened_state(folder / "state", None, print) as state:
        work(state.outbox, state.device_id, RUNS[0], 150)
        work(state.outbox, state.device_id, RUNS[1], 50, last=False)
        shutil.copytree(folder / "state", copy)
    shutil.copy(next(folder.glob("plan-*.json")), copy)
    return copy


def work(outbox: Outbox, device_id: str, run_id: str, count: int, *, last: bool = True) -> None:
    place = outbox.begin(run_id, device_id, run_id)
    place = answers(outbox, append(outbox, place, [started(on=device(device_id))]), count)
    if last:
        finish(outbox, place)


def device_works(folder: Path, results: Path, said: list[str], run_id: str) -> None:
    """All that a command does with its state folder."""
    PositionFile(folder, PLAN).read(said.append)
    with opened_state(folder, None, said.append) as state:
        for identity in RUNS:
            unfinished = state.outbox.unfinished(identity)
            if unfinished is not None:
                finish(state.outbox, unfinished)
        work(state.outbox, state.device_id, run_id, 5)
        state.outbox.summary()
        write_waiting(results, state.outbox)
        assert state.outbox.pending() == 0
        state.outbox.release()


def check_device(whole_state: Path, tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    folder, said = tmp_path / "state", list[str]()
    shutil.copytree(whole_state, folder)
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.stat().st_size)
    name = rng.choice((*names, "outbox.db", "outbox.db", "outbox.db"))
    damage(folder / name, rng)
    results = tmp_path / "results.jsonl"
    sentences = 0
    for number in range(3):
        try:
            device_works(folder, results, said, f"{number:032x}")
        except AgentError as error:
            said.append(str(error))
            sentences += 1
    assert sentences <= 1, "what was found once does not stop the next start"
    assert all(sentence.isprintable() for sentence in said)
    damaged = [path for path in folder.iterdir() if ".damaged-" in path.name]
    assert not sentences or damaged
    assert not said or any(path.name in sentence for sentence in said for path in damaged)
    with open_store(tmp_path / "results.db", create=True) as store:
        ingest_file(store, results)
        assert store.value("SELECT count(*) FROM runs") >= 3 - sentences


@pytest.mark.parametrize("seed", range(FEW))
def test_f11_a_damaged_device_goes_on(whole_state: Path, tmp_path: Path, seed: int) -> None:
    check_device(whole_state, tmp_path, seed)


@pytest.mark.proof
def test_f11_six_hundred_damaged_devices_go_on(whole_state: Path, tmp_path: Path) -> None:
    for seed in range(FEW, CASES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check_device(whole_state, folder, seed)
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def whole_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("database") / "results.db"
    with open_store(path, create=True) as store:
        ingest(
            store,
            [by_topic(batch(run_records([(f"q{n}", "the North Sea", 10.0 + n % 7) for n in range(300)])))],
        )
    bring_up_to_date(path)
    return path


def collector_works(database: Path) -> None:
    """What a server, its upkeep and a report do with the database."""
    with open_store(database) as store:
        ingest(store, [by_topic(batch(run_records(), run_id="b" * 32))])
    bring_up_to_date(database)
    compare_file(database, None, None)


def check_database(whole_database: Path, folder: Path, seed: int) -> None:
    database = folder / "results.db"
    shutil.copy(whole_database, database)
    damage(database, random.Random(seed))
    said = ""
    try:
        collector_works(database)
    except CollectorError as error:
        said = str(error)
    assert said.isprintable(), "one sentence"


@pytest.mark.parametrize("seed", range(FEW))
def test_f11_a_damaged_database_is_told_in_a_sentence(
    whole_database: Path, tmp_path: Path, seed: int
) -> None:
    check_database(whole_database, tmp_path, seed)


@pytest.mark.proof
def test_f11_six_hundred_damaged_databases_are_told_in_a_sentence(
    whole_database: Path, tmp_path: Path
) -> None:
    for seed in range(FEW, CASES):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check_database(whole_database, folder, seed)
        shutil.rmtree(folder)
