"""A suggestion uses the accuracies that the report takes over from another machine."""

from pathlib import Path

import pytest

from collector.comparison.compare import compare
from collector.store.opening import open_store, open_store_to_read
from contract.records import Record
from export.suggestion.measurements import Measurement, read
from export.suggestion.suggest import suggest
from tests.collector.factory import answer
from tests.collector.part_of_a_file import IDS, IN_ORDER, PI, ingest, run, with_file
from tests.export.suggestion.test_suggestion import bundle

ASKED = IN_ORDER[:24]
REST = tuple(question_id for question_id in IDS if question_id not in ASKED)
HARD = dict.fromkeys((*REST[:9], ASKED[0]), "here")


def database(folder: Path, *runs: tuple[Record, ...]) -> Path:
    path = folder / "results.db"
    with open_store(path, create=True) as store:
        with_file(store, folder)
        ingest(store, *runs)
    return path


def on_pi(path: Path) -> Measurement:
    (found,) = read(path, "raspberry-pi-5").here
    return found


def test_the_number_is_the_reports(tmp_path: Path) -> None:
    lost = {ASKED[3]: "here", ASKED[0]: "here"}
    path = database(tmp_path, run(wrong=HARD), run(ASKED, on=PI, wrong=lost))
    found = on_pi(path)
    with open_store_to_read(path) as store:
        (row,) = (row for row in compare(store).rows if row.hardware_class == "raspberry-pi-5")
    assert row.taken_over is not None and found.taken_over is not None
    assert (found.exact_match, found.f1) == pytest.approx((row.exact_match, row.f1))
    assert found.scored == found.taken_over.questions == row.taken_over.questions == 60
    assert (found.taken_over.asked, found.taken_over.device_id) == (24, "server")


def faulty() -> tuple[Record, ...]:
    source = list(run())
    source[1] = answer(1, IDS[0], "", error="no window fits")
    return tuple(source)


@pytest.mark.parametrize(
    "runs",
    [
        (run(decoding="squad"), run(ASKED, on=PI)),
        (run(), run(IN_ORDER[1:25], on=PI)),
        (run(last={"status": "interrupted"}), run(ASKED, on=PI)),
        (run(), run(on=PI)),
        (run(), run(IN_ORDER[:5], on=PI)),
        (faulty(), run(ASKED, on=PI)),
        (run(), run(ASKED, on=PI, last={"status": "failed"})),
    ],
    ids=["decoding", "chosen questions", "interrupted", "all asked", "few asked", "an error", "failed"],
)
def test_nothing_is_taken_over_if_the_report_takes_nothing_over(
    tmp_path: Path, runs: tuple[tuple[Record, ...], ...]
) -> None:
    path = database(tmp_path, *runs)
    assert on_pi(path).taken_over is None
    with open_store_to_read(path) as store:
        assert all(row.taken_over is None for row in compare(store).rows)


def test_it_is_marked(tmp_path: Path) -> None:
    small, large = bundle(6, "fp32"), bundle(12, "fp32")
    path = database(
        tmp_path,
        run(bundle=large),
        run(ASKED, on=PI, bundle=large, ms=120.0),
        run(ASKED, on=PI, bundle=small, ms=60.0, wrong=HARD),
    )
    found = suggest(path, "raspberry-pi-5", "f1>=80,p90_ms<=150", None)
    assert found.teacher_f1 == pytest.approx(100.0)
    assert found.teacher_f1_taken_over
    assert any("model-12 fp32 (accuracy ≈ taken over)" in one.lower() for one in found.already)
    assert any(
        remark.startswith("≈ the teacher's accuracy on all 60 questions was taken over from server, and")
        for remark in found.remarks
    )
