"""Boards with made-up answers that name them, whose state folders can be copied like cards."""

import secrets
import shutil
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from agent.outbox.outbox import Outbox
from agent.outbox.rows import Place
from collector.store.opening import open_store_to_read
from contract.records import Answer, Record, RunResumed
from tests.collector.factory import NOON, answer, device, finished, started

DEVICE = "pi-5"
IDENTITY = "what is measured"


class Board:
    """A process of the agent on a board: it continues the run that its state folder holds, or begins one."""

    running: ClassVar[list["Board"]] = []
    """Those that have not ended; a fixture ends them after each test."""

    def __init__(self, folder: Path, name: str, run_id: str = "c" * 32) -> None:
        self.running.append(self)
        folder.mkdir(exist_ok=True)
        self.folder, self.name = folder, name
        self.outbox = Outbox(folder / "outbox.db")
        self.sent: list[Record] = []
        """What this process has committed."""
        unfinished = self.outbox.unfinished(IDENTITY)
        self.place: Place = unfinished or self.outbox.begin(run_id, DEVICE, IDENTITY)
        epoch = secrets.token_hex(8)
        if unfinished is None:
            self.append(replace(started(on=device(DEVICE)), epoch=epoch))
        else:
            self.append(RunResumed(seq=self.place.next_seq, epoch=epoch, resumed_at=NOON))

    def append(self, *records: Record, ends: bool = False) -> None:
        self.place = self.place._replace(next_seq=self.place.next_seq + len(records), finished=ends)
        self.outbox.append(self.place, records, NOON)
        self.sent += records

    def measure(self, count: int) -> None:
        first = self.place.next_seq
        self.append(*(answer(seq, f"q{seq}", f"{self.name} {seq}") for seq in range(first, first + count)))

    def finish(self) -> None:
        seq = self.place.next_seq
        self.append(finished(seq, seq - 1), ends=True)

    def end(self) -> None:
        """The process ends; the state folder can be copied."""
        self.running.remove(self)
        self.outbox.__exit__(None, None, None)

    def copied_to(self, folder: Path) -> Path:
        """A copy of the state folder as it is on the disk now, which may be under way."""
        folder.mkdir()
        for file in self.folder.iterdir():
            shutil.copy(file, folder)
        return folder

    def kept(self) -> set[int]:
        """The numbers of the run that this board still has, refused or not."""
        rows = self.outbox._file._db.execute("SELECT seq FROM records WHERE run_id = ?", (self.place.run_id,))
        return {seq for (seq,) in rows}

    def lost(self, database: Path) -> list[int]:
        """What this process committed, and is neither here nor stored as it was committed."""
        texts = answers_of(database, self.place.run_id)
        return [
            record.seq
            for record in self.sent
            if isinstance(record, Answer)
            and texts.get(record.seq) != record.text
            and record.seq not in self.kept()
        ]


def answers_of(database: Path, run_id: str) -> dict[int, str]:
    """The stored answers of a run."""
    with open_store_to_read(database) as store:
        sql = "SELECT seq, text FROM answers JOIN streams USING (stream) WHERE run_id = ?"
        return dict(store.tuples(sql, run_id))
