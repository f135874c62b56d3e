"""Reports computed by the workers of a Dask scheduler."""

import sys
from pathlib import Path

import pytest

from bench.results.fleet import Fleet, build
from collector.comparison_inputs.tasks import parcels
from collector.errors import WorkersUnavailable
from collector.serving.upkeep import bring_up_to_date
from collector.store.database import Store
from collector.store.opening import open_store_to_read
from collector.workers.order import carry_out
from collector.workers.workers import workers_of
from tests.collector.delivering import take
from tests.collector.factory import batch, run_records
from tests.collector.workers.dask_cluster import dask_cluster


@pytest.mark.proof
def test_dask_finds_the_same_with_a_worker_killed_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parcels, "LEAST_ANSWERS", 1)
    database, alone = tmp_path / "results.db", tmp_path / "alone.db"
    build(database, Fleet(devices=2, questions=30, models=("bert-large", "minilm-l6"), rounds=3))
    alone.write_bytes(database.read_bytes())
    bring_up_to_date(alone)
    with dask_cluster(tmp_path, 2) as cluster:
        with workers_of(cluster.address) as computing:
            bring_up_to_date(
                database,
                lambda stage, done, total: cluster.workers[0].kill() if 0 < done < total else None,
                computing,
            )
        assert cluster.workers[0].poll() is not None and cluster.workers[1].poll() is None
        assert _findings(database) == _findings(alone)
        with (
            open_store_to_read(database) as store,
            workers_of(cluster.address) as computing,
            pytest.raises(WorkersUnavailable, match="has distilbench"),
        ):
            list(computing.compute(store, _as_an_older_worker, [()]))


def test_a_scheduler_that_is_not_there_is_named(
    store: Store, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("collector.workers.cluster.CONNECT_SECONDS", 0.2)
    take(store, batch(run_records()))
    with (
        workers_of("tcp://127.0.0.1:9") as computing,
        pytest.raises(WorkersUnavailable, match="no scheduler can be reached at"),
    ):
        bring_up_to_date(database, workers=computing)


def test_without_the_extra_a_sentence_names_it(
    store: Store, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    take(store, batch(run_records()))
    with (
        workers_of("tcp://127.0.0.1:9") as computing,
        pytest.raises(WorkersUnavailable, match=r"needs the extra `cluster`: .*\[cluster\]"),
    ):
        bring_up_to_date(database, workers=computing)


def _findings(database: Path) -> list[tuple[object, ...]]:
    with open_store_to_read(database) as store:
        return [
            row
            for table in ("scores", "run_columns", "column_parts", "findings")
            for row in sorted(store.tuples(f"SELECT * FROM {table}"))
        ]


def _as_an_older_worker(store: Store) -> None:
    carry_out("0.1", store.name, store.collector_id, b"")
