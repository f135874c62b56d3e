"""Runs that should agree and do not are told in the report; so is what spoke against measuring."""

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.display.run_page import run_page
from collector.store.database import Store
from collector.summaries.run_detail import run_detail
from contract.records import RunStarted, ThreadTrial
from tests.collector.delivering import take
from tests.collector.factory import batch, device, run_records, sample

FIRST, SECOND = "0a" + "1" * 30, "0b" + "2" * 30
TIMES = [("q1", "x", 10.0), ("q2", "x", 12.0), ("q3", "x", 14.0), ("q4", "x", 30.0)]


def scaled(factor: float) -> list[tuple[str, str, float]]:
    return [(question, text, ms * factor) for question, text, ms in TIMES]


def notes(store: Store) -> str:
    (row,) = compare(store).rows
    return "; ".join(row.notes.get("p50_ms", ()))


@pytest.mark.parametrize(
    ("factor", "told"), [(1.0, ""), (1.02, ""), (1.05, "5.0% slower"), (0.9, "10.0% faster")]
)
def test_runs_that_differ_by_more_than_3_percent(store_with_golds: Store, factor: float, told: str) -> None:
    take(store_with_golds, batch(run_records(TIMES), FIRST))
    take(store_with_golds, batch(run_records(scaled(factor)), SECOND))
    found = notes(store_with_golds)
    if told:
        assert f"run 0b222222 of pi-5 is {told} than run 0a111111" in found
        assert "the machine was not steady" in found
    else:
        assert "steady" not in found


def test_other_devices_of_the_class_may_differ(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records(TIMES), FIRST))
    take(store_with_golds, batch(run_records(scaled(2), on=device("pi-6")), SECOND, device_id="pi-6"))
    assert "steady" not in notes(store_with_golds)


def test_what_spoke_against_measuring_is_told(store_with_golds: Store) -> None:
    first, *rest = run_records(TIMES)
    assert isinstance(first, RunStarted)
    hot = replace(
        first,
        remarks=("the processor has 81 °C already: let it cool down, or cool it",),
        thread_trials=(ThreadTrial(threads=2, p50_ns=14_000_000), ThreadTrial(threads=4, p50_ns=9_500_000)),
    )
    take(store_with_golds, batch((hot, *rest), FIRST))
    assert "when run 0a111111 of pi-5 began, the processor has 81 °C already" in notes(store_with_golds)
    page = run_page(run_detail(store_with_golds, FIRST))
    assert "beware" in page and "81 °C" in page
    assert "2: 14.0 ms, 4: 9.5 ms" in page


def test_energy_is_spread_over_the_answers_that_it_was_metered_for(store_with_golds: Store) -> None:
    records = list(run_records(TIMES))
    records[3] = sample(3, energy_joules=8.0)  # what comes after was measured by a process that has no meter
    take(store_with_golds, batch(records, FIRST))
    found = run_detail(store_with_golds, FIRST).telemetry
    assert (found.energy_joules, found.energy_answers) == (8.0, 2)
