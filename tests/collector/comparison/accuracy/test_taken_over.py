"""What is taken over stands in rows, labels, gates and requirements, and is never called measured."""

import csv
import io
import json
from pathlib import Path

import msgspec
import pytest

from collector.comparison.compare import compare
from collector.findings.comparison import Comparison, Row
from collector.findings.taken_over import TakenOver
from collector.findings.verdict import NOT_DECIDED
from collector.report.formats.render import render
from collector.report.page import DASH
from collector.store.database import Store
from tests.collector.factory import manifest
from tests.collector.part_of_a_file import COUNT, IDS, IN_ORDER, PI, ingest, run, with_file

ASKED = IN_ORDER[:24]
REST = tuple(question_id for question_id in IDS if question_id not in ASKED)
INT8 = manifest(precision="int8")
LARGE = manifest("bert-large")


@pytest.fixture
def numbers(store: Store, tmp_path: Path) -> Store:
    with_file(store, tmp_path)
    return store


def wrong(*ids: str) -> dict[str, str]:
    return dict.fromkeys(ids, "here")


def compared(store: Store, require: str | None = None) -> Comparison:
    return compare(store, require=require)


def on_pi(comparison: Comparison) -> dict[str, Row]:
    rows = comparison.rows
    return {f"{r.model} {r.precision}": r for r in rows if r.hardware_class == "raspberry-pi-5"}


def test_a_row_has_the_accuracy_on_all_questions_and_says_from_where(numbers: Store) -> None:
    ingest(numbers, run(wrong=wrong(*REST[:9])), run(ASKED, on=PI))
    row = on_pi(compared(numbers))["minilm-l6 fp32"]
    assert (row.answered, row.selected) == (24, 24)
    assert row.exact_match == pytest.approx(85.0)
    found = row.taken_over
    assert found is not None
    assert (found.questions, found.asked, found.alike) == (COUNT, 24, 24)
    assert found.exact_match.alone == 100.0
    low, high = row.intervals["exact_match"]
    assert low < found.exact_match.transfer[0] < 85.0 < found.exact_match.transfer[1] < high
    assert row.f1_per_ms is not None and row.f1 is not None and row.p50_ms is not None
    assert row.f1_per_ms == pytest.approx(row.f1 / row.p50_ms)
    assert row.drawn is not None and row.drawn.units == 10, "the articles of all questions"
    note = row.notes["f1"][0]
    assert note.startswith("of all 60 questions: taken over from Server, Xeon, 4 cores (run ")
    assert "corrected by the 24 asked here, of which 24 were answered alike" in note
    assert "those 24 alone: F1 100.0 (" in note


def test_a_measured_row_took_nothing_over(numbers: Store) -> None:
    ingest(numbers, run(), run(on=PI))
    assert all(row.taken_over is None for row in compared(numbers).rows)


def test_the_choice_of_questions_decides_nothing(numbers: Store) -> None:
    """fp32 was asked hard questions only, and int8, which is worse, all: by the numbers alone int8 wins."""
    hard = ASKED[:12]
    ingest(
        numbers,
        run(wrong=wrong(*hard)),
        run(ASKED, on=PI, wrong=wrong(*hard), ms=20.0),
        run(on=PI, bundle=INT8, wrong=wrong(*hard, *REST[:12]), ms=10.0),
    )
    comparison = compared(numbers, "f1>=70")
    rows = on_pi(comparison)
    fp32, int8 = rows["minilm-l6 fp32"], rows["minilm-l6 int8"]
    assert fp32.taken_over is not None and fp32.f1 is not None and int8.f1 is not None
    assert fp32.taken_over.f1.alone < int8.f1 < fp32.f1
    assert not fp32.small, "it is compared on equal ground"
    assert "high accuracy" in fp32.best_for
    difference = next(d for d in comparison.differences if d.row.precision == "int8")
    assert (difference.questions, difference.asked) == (COUNT, 24)
    assert difference.f1.difference == pytest.approx(int8.f1 - fp32.f1)
    gate = next(gate for gate in comparison.gates if gate.row.precision == "int8")
    assert gate.percent_of_fp32 == pytest.approx(100 * int8.f1 / fp32.f1)
    assert comparison.requirement is not None
    (choice,) = (one for one in comparison.requirement.choices if one.place.hardware_class != "server")
    judged = {row.precision for row in choice.met_by} | {one.row.precision for one in choice.not_decided}
    assert "fp32" in judged


def test_two_rows_that_took_over_are_compared_on_all_questions(numbers: Store) -> None:
    ingest(
        numbers,
        run(),
        run(bundle=INT8, wrong=wrong(*REST[:20])),
        run(ASKED, on=PI),
        run(ASKED, on=PI, bundle=INT8),
    )
    comparison = compared(numbers)
    difference = next(d for d in comparison.differences if d.row.hardware_class == "raspberry-pi-5")
    assert difference.exact_match.difference == pytest.approx(-100 * 20 / 60)
    gate = next(gate for gate in comparison.gates if gate.row.hardware_class == "raspberry-pi-5")
    assert gate.interval[0] < 100 * 40 / 60 < gate.interval[1]


def test_two_rows_that_asked_the_same_are_as_uncertain_as_one_that_was_measured(numbers: Store) -> None:
    """No answer changed on either side, so nothing says that two imagined ones did on each."""
    fp32, int8 = run(ASKED, on=PI), run(ASKED, on=PI, bundle=INT8)
    ingest(numbers, run(), run(bundle=INT8), fp32, int8)
    low, high = next(
        d.f1.interval for d in compared(numbers).differences if d.row.hardware_class == "raspberry-pi-5"
    )
    alone = on_pi(compared(numbers))["minilm-l6 int8"].taken_over
    assert alone is not None
    transfer = alone.f1.transfer[1] - alone.f1.transfer[0]  # cut off at 100 %, so half of its width
    assert high == pytest.approx(-low)
    assert transfer < high < 1.2 * transfer


def test_a_side_without_all_questions_is_compared_on_shared_ones(numbers: Store) -> None:
    ingest(numbers, run(), run(ASKED, on=PI), run(IN_ORDER[:40], on=PI, bundle=INT8))
    difference = next(d for d in compared(numbers).differences if d.row.hardware_class == "raspberry-pi-5")
    assert (difference.questions, difference.asked) == (24, 24)


def test_a_requirement_is_decided_by_the_joined_interval(numbers: Store) -> None:
    ingest(numbers, run(), run(ASKED, on=PI))
    comparison = compared(numbers, "f1>=70")
    assert comparison.requirement is not None
    (choice,) = (one for one in comparison.requirement.choices if one.place.hardware_class != "server")
    assert [row.model for row in choice.met_by] == ["minilm-l6"]
    comparison = compared(numbers, "f1>=99.9")
    assert comparison.requirement is not None
    (choice,) = (one for one in comparison.requirement.choices if one.place.hardware_class != "server")
    ((open_one,),) = (one.open for one in choice.not_decided)
    assert open_one.taken_over
    assert open_one.verdict.outcome == NOT_DECIDED
    assert open_one.verdict.needs is None, "more than all 60 questions cannot be asked"
    assert "f1>=99.9 is 100 ≈ (" in render(comparison, "table", width=250, part="answer")


def test_a_miss_says_that_the_accuracy_was_taken_over(numbers: Store) -> None:
    ingest(numbers, run(wrong=wrong(*IDS[:50])), run(ASKED, on=PI, wrong=wrong(*IDS[:50])))
    requirement = compared(numbers, "f1>=99").requirement
    assert requirement is not None
    (choice,) = (one for one in requirement.choices if one.place.hardware_class != "server")
    (miss,) = choice.misses
    assert miss.startswith("f1 is ") and miss.endswith(", taken over from another machine, not >= 99")


def test_an_equal_bundle_passes_no_gate_by_being_taken_over_from_itself(numbers: Store) -> None:
    """The transfer's interval stays: 24 questions without a flip do not show that 99 % are kept."""
    ingest(numbers, run(), run(bundle=INT8), run(ASKED, on=PI), run(ASKED, on=PI, bundle=INT8))
    gate = next(gate for gate in compared(numbers).gates if gate.row.hardware_class == "raspberry-pi-5")
    assert gate.gate_99.outcome == NOT_DECIDED


def everything(numbers: Store) -> Comparison:
    ingest(
        numbers,
        run(wrong=wrong(*REST[:9])),
        run(ASKED, on=PI),
        run(on=PI, bundle=LARGE, wrong=wrong(*REST[:20]), ms=90.0),
    )
    return compared(numbers)


@pytest.mark.parametrize("form", ["table", "markdown", "html"])
def test_the_mark_is_in_every_text(numbers: Store, form: str) -> None:
    text = render(everything(numbers), form)
    assert "85.0 ≈" in text
    assert "taken over from Server, Xeon, 4 cores (run " in text.replace("\\", "")
    assert "≈ marks an accuracy that was not measured there but taken over from another machine" in text


def test_the_evidence_has_a_table_of_what_was_taken_over(numbers: Store) -> None:
    text = render(everything(numbers), "markdown")
    part = text[text.index("Accuracy that was taken over") :]
    line = next(line for line in part.splitlines() if "MiniLM-L6 fp32" in line)
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    assert cells[:2] == ["Raspberry Pi 5 Model B, 4 cores", "MiniLM-L6 fp32"]
    assert cells[3:7] == ["24 of 60", "0", "7", "100.0"]
    assert DASH not in cells


def test_csv_and_json_have_all_of_it(numbers: Store) -> None:
    comparison = everything(numbers)
    rows = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))
    (mine,) = (row for row in rows if row["taken_over_run_id"])
    assert (mine["taken_over_asked"], mine["taken_over_questions"], mine["taken_over_alike"]) == (
        "24",
        "60",
        "24",
    )
    assert float(mine["exact_match"]) == pytest.approx(85.0)
    assert float(mine["taken_over_exact_match_alone"]) == 100.0
    assert float(mine["taken_over_f1_transfer_low"]) < float(mine["f1"])
    (found,) = (
        row["taken_over"] for row in json.loads(render(comparison, "json"))["rows"] if row["taken_over"]
    )
    whole = on_pi(comparison)["minilm-l6 fp32"].taken_over
    assert msgspec.convert(found, TakenOver) == whole
