"""Canaries: which questions they are, when they raise an alarm, and that they count in no number."""

import json
from pathlib import Path

import msgspec
import pytest

from collector.comparison.compare import compare
from collector.errors import BadInput
from collector.report.formats.render import render
from collector.store.database import Store
from collector.store.opening import open_store, open_store_to_read
from collector.store.runs import all_runs
from collector.summaries.canaries import choose_canaries
from collector.summaries.run_detail import run_detail
from contract.bundle import Weights
from contract.questions import decode_canaries
from contract.records import Answer, Record
from tests.collector.command import invoked, printed
from tests.collector.factory import device, manifest
from tests.collector.part_of_a_file import FILE, IDS, IN_ORDER, PI, ingest, right, run, with_file

HEALTHY = {question_id: right(question_id) for question_id in IDS[:20]}
BROKEN = {**HEALTHY, IDS[3]: "here", IDS[7]: ""}


@pytest.fixture
def numbers(store: Store, tmp_path: Path) -> Store:
    with_file(store, tmp_path)
    return store


def with_confidences(records: tuple[Record, ...], confidences: dict[str, float]) -> tuple[Record, ...]:
    return tuple(
        msgspec.structs.replace(record, confidence=confidences.get(record.question_id, 0.5))
        if isinstance(record, Answer)
        else record
        for record in records
    )


def test_they_are_the_questions_with_the_least_confidence(numbers: Store) -> None:
    ingest(numbers, with_confidences(run(), {IDS[7]: 0.1, IDS[3]: 0.2, IDS[5]: 0.3}))
    found = choose_canaries(numbers, all_runs(numbers), "numbers", 3)
    assert found.question_ids == (IDS[7], IDS[3], IDS[5])
    assert found.questions_sha256 == FILE.sha256


def test_each_bundle_has_one_vote_and_models_can_be_chosen(numbers: Store) -> None:
    large = manifest("bert-large")
    noise = manifest("distilbert", weights=Weights(origin="random", source="s"))
    ingest(
        numbers,
        with_confidences(run(), {IDS[7]: 0.1, IDS[3]: 0.2}),
        with_confidences(run(on=PI), {IDS[7]: 0.1, IDS[3]: 0.2}),
        with_confidences(run(bundle=large), {IDS[9]: 0.1, IDS[3]: 0.2}),
        with_confidences(run(bundle=noise), {IDS[30]: 0.1}),
    )
    runs = all_runs(numbers)
    assert choose_canaries(numbers, runs, "numbers", 1).question_ids == (IDS[3],)
    for name in ("bert-large", "BERT-LARGE"):
        assert choose_canaries(numbers, runs, FILE.sha256[:8], 1, (name,)).question_ids == (IDS[9],)
    with pytest.raises(
        BadInput, match="no complete run of distilbert with trained weights has asked 'numbers'"
    ):
        choose_canaries(numbers, runs, "numbers", 1, ("distilbert",))


def test_an_alarm_is_in_the_report_and_on_the_page_of_the_run(numbers: Store, database: Path) -> None:
    ingest(numbers, run(), run(IN_ORDER[:20], on=PI, canaries=BROKEN))
    comparison = compare(numbers)
    (check,) = comparison.canaries
    assert (check.asked, check.differ, check.examples) == (20, 2, (IDS[3], IDS[7]))
    alarm = f"alarm: 2 of 20 canaries of MiniLM-L6 fp32 on pi-5 (run {check.run_id[:8]}) have another answer"
    for form in ("table", "markdown", "html"):
        assert alarm in render(comparison, form).replace("\\", "")
    assert json.loads(render(comparison, "json"))["canaries"][0]["differ"] == 2
    page = printed("show", check.run_id, "--db", database)
    assert "alarm: 2 of 20 canaries" in page and "on server" in page


def test_healthy_canaries_raise_no_alarm(numbers: Store, database: Path) -> None:
    ingest(numbers, run(), run(IN_ORDER[:20], on=PI, canaries=HEALTHY))
    comparison = compare(numbers)
    (check,) = comparison.canaries
    assert (check.differ, check.sentence) == (0, None)
    assert "alarm" not in render(comparison, "table")
    assert "all 20 answered as on server (run " in printed("show", check.run_id, "--db", database)


def test_without_another_device_there_is_nothing_to_compare_with(numbers: Store, database: Path) -> None:
    ingest(numbers, run(on=PI), run(on=PI, canaries=BROKEN))
    (check,) = compare(numbers).canaries
    assert (check.source_run_id, check.differ) == (None, 0)
    text = printed("show", check.run_id, "--db", database)
    assert "20 asked, but no other device has answered all questions with this bundle" in text


def test_some_flips_of_int8_are_put_into_proportion(numbers: Store) -> None:
    int8 = manifest(precision="int8")
    ingest(numbers, run(bundle=int8), run(IN_ORDER[:20], on=PI, bundle=int8, canaries=BROKEN))
    (check,) = compare(numbers).canaries
    assert check.sentence is not None
    assert "a few may change with int8 between kinds of processors, many do not" in check.sentence


def test_canaries_count_in_no_number(numbers: Store, tmp_path: Path) -> None:
    plain = run(IN_ORDER[:20], on=PI)
    ingest(numbers, plain)
    without = compare(numbers).rows
    with open_store(tmp_path / "other.db", create=True) as other:
        with_file(other, tmp_path)
        ingest(other, run(IN_ORDER[:20], on=PI, canaries=BROKEN))
        assert compare(other).rows == without
        (stored,) = all_runs(other)
        assert (stored.answers, stored.records, stored.missing) == (20, 42, 0)
        assert run_detail(other, stored.run_id).answers == 20


def test_the_command_writes_a_file_that_agents_read(numbers: Store, database: Path, tmp_path: Path) -> None:
    ingest(numbers, with_confidences(run(), {IDS[7]: 0.1}))
    target = tmp_path / "canaries.json"
    done = invoked("canaries", "numbers", "--to", target, "--db", database)
    assert (done.returncode, done.stdout) == (0, "")
    assert f"wrote 20 canaries to {target}" in done.stderr
    (tmp_path / "other").touch()
    assert target.stat().st_mode == (tmp_path / "other").stat().st_mode  # others may read it too
    assert decode_canaries(target.read_bytes()).question_ids[0] == IDS[7]
    assert decode_canaries(printed("canaries", "numbers", "--count", "1", "--db", database).encode())
    failed = invoked("canaries", "other", "--db", database)
    assert failed.returncode == 1
    assert "no question file is called 'other'" in failed.stderr


def test_a_merged_database_has_the_canaries_too(numbers: Store, database: Path, tmp_path: Path) -> None:
    ingest(numbers, run(), run(IN_ORDER[:20], on=device("pi-9"), canaries=BROKEN))
    target = tmp_path / "merged.db"
    invoked("merge", database, "--db", target)
    with open_store_to_read(target) as merged:
        assert merged.value("SELECT count(*) FROM canaries") == 20
