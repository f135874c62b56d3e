"""Reports computed on several processes, also if one of them is killed."""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from bench.results.fleet import Fleet, build
from collector.comparison import compare as comparing
from collector.comparison.compare import compare_file
from collector.comparison_inputs.answers import Answers, RunSet
from collector.comparison_inputs.tasks import means, parcels
from collector.comparison_inputs.tasks.contrast import contrast
from collector.comparison_inputs.tasks.summing import sums
from collector.comparison_inputs.tasks.task import Memo
from collector.errors import BadInput, WorkersUnavailable
from collector.serving.upkeep import bring_up_to_date
from collector.store.database import Store
from collector.store.findings_cache import FindingsCache
from collector.store.opening import open_store, open_store_to_read
from collector.store.runs import all_runs
from collector.summaries import question_ranges, refresh
from collector.summaries.run_summary import Derived
from collector.workers import workers
from collector.workers.order import carry_out, packed, program, sender
from contract.codec import encode
from tests.collector.mixed_fleet import fill

FLEET = Fleet(devices=2, questions=30, models=("bert-large", "minilm-l6"), rounds=3)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fleet") / "fleet.db"
    build(path, FLEET)
    return path


@pytest.fixture
def database(built: Path, tmp_path: Path) -> Path:
    return _copied(built, tmp_path / "results.db")


@pytest.fixture(autouse=True)
def small_orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Orders are so small that each worker gets several."""
    monkeypatch.setattr(parcels, "LEAST_ANSWERS", 1)
    monkeypatch.setattr(refresh, "BATCH_ANSWERS", FLEET.answers // 2)
    monkeypatch.setattr(comparing, "utc_now", lambda: "now")
    yield
    assert not multiprocessing.active_children(), "no worker is left"


def test_the_same_bytes_with_a_worker_killed_in_the_middle(
    built: Path, database: Path, tmp_path: Path
) -> None:
    alone = _copied(built, tmp_path / "alone.db")
    scored = bring_up_to_date(alone)
    killed: set[str] = set()

    def kill(stage: str, done: int, total: int) -> None:
        if stage not in killed and 0 < done < total:
            killed.add(stage)
            os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)

    with workers.workers_of("2") as computing:
        assert bring_up_to_date(database, kill, computing) == scored == FLEET.answers
    assert killed == {comparing.SCORES, comparing.COMPARISON}
    assert _derived(database) == _derived(alone)
    assert encode(compare_file(database)) == encode(compare_file(alone))


def test_workers_that_keep_dying_end_the_work_with_a_sentence(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "MOST_DEATHS", 1)
    with (
        open_store_to_read(database) as store,
        workers.workers_of("1") as computing,
        pytest.raises(WorkersUnavailable, match="workers died 2 times"),
    ):
        list(computing.compute(store, _die, [()]))


def test_a_worker_must_have_the_same_program_and_database(database: Path, tmp_path: Path) -> None:
    with open_store_to_read(database) as store:
        to_whom, order = sender(store), packed(_answers, ())
    assert carry_out(*to_whom, order) == FLEET.answers
    with pytest.raises(WorkersUnavailable, match=r"has distilbench .* and this is 0\.1: install the same"):
        carry_out("0.1", *to_whom[1:], order)
    with pytest.raises(WorkersUnavailable, match="must be at the same path on all workers"):
        carry_out(program(), str(tmp_path / "absent.db"), to_whom.collector_id, order)
    with pytest.raises(WorkersUnavailable, match="has another database at"):
        carry_out(program(), to_whom.database, "0" * 32, order)


def test_a_finding_about_other_numbers_is_not_taken(database: Path) -> None:
    with open_store_to_read(database) as store:
        task = sums(RunSet((all_runs(store)[0],), ("the digest before more answers came",)))
        assert parcels.do(store, [parcels.Posted(task.of, task.compute)], {}) == [None]


def test_workers_sum_up_the_pieces_of_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_ranges, "PIECE_ANSWERS", 100)
    built, database = tmp_path / "built.db", tmp_path / "results.db"
    with open_store(built, create=True) as store:
        fill(store, tmp_path)
    _copied(built, database)
    bring_up_to_date(built)

    def refuse(*_: object) -> None:
        raise AssertionError("the process that asks reads no answers of rows")

    monkeypatch.setattr(means, "means_of_piece", refuse)
    with workers.workers_of("2") as computing:
        bring_up_to_date(database, workers=computing)
    assert _derived(database) == _derived(built)


def test_an_order_does_not_carry_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parcels, "MOST_SENT", 100)
    monkeypatch.setattr(parcels, "LEAST_ANSWERS", 1_000_000)
    pairs = [("a", "b"), ("a", "c"), ("b", "c"), ("c", "d"), ("stored",), ("d", "e"), ("a", "e")]
    tasks = [parcels.Weighed(parcels.Posted((), partial(_die), needs), 10) for needs in pairs]
    found = parcels.parcels(tasks, 2, dict.fromkeys("abcde", 30))
    assert found == [[0, 1, 2, 3], [4, 5, 6]], "what several tasks need is sent once"


def test_a_worker_without_the_numbers_of_a_task_hands_nothing_back(database: Path) -> None:
    bring_up_to_date(database)
    with open_store_to_read(database) as store:
        derived = Derived(store)
        rows = [RunSet((run,), (derived.digest(run),)) for run in all_runs(store)[:2]]
        task = contrast(*rows)
        needs = tuple(need.digest for need in task.needs)
        posted = parcels.Posted(task.of, task.compute, needs)
        answers = Answers(store, derived)
        known = {need.digest: encode(need.compute(answers)).decode() for need in task.needs}
        (found,) = parcels.do(store, [posted], known)
        assert found == encode(Memo(answers, FindingsCache(store)).recall(task)).decode()
        with open_store(database) as changing, changing.writing() as conn:
            conn.execute("DELETE FROM findings")
            conn.execute("UPDATE run_columns SET digest = 'that of more answers'")
        assert parcels.do(store, [posted], {}) == [None]
        pieces = [parcels.Posted(need.of, need.compute) for need in task.needs]
        assert parcels.do(store, pieces, {}) == [None, None]


@pytest.mark.parametrize("text", ["0", "-1", "many", "http://scheduler", "9999"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(BadInput, match=f"--workers '{text}' is neither a number"):
        workers.workers_of(text)


def _copied(path: Path, to: Path) -> Path:
    to.write_bytes(path.read_bytes())
    return to


def _derived(database: Path) -> list[list[tuple[object, ...]]]:
    """Everything that was computed and stored."""
    tables = ("scores", "run_columns", "column_parts", "findings")
    with open_store_to_read(database) as store:
        return [sorted(store.tuples(f"SELECT * FROM {table}")) for table in tables]


def _die(store: Store) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _answers(store: Store) -> int:
    return int(store.value("SELECT count(*) FROM answers"))
