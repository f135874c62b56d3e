"""The same results give the same report, byte for byte, from a file of SQLite and from PostgreSQL."""

from pathlib import Path

import msgspec
import pytest

from collector.comparison.compare import compare
from collector.intake.merge import merge
from collector.report.formats.render import render
from collector.scoring.question_sets import add_questions
from collector.serving.upkeep import bring_up_to_date
from collector.store.database import Where
from collector.store.opening import open_store, open_store_to_read
from collector.workers.workers import Workers, workers_of
from contract.records import RunStarted
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_of_two_rounds, run_records


def _fill(where: Where, questions_file: Path) -> None:
    with open_store(where, create=True) as store:
        add_questions(store, questions_file)
        for number in range(3):
            name = f"board-{number}"
            board = device(name, f"class-{number % 2}")
            for kind, precision in enumerate(("fp32", "int8")):
                records = run_records(bundle=manifest(precision=precision), on=board)
                take(store, batch(records, f"{2 * number + kind:032x}", name))
            first, *others = run_of_two_rounds()
            assert isinstance(first, RunStarted)
            first = msgspec.structs.replace(first, device=board)
            take(store, batch([first, *others], f"{number + 16:032x}", name))


def _report(where: Where, workers: Workers | None = None) -> list[str]:
    bring_up_to_date(where, workers=workers)
    with open_store_to_read(where) as store:
        found = compare(store)
    found = msgspec.structs.replace(found, generated_at="", collector_id="")
    return [render(found, "json"), render(found, "html"), render(found, "markdown"), render(found, "csv")]


@pytest.mark.postgres
def test_the_report_is_the_same(database: Path, shared_database: str, questions_file: Path) -> None:
    _fill(database, questions_file)
    _fill(shared_database, questions_file)
    first = _report(database)
    with workers_of("1") as workers:
        assert first == _report(shared_database, workers), "a worker reads the database by its address"


@pytest.mark.postgres
def test_a_file_is_merged_into_postgres(database: Path, shared_database: str, questions_file: Path) -> None:
    _fill(database, questions_file)
    with open_store(shared_database) as store, open_store_to_read(database) as file:
        merged = merge(store, file)
        assert (merged.runs, merged.refused) == (9, ())
        assert merge(store, file).stored == 0
    assert _report(database) == _report(shared_database)
