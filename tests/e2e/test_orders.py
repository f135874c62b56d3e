"""A hub orders, and a board measures: killed, without its broker, with a second order and a cancelled one."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from collector.orders.offered import Offer
from collector.orders.order_rows import StoredOrder, add, stored_orders
from collector.orders.ordered_plan import read_ordered_plan
from collector.store.opening import open_store, open_store_to_read
from contract.orders.order import Order
from tests import installed
from tests.collector.hub.running_hub import RunningHub, files_in
from tests.e2e.programs import QUESTIONS, ROOT, command, run, wait_until

pytestmark = [pytest.mark.broker, pytest.mark.proof]

BOARD = "board"
LIMIT, ROUNDS = 60, 3
TURNS = f"""
cool-down-minutes = 0
[[run]]
bundles = ["tiny-fp32", "tiny-int8"]
questions = "sample-questions.json"
limit = {LIMIT}
rounds = {ROUNDS}
"""
LONG = """
cool-down-minutes = 0
[[run]]
bundles = "tiny-int8"
questions = "sample-questions.json"
min-queries = 5000000
rounds = 1
"""


class Board:
    """`agent serve` with the settings of a board that has joined."""

    def __init__(self, hub: RunningHub, folder: Path) -> None:
        self._folder = folder
        (folder / "settings").mkdir(mode=0o700)
        for name, text in files_in(hub.join(hub.new_pass(BOARD), BOARD)).items():
            file = folder / "settings" / name
            file.touch(0o600)
            file.write_text(text)
        self._log = folder / "agent.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = (
            "--config",
            self._folder / "settings" / "agent.toml",
            "--state-dir",
            self._folder / "state",
        )
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(command("agent", "serve", *arguments), stderr=log, cwd=ROOT)

    def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(number)
        self.process.wait(120)

    @property
    def said(self) -> str:
        return self._log.read_text()


@pytest.fixture
def hub(tmp_path: Path, tiny_bundle: Path, tiny_bundle_int8: Path) -> Iterator[RunningHub]:
    installed.module("cryptography")
    with RunningHub(tmp_path / "hub") as running:
        for bundle in (tiny_bundle, tiny_bundle_int8):
            shutil.copytree(bundle, running.folder / "bundles" / bundle.name)
        shutil.copy(QUESTIONS, running.folder / "questions" / QUESTIONS.name)
        yield running


@pytest.fixture
def board(hub: RunningHub, tmp_path: Path) -> Iterator[Board]:
    (tmp_path / "board").mkdir()
    made = Board(hub, tmp_path / "board")
    made.start()
    yield made
    if made.process is not None and made.process.poll() is None:
        made.end(signal.SIGKILL)


def stored(hub: RunningHub) -> list[StoredOrder]:
    with open_store_to_read(hub.folder / "results.db") as store:
        return stored_orders(store, every=True)


def phase(hub: RunningHub, order: Order | None = None) -> str | None:
    """How far an order is; the first one if none is named."""
    found = stored(hub)
    return next(each.phase for each in found if order is None or each.order_id == order.id)


def ordered(hub: RunningHub, plan: Path) -> Order:
    """Give an order as `collector dispatch` does, without a process of its own."""
    offer = Offer(hub.folder / "bundles", hub.folder / "questions")
    order = read_ordered_plan(plan, offer).order()
    with open_store(hub.folder / "results.db") as store:
        add(store, {BOARD: order}, "ada@workstation", plan.name)
    return order


def runs(hub: RunningHub) -> list[dict[str, Any]]:
    sql = """
    SELECT order_id, title || ' ' || precision AS bundle, status,
        (SELECT count(*) FROM answers WHERE answers.stream = runs.stream) AS answers,
        (SELECT count(DISTINCT question_id) FROM answers WHERE answers.stream = runs.stream) AS questions,
        (SELECT count(DISTINCT round) FROM round_finishes WHERE round_finishes.stream = runs.stream) AS rounds
    FROM runs LEFT JOIN finishes USING (stream) ORDER BY stream"""
    with open_store_to_read(hub.folder / "results.db") as store:
        return list(store.rows(sql))


def plan_file(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_orders_lose_nothing_and_repeat_nothing(hub: RunningHub, board: Board, tmp_path: Path) -> None:
    plan = plan_file(tmp_path, "turns.toml", TURNS)
    said = run("collector", "dispatch", plan, "--to", BOARD, "--no-follow", "--dir", hub.folder)
    assert said.startswith(f"{BOARD}: ")
    second = ordered(hub, plan_file(tmp_path, "long.toml", LONG))
    wait_until(lambda: phase(hub) in {"measuring", "delivering", "done"}, "the first order is measured")
    board.end(signal.SIGKILL)
    os.kill(hub.children()["mosquitto"], signal.SIGKILL)
    board.start()
    wait_until(lambda: phase(hub, second) == "measuring", "the second order is measured after it")
    assert phase(hub) in {"delivering", "done"}
    run("collector", "cancel", second.id[:8], "--dir", hub.folder)
    wait_until(lambda: phase(hub, second) == "cancelled", "the second order is cancelled")
    wait_until(lambda: phase(hub) == "done", "everything of the first order is confirmed")
    third = ordered(hub, plan)
    wait_until(lambda: phase(hub, third) == "done", "the same plan is measured once more")
    board.end()
    assert [(each.phase, each.measured, each.failed) for each in stored(hub)] == [
        *(("done", 2, 0), ("cancelled", 0, 0), ("done", 2, 0)),
    ]
    first_id = stored(hub)[0].order_id
    for order_id in (first_id, third.id):
        of_it = [each for each in runs(hub) if each["order_id"] == order_id]
        assert [each["status"] for each in of_it] == ["complete"] * 2, runs(hub)
        assert len({each["bundle"] for each in of_it}) == 2
        assert all(
            (each["answers"], each["questions"], each["rounds"]) == (LIMIT, LIMIT, ROUNDS) for each in of_it
        )
    (cut_off,) = [each for each in runs(hub) if each["order_id"] == second.id]
    assert cut_off["status"] == "interrupted"
    assert len(runs(hub)) == 5
