"""What only PostgreSQL does: its address, its transactions beside others, and its absence."""

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from collector.errors import BadInput, NotADatabase, StorageUnavailable, TransactionLost
from collector.intake.ingest import Ingested
from collector.intake.record_rows import are_stored
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from collector.store.postgres import dialect, postgres_store, watch
from collector.store.postgres.postgres_schema import VERSION
from collector.store.sqlite.migrations import MIGRATIONS, schema_at
from collector.store.transaction import RowRefused, Transaction
from contract.messages import Batch
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, run_records
from tests.postgres import Postgres

pytestmark = pytest.mark.postgres

RUN = "0a" * 16


@pytest.fixture
def shared(shared_database: str) -> Iterator[Store]:
    with open_store(shared_database) as store:
        yield store


@pytest.fixture
def other(shared_database: str) -> Iterator[Store]:
    """The same database, as another collector has it open."""
    with open_store(shared_database) as store:
        yield store


def test_its_schema_has_had_every_step_of_sqlite() -> None:
    assert len(MIGRATIONS) == VERSION


def test_parameters_are_numbered_as_sqlite_numbers_them() -> None:
    assert dialect.numbered("a = ? AND b = '?' -- ?\n AND c = ?") == "a = $1 AND b = '?' -- ?\n AND c = $2"
    assert dialect.numbered("a = ?1 OR b = ?1 OR c = ?") == "a = $1 OR b = $1 OR c = $2"


def test_each_table_and_view_has_the_columns_of_sqlite(shared: Store, database: Path) -> None:
    with open_store(database, create=True) as file:
        for name, kind, _ in schema_at(VERSION):
            if kind == "view":
                columns, _ = file.query(f"SELECT * FROM {name}")
                assert shared.query(f"SELECT * FROM {name}")[0] == columns
    shared.check_tables()


@pytest.mark.parametrize(
    "address",
    ["postgresql://me:secret@localhost/results", "postgresql://localhost/results?password=secret"],
)
def test_a_password_in_the_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(BadInput, match="pgpass") as refused:
        open_store(address, create=True)
    assert "secret" not in str(refused.value)


def test_a_server_that_is_away_is_said_to_be(postgres: Postgres) -> None:
    with pytest.raises(StorageUnavailable, match="cannot be used now: connection failed"):
        open_store("postgresql://postgres@127.0.0.1:1/results", create=True)
    with pytest.raises(StorageUnavailable, match="does not exist"):
        open_store(postgres.url("nothing"), create=True)


def test_the_first_of_several_hosts_that_can_be_written_is_used(shared_database: str) -> None:
    with open_store(shared_database.replace("127.0.0.1", "127.0.0.1:1,127.0.0.1")) as store:
        assert store.writable


def test_an_empty_database_gets_tables_only_when_they_are_asked_for(postgres: Postgres) -> None:
    with postgres.database() as url:
        for attempt in (open_store, open_store_to_read):
            with pytest.raises(BadInput, match="no tables"):
                attempt(url)
        open_store(url, create=True).close()
        with open_store(url) as store, open_store_to_read(url) as reader:
            assert store.collector_id == reader.collector_id
            with pytest.raises(StorageUnavailable, match="only for reading"), reader.writing():
                pass


def test_tables_of_a_later_version_are_refused(shared_database: str) -> None:
    with psycopg.connect(shared_database) as conn:
        conn.execute("UPDATE schema_version SET version = version + 1")
    for attempt in (open_store, open_store_to_read):
        with pytest.raises(NotADatabase, match="update distilbench here"):
            attempt(shared_database)


def test_a_query_of_a_user_can_only_read(shared: Store) -> None:
    assert shared.query("SELECT 1 AS one, 2 > 1 AS two") == (("one", "two"), [(1, 1)])
    for sql in (
        "DELETE FROM streams",
        "WITH gone AS (DELETE FROM streams RETURNING 1) SELECT * FROM gone",
        "SELECT 1; DELETE FROM streams",
        "COPY streams TO '/tmp/streams'",
        "SELECT nextval(pg_get_serial_sequence('streams', 'stream'))",
        "SELECT nothing",
    ):
        with pytest.raises(BadInput, match="fails"):
            shared.query(sql)


def test_a_row_that_is_refused_leaves_the_rest_of_its_transaction(shared: Store) -> None:
    with shared.writing() as transaction:
        transaction.execute("INSERT INTO pruned VALUES (?, ?)", ("a", "now"))
        for values in [("a", "again"), ("b\0", "now"), ("\ud800", "now"), (None, "now")]:
            with pytest.raises(RowRefused), transaction.undoable():
                transaction.insert("pruned", ("run_id", "pruned_at"), [("c", "now"), values])
    assert list(shared.tuples("SELECT run_id FROM pruned")) == [("a",)]


def test_an_error_that_was_passed_over_is_not_taken_for_a_commit(shared: Store) -> None:
    def pass_over(transaction: Transaction) -> None:
        transaction.execute(*_ONE)
        with pytest.raises(RowRefused):
            transaction.execute(*_ONE)

    with pytest.raises(StorageUnavailable, match="rolled back"):
        shared.written(pass_over)
    assert shared.value("SELECT count(*) FROM pruned") == 0


_ONE = ("INSERT INTO pruned VALUES (?, ?)", ("a", "now"))


def test_whoever_locks_a_run_is_waited_for(shared: Store, other: Store) -> None:
    order = []

    def second() -> None:
        with other.writing() as transaction:
            transaction.lock_runs(["new", RUN])
            order.append("second")

    with shared.writing() as transaction:
        transaction.lock_runs([RUN])
        thread = threading.Thread(target=second)
        thread.start()
        while not shared.value("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            time.sleep(0.01)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


class Explained:
    """A transaction that also asks how the server would run its statements."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.plan = ""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def execute(self, sql: str, parameters: Sequence[object] = ()) -> Any:
        lines = self._transaction.execute(f"EXPLAIN {sql}", parameters).fetchall()
        self.plan += "\n".join(line for (line,) in lines)
        return self._transaction.execute(sql, parameters)


def test_records_that_come_again_are_looked_up_in_whatever_table(shared: Store) -> None:
    """Reading the whole table would be right, and slower with each answer that is stored."""
    with shared.writing() as transaction:
        transaction.execute(
            "INSERT INTO answers SELECT run, number, 'q', 0, 0, '', 0, 0, 0, 0, 0, 0, 1, 1, NULL, NULL, 0 "
            "FROM generate_series(1, 200) AS run, generate_series(1, 100) AS number"
        )
    with shared.writing() as transaction:
        transaction.lock_runs([RUN])
        explained = Explained(transaction)
        are_stored(explained, [(run, answer(number, "q")) for run in range(1, 200) for number in (1, 2)])
    assert "answers_pkey" in explained.plan
    assert "Seq Scan" not in explained.plan


def test_work_that_another_transaction_was_in_the_way_of_is_done_again(shared: Store, other: Store) -> None:
    """Each of two transactions waits for what the other has: the database ends one of them."""
    for store in (shared, other):
        with store.writing() as transaction:
            transaction.execute("INSERT INTO pruned VALUES (?, '0')", (str(store is other),))
    both_have_one = threading.Barrier(2)
    tries: list[str] = []

    def work(names: tuple[str, str]) -> None:
        def change(transaction: Transaction) -> None:
            tries.append(names[0])
            transaction.execute(_CHANGE, names[:1])
            if len(tries) <= 2:
                both_have_one.wait(60)
            transaction.execute(_CHANGE, names[1:])

        (shared if names[0] == "True" else other).written(change)

    threads = [
        threading.Thread(target=work, args=(names,)) for names in (("True", "False"), ("False", "True"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) >= 3, "one of them was done again, at least once"
    assert list(shared.tuples("SELECT pruned_at FROM pruned")) == [("0xx",), ("0xx",)]


_CHANGE = "UPDATE pruned SET pruned_at = pruned_at || 'x' WHERE run_id = ?"


def test_two_collectors_that_take_the_same_records_store_them_once(shared: Store, other: Store) -> None:
    records = run_records([(f"q{n}", "x", 10.0) for n in range(60)])
    messages = [batch(records[at : at + 4], RUN) for at in range(0, len(records), 4)]
    results: list[Ingested] = []

    def collect(store: Store, own: list[Batch]) -> None:
        results.extend(take(store, message) for message in own)

    threads = [
        threading.Thread(target=collect, args=(store, own))
        for store, own in ((shared, messages), (other, messages[::-1]))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 2 * len(messages)
    assert sum(result.stored for result in results) == len(records)
    assert sum(result.rejected for result in results) == 0
    assert list(shared.tuples("SELECT first_seq, last_seq FROM ranges")) == [(0, len(records) - 1)]


def test_a_lost_connection_is_made_again(shared: Store, postgres: Postgres) -> None:
    take(shared, batch(run_records(), RUN))
    name = shared.name.rpartition("/")[2]
    lose = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    postgres.execute(lose)
    assert take(shared, batch(run_records(), RUN)).duplicates == len(run_records())

    def lost_within(transaction: Transaction) -> None:
        postgres.execute(lose)
        transaction.execute(*_ONE)

    def lost_between() -> None:
        with shared.deriving():
            postgres.execute(lose)
            with shared.writing_behind() as transaction:
                transaction.execute(*_ONE)

    with pytest.raises(StorageUnavailable, match="cannot be used now"):
        shared.written(lost_within)
    with pytest.raises(StorageUnavailable, match="was lost in the middle"):
        lost_between()
    assert shared.value("SELECT count(*) FROM pruned") == 0


def test_nothing_is_acknowledged_that_a_standby_has_not_confirmed(
    shared: Store, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even records that are stored already: the standby may not have them either."""
    monkeypatch.setattr(postgres_store, "WAIT_SECONDS", 2)
    postgres.wait_for_standby("nobody")
    try:
        for _ in range(2):
            with pytest.raises(StorageUnavailable, match="cannot be used now: cancel"):
                take(shared, batch(run_records(), RUN))
    finally:
        postgres.forget_standby()
    assert take(shared, batch(run_records(), RUN)).duplicates == len(run_records())


def test_a_server_that_has_stopped_is_not_waited_for(
    shared: Store, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its machine answers for it, so that the connection looks alive."""
    monkeypatch.setattr(postgres_store, "WAIT_SECONDS", 1.5)
    monkeypatch.setattr(watch, "GRACE_SECONDS", 0.5)
    with shared.writing() as transaction:
        transaction.execute(*_ONE)

    def stopped_within(transaction: Transaction) -> None:
        postgres.pause()
        transaction.execute(*_ONE)

    def stopped_at_commit(transaction: Transaction) -> None:
        transaction.execute("INSERT INTO pruned VALUES ('b', 'now')")
        postgres.pause()

    for work in (stopped_within, stopped_at_commit):
        try:
            with pytest.raises(StorageUnavailable, match="cannot be used now"):
                shared.written(work)
        finally:
            postgres.resume()
    assert shared.value("SELECT count(*) FROM pruned") in {1, 2}, "no one knows whether it was committed"


def test_two_processes_of_one_machine_have_a_session_each(shared: Store, other: Store) -> None:
    assert shared.session_file.parent == other.session_file.parent
    assert shared.session_file != other.session_file
    first = shared.session_file
    shared.close()
    with open_store(other.name) as third:
        assert third.session_file == first


def test_summaries_are_computed_by_one_process_at_a_time(shared: Store, other: Store) -> None:
    order = []

    def second() -> None:
        with other.deriving():
            order.append("second")

    with shared.deriving():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_summaries_of_different_runs_are_computed_at_the_same_time(shared: Store, other: Store) -> None:
    order = []

    def second() -> None:
        with other.deriving(2):
            order.append("another run")
        with other.deriving(1):
            order.append("the same run")
        with other.deriving():
            order.append("all runs")

    with shared.deriving(1):
        thread = threading.Thread(target=second)
        thread.start()
        while not order:
            time.sleep(0.01)
        time.sleep(0.2)
        order.append("the first")
    thread.join()
    assert order == ["another run", "the first", "the same run", "all runs"]
    with shared.deriving():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        assert len(order) == 4, "who computes what is of all runs keeps all others waiting"
    thread.join()


def test_a_lock_that_was_lost_while_another_was_waited_for_is_not_thought_to_be_held(
    shared: Store, other: Store, postgres: Postgres
) -> None:
    ended: list[str] = []

    def second() -> None:
        with pytest.raises(StorageUnavailable) as error, shared.deriving(1):
            ended.append("computed")
        ended.append(str(error.value))

    with other.deriving(1):
        thread = threading.Thread(target=second)
        thread.start()
        holders = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ShareLock' AND pid <> ?"
        mine = other.value("SELECT pg_backend_pid()")
        while (waits := other.value(holders, mine)) is None:
            time.sleep(0.01)
        postgres.execute(f"SELECT pg_terminate_backend({waits})")
        thread.join()
    assert len(ended) == 1 and ended[0].startswith("database")


def test_a_transaction_sees_what_was_committed_while_it_waited_for_a_lock(
    shared: Store, postgres: Postgres
) -> None:
    name = shared.name.rpartition("/")[2]
    postgres.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'serializable'")
    with open_store(shared.name) as store, store.writing() as transaction:
        assert transaction.execute("SHOW transaction_isolation").fetchone() == ("read committed",)


def test_a_lost_transaction_is_one_that_may_be_tried_again() -> None:
    assert issubclass(TransactionLost, StorageUnavailable)
