"""The proof's own check of canaries, without an emulated device."""

from pathlib import Path

import pytest

from collector.store.opening import open_store
from tests.arm64.canaries import alarms
from tests.collector.factory import manifest
from tests.collector.part_of_a_file import IDS, PI, ingest, right, run, with_file

HEALTHY = {question_id: right(question_id) for question_id in IDS[:2]}
BROKEN = {**HEALTHY, IDS[1]: "here"}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    path = tmp_path / "results.db"
    with open_store(path, create=True) as store:
        with_file(store, tmp_path)
        int8 = manifest(precision="int8")
        ingest(store, run(), run(bundle=int8), run(on=PI, bundle=int8, canaries=BROKEN))
    return path


def test_healthy_canaries_raise_no_alarm_nor_do_flips_of_int8(database: Path) -> None:
    with open_store(database) as store:
        ingest(store, run(on=PI, canaries=HEALTHY))
    assert alarms(database, len(HEALTHY)) == []


def test_a_flip_of_fp32_is_an_alarm(database: Path) -> None:
    with open_store(database) as store:
        ingest(store, run(on=PI, canaries=BROKEN))
    (alarm,) = alarms(database, len(HEALTHY))
    assert "(fp32 on pi-5) answers canaries otherwise than this machine: ['n1']" in alarm


def test_a_run_that_was_not_asked_all_is_found(database: Path) -> None:
    (alarm,) = alarms(database, len(HEALTHY) + 1)
    assert "was asked 2 canaries, and not 3" in alarm
