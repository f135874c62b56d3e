"""The oracle of chaos and soak finds what is lost, falsified or mixed."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from agent.outbox.outbox import Outbox
from bench.processes.device import Log, finished, made_up
from bench.results.committed import Failed, check
from collector.store.opening import open_store
from contract.records import Record
from tests.collector.delivering import take
from tests.collector.factory import batch, device, started

RUN = "a" * 32
EPOCH, OTHER = "1a" * 8, "2b" * 8


def records(epoch: str = EPOCH) -> list[Record]:
    first = replace(started(on=device()), epoch=EPOCH)
    return [first, *(made_up(RUN, seq, epoch) for seq in range(1, 10)), finished(10)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The state folder of a device that has committed a run, and its log."""
    folder = tmp_path / "device"
    folder.mkdir()
    log = Log(tmp_path / "device.log")
    first, *answers, last = records()
    with Outbox(folder / "outbox.db") as outbox:
        place = outbox.begin(RUN, "pi-5", "chaos")
        outbox.append(place._replace(next_seq=11, finished=True), records(), "2026-01-01T00:00:00Z")
    for part in ([first], answers, [last]):
        log.note(RUN, part, EPOCH)
    assert log.finished
    log._file.close()
    return folder


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "results.db"


def stored(path: Path, what: Sequence[Record]) -> Path:
    with open_store(path, create=True) as store:
        take(store, replace(batch(what, RUN), epochs=((0, EPOCH),)))
    return path


def test_what_is_stored_as_it_was_committed_is_counted(folder: Path, database: Path) -> None:
    assert check(stored(database, records()), folder) == 11


def test_what_is_missing_or_has_another_content_is_found(folder: Path, database: Path) -> None:
    missing = stored(database, [record for record in records() if record.seq != 4])
    with pytest.raises(Failed, match=r"1 records of device are lost or falsified.*seq=4"):
        check(missing, folder)
    changed = [*records()[:4], replace(made_up(RUN, 4, EPOCH), text=f"another {EPOCH}"), *records()[5:]]
    with pytest.raises(Failed, match=r"1 records of device are lost or falsified.*seq=4"):
        check(stored(database.with_name("changed.db"), changed), folder)


def test_what_was_refused_and_is_kept_or_was_forgiven_is_not_lost(folder: Path, database: Path) -> None:
    missing = stored(database, [record for record in records() if record.seq != 4])
    with Outbox(folder / "outbox.db") as outbox:
        outbox.refuse(RUN, 4, 4, "for a reason")
    assert check(missing, folder) == 11


def test_a_run_of_two_boards_is_found(folder: Path, database: Path) -> None:
    mixed = stored(database, [*records()[:5], *records(OTHER)[5:]])
    with pytest.raises(Failed, match="is of two boards"):
        check(mixed, folder)
