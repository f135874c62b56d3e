"""From whom an accuracy is taken over, and when it is not."""

from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.comparison_inputs.groups import Group
from collector.comparison_inputs.inputs import gather
from collector.comparison_inputs.selection import Selection
from collector.store.database import Store
from contract.bundle import Weights
from contract.records import Record
from tests.collector.factory import answer, device, manifest
from tests.collector.part_of_a_file import COUNT, IDS, IN_ORDER, PI, SERVER, ingest, run, with_file


@pytest.fixture
def numbers(store: Store, tmp_path: Path) -> Store:
    with_file(store, tmp_path)
    return store


def on_pi(store: Store, **selection: Any) -> Group:
    groups = gather(store, selection=Selection(**selection)).groups
    return next(group for group in groups if group.name.hardware_class == "raspberry-pi-5")


def lender(store: Store, **selection: Any) -> str | None:
    found = on_pi(store, **selection).inherited
    return None if found is None else found.run.device_id


def limited(count: int = 20, **changes: Any) -> tuple[Record, ...]:
    return run(IN_ORDER[:count], on=PI, **changes)


def test_a_part_takes_over_from_all(numbers: Store) -> None:
    lost = {IN_ORDER[3]: "The", IDS[-1] if IDS[-1] not in IN_ORDER[:20] else IDS[0]: "The"}
    ingest(numbers, run(wrong=dict.fromkeys(IN_ORDER[20:30], "here")), limited(wrong=lost))
    found = on_pi(numbers).inherited
    assert found is not None
    assert found.run.device_id == "server"
    transfer = found.transfer
    assert (transfer.questions, transfer.asked, transfer.alike) == (COUNT, 20, 19)
    assert not transfer.bit_equal
    # Of 60 the source has 50 right, and of the 20 asked here one is lost: 50/60 - 1/20
    assert found.exact_match is not None and found.f1 is not None
    assert found.exact_match.value == pytest.approx(50 / 60 - 1 / 20)
    assert found.f1.interval is not None and found.measured.f1 is not None
    assert found.f1.interval[0] < found.f1.value < found.f1.interval[1]
    assert transfer.at_most_differ == 12  # Clopper and Pearson: 1 of 20 is at most 21.6 %


def test_a_selection_of_devices_does_not_hide_the_source(numbers: Store) -> None:
    ingest(numbers, run(), limited())
    assert lender(numbers, devices=("pi-5",)) == "server"


def test_what_is_excluded_lends_nothing(numbers: Store) -> None:
    ingest(numbers, run(), limited())
    found = on_pi(numbers).inherited
    assert found is not None
    assert lender(numbers, exclude=(found.run.run_id,)) is None


def test_an_interrupted_part_is_as_random_as_a_whole_one(numbers: Store) -> None:
    ingest(numbers, run(), limited(last={"status": "interrupted"}))
    assert lender(numbers) == "server"


def test_equal_confidences_are_told(numbers: Store) -> None:
    ingest(numbers, run(confidence=0.1), limited(confidence=0.1))
    found = on_pi(numbers).inherited
    assert found is not None and found.transfer.bit_equal


def test_the_nearest_processor_lends_and_then_the_nearest_runtime(numbers: Store) -> None:
    versions = {"python": "3.13.5", "onnxruntime": "1.22.0"}
    pi = device(versions=versions)
    phone = device("phone", "phone", cpu_flags=("i8mm",), versions=versions)
    old = device("old", "raspberry-pi-4", versions={**versions, "onnxruntime": "1.20.0"})
    alike = device("alike", "raspberry-pi-4", versions=versions)
    part = run(IN_ORDER[:20], on=pi)
    ingest(numbers, part, run())
    assert lender(numbers) == "server"
    ingest(numbers, run(on=phone), run())
    assert lender(numbers) == "phone", "an equal architecture comes before a newer run"
    ingest(numbers, run(on=old))
    assert lender(numbers) == "old", "an equal processor comes first"
    ingest(numbers, run(on=alike), run(on=old))
    assert lender(numbers) == "alike", "and then an equal runtime, before a newer run"


def test_a_run_of_all_questions_takes_nothing_over(numbers: Store) -> None:
    ingest(numbers, run(), run(on=PI))
    assert lender(numbers) is None


def test_five_questions_say_too_little(numbers: Store) -> None:
    ingest(numbers, run(), limited(5))
    assert lender(numbers) is None


REFUSED: dict[str, tuple[tuple[Record, ...], tuple[Record, ...]]] = {
    "another bundle": (run(bundle=manifest(recipe={"other": True})), limited()),
    "another decoding": (run(decoding="squad"), limited()),
    "other windows": (run(stride_tokens=64), limited()),
    "longer answers": (run(max_answer_tokens=30), limited()),
    "another scenario": (run(scenario="sustained"), limited()),
    "a source that was interrupted": (run(last={"status": "interrupted"}), limited()),
    "a source that is still running": (run(last={"status": None}), limited()),
    "a source that failed": (run(last={"status": "failed"}), limited()),
    "a source of a part": (run(IN_ORDER[:59]), limited()),
    "questions that were chosen": (run(), run(IN_ORDER[1:21], on=PI)),
    "questions of another seed": (run(), run(IN_ORDER[:20], on=PI, seed=2)),
    "a part that failed": (run(), limited(last={"status": "failed"})),
}


@pytest.mark.parametrize("why", REFUSED)
def test_nothing_is_taken_over_from(numbers: Store, why: str) -> None:
    ingest(numbers, *REFUSED[why])
    group = on_pi(numbers)
    assert group.inherited is None
    assert group.measured.f1 is not None
    ingest(numbers, run())
    if why.startswith(("a source", "another", "other", "longer")):
        assert lender(numbers) == "server", "a source without this fault would be used"


def test_nothing_is_taken_over_from_a_source_with_an_error(numbers: Store) -> None:
    source = list(run())
    source[1] = answer(1, IDS[0], "", error="no window fits")
    ingest(numbers, tuple(source), limited())
    assert lender(numbers) is None


def test_nothing_is_taken_over_to_or_from_random_weights(numbers: Store) -> None:
    noise = manifest(weights=Weights(origin="random", source="s"))
    ingest(numbers, run(bundle=noise), limited(bundle=noise))
    assert lender(numbers) is None


def test_nothing_is_taken_over_if_the_accuracy_is_withheld(numbers: Store) -> None:
    weights = Weights(origin="adapter", source="s", training_articles=("article 1",))
    trained = manifest(weights=weights)
    ingest(numbers, run(bundle=trained), limited(bundle=trained))
    assert lender(numbers) is None


def test_nothing_is_taken_over_from_another_question_file(store: Store, tmp_path: Path) -> None:
    with_file(store, tmp_path)
    source = list(run())
    asked = msgspec.structs.replace(source[0].questions, sha256="9" * 64)  # type: ignore[union-attr]
    source[0] = msgspec.structs.replace(source[0], questions=asked)
    ingest(store, tuple(source), limited())
    assert lender(store) is None


def test_a_device_of_the_row_lends_nothing_to_its_own_row(numbers: Store) -> None:
    ingest(numbers, limited(), run(IN_ORDER[:30], on=device("pi-6")))
    assert on_pi(numbers).measured.asked == 30
    assert lender(numbers) is None


def test_all_runs_of_a_row_must_be_drawn_at_random(numbers: Store) -> None:
    ingest(numbers, run(on=SERVER), limited(), run(IN_ORDER[30:50], on=device("pi-6")))
    assert lender(numbers) is None
