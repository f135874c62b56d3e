"""The report notes runs that should agree but do not, and what the agent remarked about the machine."""

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.display.run_page import run_page
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from collector.summaries.run_detail import run_detail
from commandline.outcome_text import THROTTLING_UNKNOWN
from contract.records import RunStarted, ThreadTrial
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, run_records, sample, started

FIRST, SECOND = "0a" + "1" * 30, "0b" + "2" * 30
TIMES = [("q1", "x", 10.0), ("q2", "x", 12.0), ("q3", "x", 14.0), ("q4", "x", 30.0)]


def scaled(factor: float) -> list[tuple[str, str, float]]:
    return [(question, text, ms * factor) for question, text, ms in TIMES]


def notes(store: Store) -> str:
    (row,) = compare(store).rows
    return "; ".join(row.notes.get("p50_ms", ()))


@pytest.mark.parametrize(
    ("factor", "change"), [(1.0, ""), (1.02, ""), (1.05, "5.0 % slower"), (0.9, "10.0 % faster")]
)
def test_runs_that_differ_by_more_than_3_percent(store_with_golds: Store, factor: float, change: str) -> None:
    take(store_with_golds, batch(run_records(TIMES), FIRST))
    take(store_with_golds, batch(run_records(scaled(factor)), SECOND))
    found = notes(store_with_golds)
    if change:
        assert f"run 0b222222 of pi-5 is {change} than run 0a111111" in found
        assert "the machine was not steady" in found
    else:
        assert "steady" not in found


def test_other_devices_of_the_class_may_differ(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records(TIMES), FIRST))
    take(store_with_golds, batch(run_records(scaled(2), on=device("pi-6")), SECOND, device_id="pi-6"))
    assert "steady" not in notes(store_with_golds)


def test_remarks_before_a_run_are_in_the_report(store_with_golds: Store) -> None:
    first, *rest = run_records(TIMES)
    assert isinstance(first, RunStarted)
    hot = replace(
        first,
        remarks=("the processor has 81 °C already: let it cool down, or cool it",),
        thread_trials=(ThreadTrial(threads=2, p50_ns=14_000_000), ThreadTrial(threads=4, p50_ns=9_500_000)),
    )
    take(store_with_golds, batch((hot, *rest), FIRST))
    assert "at the start of run 0a111111 of pi-5, the processor has 81 °C already" in notes(store_with_golds)
    page = run_page(run_detail(store_with_golds, FIRST))
    assert "warning" in page and "81 °C" in page
    assert "2: 14.0 ms, 4: 9.5 ms" in page


def test_throttling_that_cannot_be_read_is_not_called_none(store_with_golds: Store) -> None:
    first, *rest = run_records(TIMES)
    assert isinstance(first, RunStarted)
    unread = replace(first, remarks=(f"{THROTTLING_UNKNOWN}: there is no vcgencmd: install it",))
    take(store_with_golds, batch((unread, *rest), FIRST))
    (row,) = compare(store_with_golds).rows
    assert row.notes["throttled"] == (
        f"at the start of run 0a111111 of pi-5, {THROTTLING_UNKNOWN}: there is no vcgencmd: install it",
    )


def test_energy_is_spread_over_the_answers_that_it_was_metered_for(store_with_golds: Store) -> None:
    begin, one, two, three, *rest = run_records(TIMES)
    metered = [sample(4, at_ns=0, energy_joules=0.5), sample(5, at_ns=2_500_000_000, energy_joules=8.5)]
    # What comes after the last of these was measured by a process that has no meter.
    records = [begin, one, two, three, *metered, *(replace(r, seq=r.seq + 2) for r in rest)]
    take(store_with_golds, batch(records, FIRST))
    found = run_detail(store_with_golds, FIRST).telemetry
    assert (found.energy_joules, found.energy_answers) == (8.5, 2)


def test_one_run_has_the_numbers_of_its_row(store_with_golds: Store) -> None:
    answers = [("q1", "the North Sea", 10.0), ("q2", "1,094", 12.0), ("q3", "Hamburg", 14.0)]
    begin, *given, end = run_records(answers)
    disturbed = answer(5, "q4", "Dresden", 90.0, marks=("throttled", "agent_busy"))
    failed = answer(6, "q4", "", error="too long", repeat=1)
    metered = [
        sample(7, at_ns=1_000_000_000, energy_joules=3.0, temperature_celsius=71.0),
        sample(8, at_ns=6_500_000_000, energy_joules=9.0),
    ]
    records = [begin, *given, disturbed, failed, *metered, replace(end, seq=9)]
    take(store_with_golds, batch(records, FIRST))
    score_answers(store_with_golds)
    detail = run_detail(store_with_golds, FIRST)
    (row,) = compare(store_with_golds).rows
    assert detail.times is not None and detail.times.count == row.timed == 3
    assert (detail.times.p50_ms, detail.times.p90_ms, detail.times.p99_ms) == (
        row.p50_ms,
        row.p90_ms,
        row.p99_ms,
    )
    assert (detail.exact_match, detail.f1, detail.errors) == (row.exact_match, row.f1, row.errors)
    assert detail.exact_match == 37.5  # q1, and half of q4's two answers
    heat = detail.telemetry
    assert (heat.energy_joules, heat.energy_answers) == (9.0, 5), "all of the meter, all answers up to it"
    assert row.joules_per_question == 9.0 / 5
    assert (heat.first_celsius, heat.highest_celsius) == (55.0, row.temperature_celsius)
    assert detail.marks == row.marks == {"agent_busy": 1, "throttled": 1}


def test_a_run_without_an_answer_has_nothing_to_score(store_with_golds: Store) -> None:
    take(store_with_golds, batch([started()], FIRST))
    detail = run_detail(store_with_golds, FIRST)
    assert (detail.exact_match, detail.f1, detail.accuracy_withheld, detail.times) == (None, None, None, None)
