import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from collector.intake.ingest import ingest
from collector.serving import upkeep
from collector.serving.upkeep import Upkeep
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from tests.collector.delivering import by_topic, take
from tests.collector.factory import batch, run_records
from tests.collector.running_collector import wait_until


def summed_up(database: Path) -> int:
    with open_store_to_read(database) as store:
        return int(store.value("SELECT count(*) FROM run_columns JOIN findings LIMIT 1"))


def worked(keeper: Upkeep) -> bool:
    """Ticks, and says whether a process was started and has ended."""
    before = keeper.working
    keeper.tick()
    return before and not keeper.working


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "QUIET_SECONDS", 0.0)


@pytest.mark.usefixtures("at_once")
def test_results_are_summed_up_once_for_all(store_with_golds: Store, database: Path) -> None:
    said: list[str] = []
    keeper = Upkeep(database, said.append)
    take(store_with_golds, batch(run_records()))
    keeper.note_results()
    wait_until(lambda: worked(keeper), "the first upkeep")
    assert summed_up(database)
    assert store_with_golds.value("SELECT count(*) FROM scores") == 4
    keeper.tick()
    assert not keeper.working  # nothing came since
    assert said == []


@pytest.mark.usefixtures("at_once")
def test_a_failure_is_told_once_and_tried_again(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Upkeep(tmp_path / "gone.db", said.append)
    for _ in range(2):
        keeper.note_results()
        wait_until(lambda: worked(keeper), "a failure")
    assert len(said) == 1
    assert said[0].endswith(f"reports will take longer: there is no database '{tmp_path / 'gone.db'}'")


@pytest.mark.usefixtures("at_once")
def test_f23_a_library_of_the_current_folder_is_not_run(
    store_with_golds: Store, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("from pathlib import Path\nPath('owned').write_text('by a module')\n")
    monkeypatch.chdir(tmp_path)
    said: list[str] = []
    keeper = Upkeep(database, said.append)
    take(store_with_golds, batch(run_records()))
    wait_until(lambda: worked(keeper), "the upkeep")
    assert summed_up(database) and said == []
    assert not (tmp_path / "owned").exists()


@pytest.mark.usefixtures("at_once")
def test_the_work_ends_with_the_server(
    store_with_golds: Store, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Upkeep(database, lambda line: None)
    started: list[subprocess.Popen[str]] = []

    class Seen(subprocess.Popen[str]):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            started.append(self)

    monkeypatch.setattr(subprocess, "Popen", Seen)
    keeper.tick()
    keeper.stop()
    assert not keeper.working
    assert started[0].returncode is not None
    ingest(store_with_golds, [by_topic(batch(run_records()))])  # no lock is left behind


def test_results_come_first(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("not yet"))
    keeper = Upkeep(database, lambda line: None)
    for _ in range(200):  # one a second never leaves five quiet ones
        now[0] += 1
        keeper.note_results()
        keeper.tick()
    started: list[object] = []
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: started.append(1))
    now[0] += upkeep.LONGEST_SECONDS - 200 + 1
    keeper.note_results()
    keeper.tick()
    assert started
