from pathlib import Path

import pytest

from collector.store.database import Store
from collector.store.prune import prune, select
from collector.store.sqlite.sqlite_store import SqliteStore
from collector.summaries.refresh import score_answers
from tests.collector.command import invoked, printed
from tests.collector.delivering import take
from tests.collector.factory import batch, run_of_two_rounds, run_records

FIRST, SECOND = "0a" + "1" * 30, "0b" + "2" * 30


@pytest.fixture
def filled(store_with_golds: Store) -> Store:
    take(store_with_golds, batch(run_records(), FIRST), batch(run_records(), SECOND))
    score_answers(store_with_golds)
    return store_with_golds


def counts(store: Store) -> dict[str, int]:
    tables = [name for name, columns in store.columns().items() if "stream" in columns]
    return {name: store.value(f"SELECT count(*) FROM {name}") for name in tables}


def test_a_run_is_removed_with_all_that_was_derived_from_it(filled: Store) -> None:
    before = counts(filled)
    selection = select(filled, ["0a"], None, rejected=False)
    assert str(selection) == "1 run with 4 answers"
    prune(filled, selection)
    assert counts(filled) == {name: count // 2 for name, count in before.items()}
    assert list(filled.tuples("SELECT run_id FROM streams")) == [(SECOND,)]
    if isinstance(filled, SqliteStore):
        assert list(filled.tuples("PRAGMA foreign_key_check")) == []


def test_what_was_removed_comes_back_when_it_is_delivered_again(filled: Store) -> None:
    before = counts(filled)
    prune(filled, select(filled, ["0a", "0b"], None, rejected=False))
    take(filled, batch(run_records(), FIRST), batch(run_records(), SECOND))
    score_answers(filled)
    assert counts(filled) == before


def test_a_dry_run_says_what_would_go_and_keeps_it(filled: Store) -> None:
    before = counts(filled)
    text = printed("prune", "--run", "0a", "--dry-run", "--db", filled.name)
    assert text == "would remove 1 run with 4 answers\n"
    assert counts(filled) == before


def test_runs_are_chosen_by_day(filled: Store) -> None:
    with filled.writing() as conn:
        conn.execute(
            "UPDATE streams SET first_received_at = '2026-01-31T23:59:59Z' WHERE run_id = ?", (FIRST,)
        )
    assert not select(filled, [], "2026-01-31", rejected=False)
    assert len(select(filled, [], "2026-02-01", rejected=False).streams) == 1


def test_the_command_asks_and_says_what_it_removed(filled: Store, database: Path) -> None:
    del filled
    db = {"DISTILBENCH_DB": str(database)}
    refused = invoked("prune", "--run", "0a", stdin="n\n", **db)
    assert (refused.returncode, refused.stdout) == (130, "")
    assert "Remove 1 run with 4 answers?" in refused.stderr
    done = invoked("prune", "--run", "0a", stdin="y\n", **db)
    assert (done.returncode, done.stdout) == (0, "removed 1 run with 4 answers\n")
    assert printed("prune", "--before", "2000-01-01", "--rejected", "--yes", **db) == "nothing to remove\n"


def test_not_while_the_database_is_served(filled: Store, database: Path) -> None:
    with filled.served():
        done = invoked("prune", "--run", "0a", "--yes", "--db", database)
    assert (done.returncode, done.stdout) == (1, "")
    assert "serves the database" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [([], 2, "--run, --before or --rejected"), (["--before", "20260131"], 1, "'20260131' is not a day")],
)
def test_a_request_that_means_nothing_is_one_sentence(
    filled: Store, database: Path, arguments: list[str], code: int, sentence: str
) -> None:
    del filled
    done = invoked("prune", *arguments, "--db", database)
    assert (done.returncode, done.stdout) == (code, "")
    assert sentence in done.stderr


def test_the_rounds_of_a_run_are_removed_with_it(store: Store) -> None:
    take(store, batch(run_of_two_rounds(), FIRST))
    assert {"round_starts", "round_finishes", "resumes"} <= {
        name for name, count in counts(store).items() if count
    }
    prune(store, select(store, ["0a"], None, rejected=False))
    assert set(counts(store).values()) == {0}
