"""A board that carries out orders within the test's process: its hub and its broker are away."""

import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from agent.bundles.bundle import describe
from agent.bundles.hub_settings import HubSettings
from agent.delivery.publisher import Publisher
from agent.orders.book import Entry, OrderBook
from agent.orders.carrying import Carrying
from agent.orders.desk import OrderDesk
from agent.orders.settings import OrderSettings
from agent.orders.shelf import Shelf
from agent.outbox.state_folder import OpenedState, opened_state
from agent.systemd_notify import Service
from commandline.broker_address import parse_broker
from contract.orders.order import Order, OrderedRun, OrderList
from contract.orders.progress import OrderProgress
from contract.questions import decode_questions

DEVICE = "pi-5"
NOWHERE = HubSettings(url="https://127.0.0.1:1", addresses=(), https_port=1, mqtt_port=1)


class Board:
    """What `agent serve` has while it holds the state folder.

    Args:
        state: the opened state folder.
        said: receives what the agent says.
    """

    def __init__(self, state: OpenedState, said: list[str]) -> None:
        self.state = state
        self.said = said
        self.settings = OrderSettings("0" * 64, NOWHERE, None, None, None, 10**10)
        self.book = OrderBook(state.folder, DEVICE, said.append)
        self.publisher = Publisher(parse_broker("mqtt://127.0.0.1:1"), DEVICE, state.outbox, taken=self.book)
        self.desk = OrderDesk(self.settings, state, self.publisher, self.book)
        self.shelf = Shelf(state.folder, self.settings.keep_bytes)

    def take(self, *orders: Order) -> None:
        """Take a list of orders, as if it had come from the hub."""
        ignored = self.book.accept(
            OrderList(device_id=DEVICE, revision=self.book.revision + 1, orders=orders)
        )
        assert ignored is None

    def shelve(self, bundle: Path, questions: Path) -> None:
        """Have what an order of these names, as if it had been fetched before."""
        shutil.copytree(bundle, self.shelf.bundle(describe(bundle).sha256))
        place = self.shelf.questions(decode_questions(questions.read_bytes()).sha256)
        place.parent.mkdir(parents=True)
        shutil.copy(questions, place)

    def carry_out(self) -> Entry | None:
        """Carry out the next order; returns which it was."""
        entry = self.desk.next()
        if entry is not None:
            Carrying(
                entry,
                self.settings,
                self.state,
                self.publisher,
                self.book,
                self.desk,
                Service({}),
                self.said.append,
                lambda: None,
            ).carry_out()
            self.desk.step()
        return entry

    def progress(self, order: Order) -> OrderProgress:
        """How far an order is."""
        return next(each for each in self.book.progress if each.id == order.id)


@contextmanager
def board_in(folder: Path) -> Iterator[Board]:
    """A board with this state folder, within the block."""
    said: list[str] = []
    with opened_state(folder, DEVICE, said.append, serving=True) as state:
        board = Board(state, said)
        yield board
        board.publisher.close()


def order_on(bundle: Path, questions: Path, *, now: bool = False, **timing: Any) -> Order:
    """An order to ask one bundle a few questions, in two runs of one round each."""
    run = OrderedRun(bundles=("tiny",), questions="songs.json", limit=3, warmup=0, threads=1, rounds=1)
    return Order(
        id=uuid.uuid4().hex,
        created_at="2026-11-30T10:00:00Z",
        now=now,
        bundles={"tiny": describe(bundle).sha256},
        questions={"songs.json": decode_questions(questions.read_bytes()).sha256},
        runs=(run, run),
        **{"cool_down_minutes": 0.0} | timing,
    )
