"""The proof's own check, without an emulated device."""

from pathlib import Path

import pytest

from collector.store.opening import open_store
from tests.arm64.comparison import HERE
from tests.arm64.transfer import not_held
from tests.collector.factory import device
from tests.collector.part_of_a_file import IN_ORDER, ingest, run, with_file


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with open_store(path, create=True) as store:
        with_file(store, tmp_path)
        ingest(
            store, run(on=device(HERE)), run(on=device("there"), wrong=dict.fromkeys(IN_ORDER[:4], "here"))
        )
    return path


def test_a_few_flips_are_held(database: Path) -> None:
    assert not_held(database) == []


def test_a_device_that_is_worse_only_where_it_was_not_asked_is_found(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = IN_ORDER[30:]
    monkeypatch.setattr(
        "tests.arm64.transfer.place_in_order",
        lambda _, question: bytes([question in lost]) + question.encode(),
    )
    with open_store(database) as store:
        ingest(store, run(on=device("broken"), wrong=dict.fromkeys(lost, "here")))
    (missed,) = not_held(database)
    assert "on broken is 50.0, but what was taken over is " in missed
