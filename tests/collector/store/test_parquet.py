import stat
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from collector.errors import BadInput
from collector.store.database import Store
from collector.store.parquet import write_parquet
from collector.summaries.refresh import score_answers
from contract.bundle import Weights
from tests.collector.command import invoked
from tests.collector.delivering import take
from tests.collector.factory import batch, manifest, run_of_two_rounds, run_records
from tests.installed import module

RUN, NOISE = "0a" + "1" * 30, "0b" + "2" * 30


@pytest.fixture
def filled(store_with_golds: Store) -> Store:
    take(store_with_golds, batch(run_records(), RUN))
    weights = Weights(origin="random", source="seed 1")
    take(store_with_golds, batch(run_records(bundle=manifest("bert-large", weights=weights)), NOISE))
    score_answers(store_with_golds)
    return store_with_golds


def test_every_answer_is_a_row(filled: Store, database: Path, tmp_path: Path) -> None:
    pq = module("pyarrow.parquet")
    del filled
    target = tmp_path / "answers.parquet"
    done = invoked("report", "--format", "parquet", "--to", target, "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote 8 answers to {target}\n")
    rows = pq.read_table(target).to_pylist()
    assert [row["run_id"] for row in rows] == [RUN] * 4 + [NOISE] * 4
    first = rows[0]
    assert (first["model"], first["device_id"], first["questions"]) == ("minilm-l6", "pi-5", "rivers")
    assert (first["question_id"], first["text"], first["infer_ns"]) == ("q1", "the North Sea", 9_300_000)
    assert (first["exact_match"], first["f1"], first["marks"]) == (True, 1.0, None)
    assert {row["f1"] for row in rows[4:]} == {None}


def test_answers_have_their_command_and_round(store: Store, tmp_path: Path) -> None:
    pq = module("pyarrow.parquet")
    take(store, batch(run_of_two_rounds()), batch(run_records()))
    write_parquet(store, tmp_path / "answers.parquet")
    rows = pq.read_table(tmp_path / "answers.parquet").to_pylist()
    assert [(row["question_id"], row["epoch"], row["round"]) for row in rows] == [
        ("q1", "1d" * 8, 0),
        ("q2", "1d" * 8, 0),
        ("q3", "1d" * 8, 1),
        ("q4", "2e" * 8, 1),
        *((f"q{n}", None, 0) for n in range(1, 5)),
    ]


def test_parts_of_a_run_are_one_file(filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq = module("pyarrow.parquet")
    monkeypatch.setattr("collector.store.parquet.ROWS_AT_ONCE", 3)
    assert write_parquet(filled, tmp_path / "answers.parquet") == 8
    assert [row["seq"] for row in pq.read_table(tmp_path / "answers.parquet").to_pylist()] == [1, 2, 3, 4] * 2


def test_a_file_is_private_and_replaced_as_a_whole(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module("pyarrow.parquet")
    target = tmp_path / "answers.parquet"
    write_parquet(filled, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    before = target.read_bytes()

    def breaking(*_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("collector.store.parquet._table", breaking)
    with pytest.raises(BadInput, match="No space left on device"):
        write_parquet(filled, target)
    assert target.read_bytes() == before


def test_without_pyarrow_it_says_what_to_install(
    filled: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(BadInput, match=r"pip install .*\[parquet\]'"):
        write_parquet(filled, tmp_path / "answers.parquet")


def test_a_file_is_needed(filled: Store, database: Path) -> None:
    del filled
    done = invoked("report", "--format", "parquet", "--db", database)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--to FILE" in done.stderr


def test_a_chapter_is_not_asked_of_it(database: Path, tmp_path: Path) -> None:
    done = invoked("report", "--format", "parquet", "--full", "--to", tmp_path / "x", "--db", database)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--full needs --format table" in done.stderr
