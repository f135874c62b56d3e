"""A process that stores made-up answers in a database when it is asked to, and measures itself."""

import multiprocessing
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, Final, NamedTuple, Protocol

import psycopg

from bench.processes.device import made_up
from collector.intake.incoming import Delivery
from collector.intake.ingest import ingest
from collector.intake.record_rows import layout_of
from collector.store.opening import open_store
from contract.messages import Batch, encode_message
from contract.records import Answer, Record
from contract.topics import topic
from tests.collector.factory import device, started

PER_MESSAGE: Final = 20
PER_GROUP: Final = 200 * PER_MESSAGE
"""Answers that `collector serve` stores in one transaction: of 200 messages."""


class Took(NamedTuple):
    """When storing began and ended by the machine's clock, and the process's CPU, in seconds."""

    begun: float
    ended: float
    cpu: float


class Load(NamedTuple):
    """What a contestant stores each time."""

    answers: int
    """A multiple of `PER_GROUP`, and for each device of `PER_MESSAGE`."""
    devices: int
    """Devices that deliver at the same time, one run each."""


class Contestant(Protocol):
    """A way to store answers.

    Args:
        where: the database, as `--db` names it; it has its tables.
        load: what is stored each time.
    """

    def __init__(self, where: str, load: Load) -> None: ...

    def prepare(self, number: int) -> None:
        """Make the answers of new runs; no two numbers have the same."""

    def store(self) -> None:
        """Store them, each group in one transaction."""


class Ingest:
    """The collector's own way, from messages to receipts; see `Contestant`."""

    def __init__(self, where: str, load: Load) -> None:
        self._store = open_store(where)
        self._load = load
        self._groups: list[list[Delivery]] = []

    def prepare(self, number: int) -> None:
        """Make the messages of new runs, and store the starts of the runs."""
        answers, devices = self._load
        runs = [(f"device-{index}", f"{number * devices + index:032x}") for index in range(devices)]
        ingest(self._store, [_message(*run, [started(on=device(run[0]))]) for run in runs])
        messages = [
            _message(*run, [made_up(run[1], seq) for seq in range(first, first + PER_MESSAGE)])
            for first in range(1, answers // devices + 1, PER_MESSAGE)
            for run in runs
        ]
        size = PER_GROUP // PER_MESSAGE
        self._groups = [messages[at : at + size] for at in range(0, len(messages), size)]

    def store(self) -> None:
        """Store the messages."""
        outcomes = [ingest(self._store, group) for group in self._groups]
        assert sum(outcome.stored + outcome.duplicates for outcome in outcomes) == self._load.answers


class BareCopy:
    """Rows of the table of answers by nothing but COPY; see `Contestant`."""

    def __init__(self, where: str, load: Load) -> None:
        self._conn = psycopg.connect(where)
        self._answers = load.answers
        self._groups: list[list[tuple[Any, ...]]] = []

    def prepare(self, number: int) -> None:
        """Make the rows of a new run."""
        self._groups = _rows(number, self._answers)

    def store(self) -> None:
        """Store the rows."""
        copy_rows = f"COPY answers ({', '.join(_columns())}) FROM STDIN"
        for rows in self._groups:
            with self._conn.cursor() as cursor, cursor.copy(copy_rows.encode()) as copy:
                for row in rows:
                    copy.write_row(row)
            self._conn.commit()


class BareExecutemany:
    """Rows of the table of answers by nothing but `executemany`; see `Contestant`."""

    def __init__(self, where: str, load: Load) -> None:
        self._conn = sqlite3.connect(where, isolation_level=None)
        self._conn.execute("PRAGMA synchronous = FULL")
        self._answers = load.answers
        self._groups: list[list[tuple[Any, ...]]] = []

    def prepare(self, number: int) -> None:
        """Make the rows of a new run."""
        self._groups = _rows(number, self._answers)

    def store(self) -> None:
        """Store the rows."""
        columns = _columns()
        places = ", ".join("?" * len(columns))
        insert = f"INSERT INTO answers ({', '.join(columns)}) VALUES ({places})"  # noqa: S608  # our own names
        for rows in self._groups:
            self._conn.execute("BEGIN")
            self._conn.executemany(insert, rows)
            self._conn.execute("COMMIT")


class Storing:
    """A contestant in a process of its own."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def prepare(self, number: int) -> None:
        """Let it make the answers of new runs."""
        self._pipe.send(number)
        self._pipe.recv()

    def begin(self) -> None:
        """Let it store them."""
        self._pipe.send("store")

    def took(self) -> Took:
        """Wait until they are stored."""
        took = self._pipe.recv()
        assert isinstance(took, Took)
        return took


@contextmanager
def storing(kind: type[Contestant], where: str, load: Load) -> Iterator[Storing]:
    """Start a contestant in a process of its own, for the time of the `with` block."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, kind, where, load), daemon=True)
    process.start()
    theirs.close()
    try:
        yield Storing(ours)
    finally:
        ours.close()
        process.join()


def _work(pipe: Connection, kind: type[Contestant], where: str, load: Load) -> None:
    contestant = kind(where, load)
    while True:
        try:
            asked = pipe.recv()
        except EOFError:
            return
        if isinstance(asked, int):
            contestant.prepare(asked)
            pipe.send(None)
        else:
            begun, cpu = time.monotonic(), time.process_time()
            contestant.store()
            pipe.send(Took(begun, time.monotonic(), time.process_time() - cpu))


def _message(device_id: str, run_id: str, records: Sequence[Record]) -> Delivery:
    name = topic(device_id, "results")
    batch = Batch(device_id=device_id, run_id=run_id, records=tuple(records))
    return Delivery(name, encode_message(batch), name)


def _columns() -> tuple[str, ...]:
    return ("stream", *layout_of(Answer).columns)


def _rows(number: int, answers: int) -> list[list[tuple[Any, ...]]]:
    values = layout_of(Answer).values
    rows = [(number, *values(made_up("0" * 32, seq))) for seq in range(answers)]
    return [rows[at : at + PER_GROUP] for at in range(0, answers, PER_GROUP)]
