import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.blows.board import Board
from bench.blows.disk import Disk
from bench.processes.collecting import collector, wait
from tests.mosquitto import Mosquitto


@pytest.fixture
def cards(tmp_path: Path) -> Iterator[Disk]:
    disk = Disk(tmp_path / "cards")
    yield disk
    disk.close()


def is_still(file: Path) -> bool:
    """Whether nothing is written to a file for half a second."""
    before = file.stat().st_size
    time.sleep(0.5)
    return file.stat().st_size == before


def deliver(board: Board) -> None:
    """Run it until the collector has all and has said so; a receipt in doubt takes a second connection."""
    for _ in range(5):
        board.process.start()
        if board.process.wait(100) == 0:
            return
    pytest.fail(f"exit code {board.process.code}")


@pytest.mark.broker
def test_a_board_whose_card_is_full_waits_and_loses_nothing(
    broker: Mosquitto, cards: Disk, tmp_path: Path
) -> None:
    if not cards.folder.is_mount():
        pytest.skip("mounting a tmpfs needs root")
    with collector(broker, tmp_path) as (database, _):
        board = Board("0", cards.folder, tmp_path, "device-0", broker.url, 4_000)
        board.process.start()
        board.wait_for_results()
        cards.fill()
        wait(lambda: is_still(tmp_path / "0.log"))
        assert board.process.code is None
        board.process.end(signal.SIGKILL)
        cards.free()
        deliver(board)
        assert board.check(database) > 4_000
    assert "Traceback" not in (tmp_path / "0.said").read_text()


@pytest.mark.broker
def test_a_clone_and_an_older_card_are_two_boards_to_the_oracle(
    broker: Mosquitto, cards: Disk, tmp_path: Path
) -> None:
    with collector(broker, tmp_path) as (database, _):
        board = Board("0", cards.folder, tmp_path, "device-0", broker.url, 300)
        board.process.start()
        board.wait_for_results()
        board.back_up()
        clone = board.clone("0-1")
        board.process.start()
        board.put_back()
        for each in (board, clone):
            deliver(each)
        assert board.check(database) > 0
        assert clone.check(database) > 0
