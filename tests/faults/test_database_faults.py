"""F35 and F36: the database is moved, removed, replaced or restored while devices deliver."""

import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.delivery.publisher import Publisher
from collector.store.opening import open_store
from commandline.broker_address import parse_broker
from tests.agent.conftest import agent_command, agent_environment
from tests.collector.command import collector, invoked, printed
from tests.collector.running_collector import Collector, wait_until
from tests.faults.boards import DEVICE, Board, answers_of
from tests.faults.sending import until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker


@contextmanager
def connected(board: Board, broker: Mosquitto) -> Iterator[Publisher]:
    with closing(Publisher(parse_broker(broker.url), DEVICE, board.outbox)) as publisher:
        yield publisher


def deliver(board: Board, broker: Mosquitto) -> None:
    """As the end of `agent run` does: until everything has a receipt and all inquiries are answered."""
    with connected(board, broker) as publisher:
        until(publisher, lambda: publisher.was_connected)
        until(publisher, lambda: not board.outbox.pending() and not publisher._sender.asking)


def back_up(database: Path) -> Path:
    copy = database.with_name("backup.db")
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    return copy


def restore(database: Path, copy: Path) -> None:
    for suffix in ("-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)
    copy.replace(database)


def move(database: Path) -> None:
    database.rename(database.with_name("moved.db"))


def delete(database: Path) -> None:
    database.unlink()


def replace(database: Path) -> None:
    back_up(database).replace(database)


def delete_log(database: Path) -> None:
    database.with_name(f"{database.name}-wal").unlink()


@pytest.mark.parametrize(
    ("blow", "what"),
    [
        (move, "was moved or deleted"),
        (delete, "was moved or deleted"),
        (replace, "was replaced by another file"),
        (delete_log, "has lost its write-ahead log"),
    ],
)
def test_f35_nothing_is_receipted_that_does_not_lie_at_the_path(
    broker: Mosquitto, database: Path, tmp_path: Path, blow: Callable[[Path], None], what: str
) -> None:
    board = Board(tmp_path / "a", "a")
    board.measure(20)
    with Collector("--broker", broker.url, "--db", database) as serving:
        deliver(board, broker)
        blow(database)
        board.measure(30)
        with connected(board, broker) as publisher:
            until(publisher, lambda: serving.process.poll() is not None)
        assert serving.process.returncode == 1
    assert any(what in line and "nothing more is stored or acknowledged" in line for line in serving.said)
    assert board.outbox.pending() == 30
    with Collector("--broker", broker.url, "--db", database):
        board.finish()
        deliver(board, broker)
    assert board.lost(database) == []
    assert {f"a {seq}" for seq in range(21, 51)} <= set(answers_of(database, board.place.run_id).values())


def test_f35_a_link_does_not_evade_the_locks(broker: Mosquitto, database: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.db"
    with Collector("--broker", broker.url, "--db", database):
        link.symlink_to(database.name)
        second = collector("serve", "--broker", broker.url, "--db", link)
        assert second.returncode == 1
        assert "another collector serves the database" in second.stderr
        refused = invoked("prune", "--before", "2099-01-01", "--yes", "--db", link)
        assert refused.returncode == 1
        assert "another collector serves the database" in refused.stderr
    assert not list(tmp_path.glob("link.db-*"))


def test_f35_a_database_with_two_names_is_not_used(database: Path, tmp_path: Path) -> None:
    open_store(database, create=True).close()
    (tmp_path / "other.db").hardlink_to(database)
    refused = invoked("score", "--db", database)
    assert (refused.returncode, "has several names (hard links)" in refused.stderr) == (1, True)


def test_f38_a_copy_of_a_database_receives_everything_and_takes_nothing(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """The file `results.db-session` is not copied with it: the copy is a client of its own."""
    board = Board(tmp_path / "a", "a")
    board.measure(20)
    with Collector("--broker", broker.url, "--db", database):
        deliver(board, broker)
    (tmp_path / "elsewhere").mkdir()
    copy = back_up(database).replace(tmp_path / "elsewhere" / "results.db")
    board.measure(200)
    with (
        Collector("--broker", broker.url, "--db", database) as serving,
        Collector("--broker", broker.url, "--db", copy) as second,
    ):
        board.finish()
        deliver(board, broker)
        expected = {seq: f"a {seq}" for seq in range(1, 221)}
        wait_until(lambda: answers_of(database, board.place.run_id) == expected, "all in the original")
        wait_until(lambda: answers_of(copy, board.place.run_id) == expected, "all in the copy")
        assert (len(serving.said), len(second.said)) == (1, 1), "nobody has lost a session"


def test_f36_what_a_restored_database_lacks_is_sent_again(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """A run before the backup, one that began before and ended after it, and one after it."""
    before, during, after = (Board(tmp_path / name, name, name * 32) for name in "abc")
    with Collector("--broker", broker.url, "--db", database):
        before.measure(20)
        before.finish()
        during.measure(20)
        deliver(before, broker)
        deliver(during, broker)
        copy = back_up(database)
        during.measure(20)
        during.finish()
        after.measure(30)
        after.finish()
        deliver(during, broker)
        deliver(after, broker)
    restore(database, copy)
    assert len(answers_of(database, during.place.run_id)) == 20
    with Collector("--broker", broker.url, "--db", database):
        for board in (before, during, after):
            deliver(board, broker)
    for board, count in ((before, 20), (during, 40), (after, 30)):
        expected = {seq: f"{board.name} {seq}" for seq in range(1, count + 1)}
        assert answers_of(database, board.place.run_id) == expected
    assert printed("runs", "--db", database).count("complete") == 3


def test_f36_a_long_connection_notices_a_restored_database(
    broker: Mosquitto, database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.delivery.inquiries.DOUBT_SECONDS", 0.1)
    board = Board(tmp_path / "a", "a")
    board.measure(20)
    with connected(board, broker) as publisher:
        with Collector("--broker", broker.url, "--db", database):
            until(publisher, lambda: publisher.was_connected and not board.outbox.pending())
            copy = back_up(database)
            board.measure(20)
            until(publisher, lambda: not board.outbox.pending())
        restore(database, copy)
        with Collector("--broker", broker.url, "--db", database):
            board.measure(20)
            until(publisher, lambda: len(answers_of(database, board.place.run_id)) == 60)
            until(publisher, lambda: not board.outbox.pending())
    assert board.lost(database) == []


def test_f36_what_no_device_has_any_more_is_named(broker: Mosquitto, database: Path, tmp_path: Path) -> None:
    board = Board(tmp_path / "a", "a")
    with Collector("--broker", broker.url, "--db", database):
        board.measure(10)
        deliver(board, broker)
        copy = back_up(database)
        board.measure(20)
        deliver(board, broker)
        board.outbox._delete_receipted()  # another run needed the room
        board.measure(10)
        deliver(board, broker)
    restore(database, copy)
    with Collector("--broker", broker.url, "--db", database):
        deliver(board, broker)
        deliver(board, broker)
    sentence = (
        "run cccccccc of pi-5: 20 records are missing, and its device no longer has them: number 11 to 30"
    )
    assert sentence in invoked("runs", "--db", database).stderr
    assert sentence in printed("report", "--db", database)


def test_f36_a_removed_run_stays_removed(broker: Mosquitto, database: Path, tmp_path: Path) -> None:
    board = Board(tmp_path / "a", "a")
    board.measure(10)
    board.finish()
    with Collector("--broker", broker.url, "--db", database):
        deliver(board, broker)
    printed("prune", "--run", board.place.run_id, "--yes", "--db", database)
    with Collector("--broker", broker.url, "--db", database):
        deliver(board, broker)
    assert answers_of(database, board.place.run_id) == {}
    assert board.outbox.pending() == 0


def test_f36_agent_flush_sends_again_what_a_restored_database_lacks(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    open_store(database, create=True).close()
    copy = back_up(database)
    board = Board(tmp_path / "a", "a")
    board.measure(10)
    board.finish()
    with Collector("--broker", broker.url, "--db", database):
        deliver(board, broker)
        board.end()
        assert flush(board, broker) == (0, "0 results delivered\n")
    restore(database, copy)
    with Collector("--broker", broker.url, "--db", database):
        assert flush(board, broker) == (0, "12 results delivered\n")
    assert len(answers_of(database, board.place.run_id)) == 10


def test_f36_agent_flush_says_when_no_collector_answers(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    board = Board(tmp_path / "a", "a")
    with Collector("--broker", broker.url, "--db", database) as serving:
        deliver(board, broker)
        serving.end()
    board.end()
    code, said_by_agent = flush(board, broker)
    assert code == 0
    assert "no collector has said whether it still has 1 delivered run" in said_by_agent


def flush(board: Board, broker: Mosquitto) -> tuple[int, str]:
    """`agent flush`; returns its exit status and what it says."""
    done = subprocess.run(
        agent_command("flush", "--broker", broker.url, "--device-id", DEVICE),
        env=agent_environment(board.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr
