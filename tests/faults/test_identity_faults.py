"""F33: two boards with one identity: a card was copied, or an older copy of a state folder put back."""

import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from agent.delivery.destination import write_waiting
from agent.delivery.publisher import Publisher
from agent.delivery.sender import Sender
from agent.errors import OutboxRolledBack
from agent.outbox.summary import summarise
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.store.database import Store
from collector.store.opening import open_store
from commandline.broker_address import parse_broker
from contract.topics import topic
from tests.agent.conftest import agent_command, agent_environment
from tests.collector.command import invoked, printed
from tests.collector.running_collector import Collector
from tests.faults.boards import DEVICE, Board, answers_of
from tests.faults.sending import until
from tests.mosquitto import Mosquitto

pytestmark = pytest.mark.broker

TOPIC = topic(DEVICE, "results")


@contextmanager
def connected(board: Board, broker: Mosquitto) -> Iterator[Publisher]:
    with closing(Publisher(parse_broker(broker.url), DEVICE, board.outbox)) as publisher:
        yield publisher


def deliver(board: Board, broker: Mosquitto) -> None:
    with connected(board, broker) as publisher:
        until(publisher, lambda: not board.outbox.pending() and publisher.was_connected)


@pytest.fixture
def store(database: Path) -> Iterator[Store]:
    with open_store(database, create=True) as opened:
        yield opened


@pytest.fixture
def collecting(broker: Mosquitto, database: Path) -> Iterator[None]:
    with Collector("--broker", broker.url, "--db", database):
        yield


def refusals(board: Board) -> int:
    return sum(each.count for each in summarise(board.folder / "outbox.db").refused)


@pytest.mark.usefixtures("collecting")
def test_f33_a_copied_card_loses_nothing_and_mixes_nothing(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """Two boards deliver in turn."""
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    b = Board(a.copied_to(tmp_path / "b"), "b")
    a.measure(10)
    deliver(a, broker)
    b.measure(40)
    deliver(b, broker)
    a.measure(30)
    deliver(a, broker)
    a.finish()
    deliver(a, broker)
    with pytest.raises(OutboxRolledBack, match="another board has a copy of this state folder"):
        b.measure(5)
    assert b.outbox.unfinished("what is measured") is None
    assert a.lost(database) == b.lost(database) == []
    stored = answers_of(database, a.place.run_id)
    assert stored == {seq: f"a {seq}" for seq in range(1, 61)}
    assert (refusals(a), refusals(b)) == (0, 41)
    (refused,) = summarise(b.folder / "outbox.db").refused
    assert "two boards have the identity 'pi-5'" in refused.reason
    assert "give each board a state folder of its own" in refused.reason
    assert "two boards have the identity 'pi-5'" in printed("rejected", "--db", database)


def test_f33_a_board_does_not_believe_the_receipts_of_the_other(
    store: Store, database: Path, tmp_path: Path
) -> None:
    """Boards that are connected at the same time read the same topic."""
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    b = Board(a.copied_to(tmp_path / "b"), "b")
    b.measure(30)
    a.measure(40)
    of_a, of_b = Sender(a.outbox), Sender(b.outbox)
    sent_by_b = of_b.next()  # under way, while the other board's receipt comes
    assert sent_by_b is not None
    for sender in (of_a, of_b):
        while (packed := sender.next()) is not None:
            for receipt in ingest(store, [Delivery(TOPIC, packed.payload, TOPIC)]).receipts:
                of_a.take(receipt)
                of_b.take(receipt)
    for receipt in ingest(store, [Delivery(TOPIC, sent_by_b.payload, TOPIC)]).receipts:
        of_a.take(receipt)
        of_b.take(receipt)
    assert (a.outbox.pending(), b.outbox.pending()) == (0, 0)
    assert (refusals(a), refusals(b)) == (0, 31)
    assert a.lost(database) == b.lost(database) == []
    a.measure(1)  # this run continues
    with pytest.raises(OutboxRolledBack):
        b.measure(1)


@pytest.mark.usefixtures("collecting")
def test_f33_an_older_image_finishes_the_run_without_a_network(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    copy = a.copied_to(tmp_path / "b")
    a.measure(30)
    deliver(a, broker)
    b = Board(copy, "b")
    b.measure(60)
    b.finish()
    deliver(b, broker)
    assert a.lost(database) == b.lost(database) == []
    assert answers_of(database, a.place.run_id) == {seq: f"a {seq}" for seq in range(1, 51)}
    assert refusals(b) == 62


@pytest.mark.usefixtures("collecting")
def test_f33_a_board_that_was_put_back_continues_if_nothing_of_it_was_stored(
    broker: Mosquitto, database: Path, tmp_path: Path
) -> None:
    """What the first board measured after the copy never reached a collector: there is one writer."""
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    deliver(a, broker)
    copy = a.copied_to(tmp_path / "b")
    a.measure(30)
    b = Board(copy, "b")
    b.measure(10)
    b.finish()
    deliver(b, broker)
    expected = {seq: f"a {seq}" for seq in range(1, 21)} | {seq: f"b {seq}" for seq in range(22, 32)}
    assert answers_of(database, a.place.run_id) == expected
    assert refusals(b) == 0
    deliver(a, broker)
    assert refusals(a) == 30
    assert a.lost(database) == []


def test_f33_in_results_files(database: Path, tmp_path: Path) -> None:
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    b = Board(a.copied_to(tmp_path / "b"), "b")
    for board, more in ((a, 30), (b, 40)):
        board.measure(more)
        board.finish()
        write_waiting(tmp_path / f"{board.name}.jsonl", board.outbox)
    done = invoked("ingest", tmp_path / "a.jsonl", tmp_path / "b.jsonl", "--db", database)
    assert "52 records stored, 0 known before, 0 messages rejected" in done.stdout
    assert "0 records stored, 21 known before, 1 message rejected" in done.stdout
    assert done.returncode == 1
    assert done.stderr == (
        f"{tmp_path / 'b.jsonl'}: collector rejected --db {database} prints why 1 message was rejected\n"
    )
    assert answers_of(database, a.place.run_id) == {seq: f"a {seq}" for seq in range(1, 51)}


@pytest.mark.usefixtures("collecting")
def test_f33_agent_flush_names_what_was_refused(broker: Mosquitto, tmp_path: Path) -> None:
    a = Board(tmp_path / "a", "a")
    a.measure(20)
    b = Board(a.copied_to(tmp_path / "b"), "b")
    a.measure(5)
    deliver(a, broker)
    b.measure(5)
    b.end()
    done = subprocess.run(
        agent_command("flush", "--broker", broker.url, "--device-id", DEVICE),
        env=agent_environment(b.folder),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "6 results were refused and are kept here, not sent again: records 21 to 26" in done.stderr
    assert "21 results delivered" in done.stderr
    assert "6 results stay in the outbox, refused: see 'agent status'" in done.stderr
