"""What a comparison says of a row does not grow with its runs and devices."""

import csv
import io

import msgspec
import pytest

from collector.comparison.compare import compare
from collector.comparison.run_notes import SENTENCES
from collector.comparison_inputs.traces import TRACES
from collector.findings.comparison import Comparison
from collector.report.formats.render import render
from collector.store.database import Store
from collector.store.opening import open_store
from contract.codec import encode
from contract.messages import Batch
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, run_records, started

FEW, MANY = 110, 140
"""More than any of the limits, so that both numbers of runs reach all of them."""
OLD_AND_THROTTLED = 3


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory: pytest.TempPathFactory) -> list[Comparison]:
    """The comparisons of `FEW` devices with a run each, and of `MANY`."""
    found = []
    with open_store(tmp_path_factory.mktemp("many") / "results.db", create=True) as store:
        for numbers in (range(FEW), range(FEW, MANY)):
            take(store, *map(_run, numbers))
            found.append(compare(store))
    return found


def _run(number: int) -> Batch:
    on = device(f"pi-{number:03}")
    first, *others = run_records(on=on)
    first = msgspec.structs.replace(started(on=on), remarks=("the clock is not synchronised",))
    if number == OLD_AND_THROTTLED:
        others[0] = answer(1, "q1", "the North Sea", marks=("throttled",))
    return batch([first, *others], run_id=f"{number:032x}", device_id=on.device_id)


def test_the_json_of_a_row_does_not_grow_with_its_runs(comparisons: list[Comparison]) -> None:
    few, many = (len(encode(comparison)) for comparison in comparisons)
    assert (many - few) / (MANY - FEW) < 4, "bytes per run"


def test_traces_say_something_and_the_others_are_counted(comparisons: list[Comparison]) -> None:
    comparison = comparisons[1]
    assert len(comparison.traces) == TRACES
    shown = [trace.device_id for trace in comparison.traces]
    assert shown == [f"pi-{number:03}" for number in (OLD_AND_THROTTLED, *range(MANY - TRACES + 1, MANY))]
    (not_shown,) = comparison.not_shown
    assert not_shown.traces == MANY - TRACES
    assert not_shown.units == MANY - len(comparison.units) == MANY - 20
    assert comparison.rows[0].throttled == 1, "numbers are of all runs"
    assert comparison.rows[0].devices == MANY


def test_every_format_says_what_is_not_shown(comparisons: list[Comparison]) -> None:
    comparison = comparisons[1]
    (found,) = comparison.provenance
    assert len(found.runs) == 100 and found.more_runs == MANY - 100 == found.more_devices
    for form in ("html", "markdown"):
        text = render(comparison, form)
        assert form == "markdown" or f"Not shown: {MANY - TRACES} of " in text, "it has no charts"
        assert f"{MANY - 20} other devices of this type differ less" in text
        assert f"and {MANY - 100} more" in text


def test_notes_name_the_newest_runs_and_count_the_others(comparisons: list[Comparison]) -> None:
    notes = [note for note in comparisons[1].rows[0].notes["p50_ms"] if "start of" in note]
    assert len(notes) == SENTENCES + 1
    assert notes[0] == f"{MANY - SENTENCES} remarks were made at the start of earlier runs"


def test_csv_writes_the_fastest_and_the_slowest_device(comparisons: list[Comparison]) -> None:
    header, row = csv.reader(io.StringIO(render(comparisons[0], "csv")))
    assert dict(zip(header, row, strict=True))["p50_devices_ms"] == "12.0, 14.0"


def test_runs_that_lack_records_are_named_a_limited_number_of_times(store: Store) -> None:
    incomplete = (_run(number) for number in range(SENTENCES + 5))
    take(
        store,
        *(msgspec.structs.replace(each, records=(each.records[0], *each.records[2:])) for each in incomplete),
    )
    told = [remark for remark in compare(store).remarks if "records" in remark or "record " in remark]
    assert len(told) == SENTENCES + 1
    assert all("1 record has not arrived yet: number 1" in remark for remark in told[:-1])
    assert told[-1] == "further runs lack records, too: see `collector runs`"
