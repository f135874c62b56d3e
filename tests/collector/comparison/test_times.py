"""What the report says of times: percentiles, speed-ups, what they are about, and which are significant."""

import math
from statistics import fmean, stdev

import pytest

from collector.comparison.compare import compare
from collector.comparison.notes import NOT_SIGNIFICANT, NOT_TOLD_APART, WITHIN_ONE_RUN
from collector.findings.comparison import Row
from collector.report.formats.render import render
from collector.store.database import Store
from commandline.distributions.student_t import t_p_value, t_quantile
from tests.collector.factory import device
from tests.collector.turns import QUESTIONS, take_turns

BERT, MINILM = "bert-large", "minilm-l6"
SLOW = (9.9, 10.0, 10.1, 10.0, 10.0)
FAST = (1.01, 1.0, 0.99, 1.0, 1.02)


def rows(store: Store) -> dict[str, Row]:
    return {row.model: row for row in compare(store).rows}


def test_a_speed_up_is_students_t_over_rounds(store: Store) -> None:
    take_turns(store, {BERT: SLOW, MINILM: FAST}, noise=0.0)
    row = rows(store)["minilm-l6"]
    logs = [math.log(slow / fast) for slow, fast in zip(SLOW, FAST, strict=True)]
    reach = t_quantile(4) * stdev(logs) / math.sqrt(5)
    assert row.speed_up == pytest.approx(math.exp(fmean(logs)), rel=1e-6)
    assert row.intervals["speed_up"] == pytest.approx(
        (math.exp(fmean(logs) - reach), math.exp(fmean(logs) + reach)), rel=1e-5
    )
    assert (row.speed_up_of, row.speed_up_rounds, row.speed_up_questions) == ("this device", 5, QUESTIONS)
    assert (row.speed_up_devices, row.speed_up_significant) == (None, True)
    assert "speed_up" not in row.notes


def test_equal_rows_are_not_significant(store: Store) -> None:
    take_turns(store, {BERT: (1.0, 1.05, 0.95, 1.0, 1.0), MINILM: (1.03, 0.97, 1.0, 1.02, 0.98)})
    row = rows(store)["minilm-l6"]
    assert row.speed_up_significant is False
    assert NOT_SIGNIFICANT in row.notes["speed_up"]


def test_a_section_adjusts_its_comparisons(store: Store) -> None:
    """Alone, the slightly faster row would be significant: its interval leaves out 1."""
    others = {f"model-{n}": (1.02, 0.98, 1.0, 1.01, 0.99) for n in range(9)}
    take_turns(store, {BERT: (1.0,) * 5, MINILM: (0.99, 0.97, 0.98, 0.985, 0.965), **others}, noise=0.001)
    comparison = compare(store)
    row = next(row for row in comparison.rows if row.model == "minilm-l6")
    assert row.intervals["speed_up"][0] > 1
    assert row.speed_up_significant is False
    p_value = row.speed_up_p_value
    assert p_value is not None and p_value > 0.05
    assert row.notes["speed_up"] == (
        f"not significant: p is {p_value:.2f} after adjusting for 10 comparisons in this section (Holm)",
    )
    assert "10 speed-ups are tested here. Their p values are adjusted" in render(comparison, "table")


def test_rows_of_few_rounds_learn_from_the_others_how_much_times_vary(store: Store) -> None:
    """With its own two degrees of freedom, p of the fast row would be 0.06 after adjusting."""
    others = {f"model-{n}": (9.0 + n / 9, 10.0, 10.5 + n / 5) for n in range(5)}
    take_turns(store, {BERT: (10.0, 10.4, 9.7), MINILM: (2.0, 3.0, 1.6), **others}, noise=0.0)
    found = rows(store)
    row = found["minilm-l6"]
    logs = [math.log(slow / fast) for slow, fast in zip((10.0, 10.4, 9.7), (2.0, 3.0, 1.6), strict=True)]
    alone = t_p_value(fmean(logs) / stdev(logs) * math.sqrt(3), 2)
    assert 6 * alone > 0.05
    assert row.speed_up_p_value is not None and row.speed_up_p_value < 0.02
    assert row.speed_up_significant is True
    assert [one.speed_up_significant for one in found.values()].count(True) == 1
    reach = t_quantile(2) * stdev(logs) / math.sqrt(3)
    low, high = row.intervals["speed_up"]
    assert math.log(high / low) == pytest.approx(2 * reach, rel=0.02), "an interval is of its own rounds"


def test_one_round_is_within_one_run_and_widened_by_what_is_known(store: Store) -> None:
    take_turns(store, {BERT: (10.0,), MINILM: (1.0,)})
    alone = rows(store)["minilm-l6"]
    assert (alone.speed_up_of, alone.times_of, alone.speed_up_significant) == ("one run", "one run", None)
    assert alone.notes["speed_up"] == (WITHIN_ONE_RUN,)
    assert "within one run" in render(compare(store), "table", part="full")
    take_turns(store, {"distilbert": (1.0, 1.1, 0.9, 1.05, 0.95)}, epoch="2e" * 8)
    widened = rows(store)["minilm-l6"]
    for field in ("speed_up", "p50_ms"):
        (low, high), (lower, higher) = alone.intervals[field], widened.intervals[field]
        assert lower < low < high < higher
    assert widened.speed_up_significant is None


@pytest.mark.parametrize(
    ("count", "scope"), [(2, "these devices"), (4, "these devices"), (6, "machine type")]
)
def test_from_five_devices_on_it_is_of_the_machine_type(store: Store, count: int, scope: str) -> None:
    for n in range(count):
        factor = 1 + n / 10
        on = device(f"pi-{n}")
        take_turns(store, {BERT: SLOW, MINILM: tuple(factor * f for f in FAST)}, on=on, noise=0.0)
    comparison = compare(store)
    row = next(row for row in comparison.rows if row.model == "minilm-l6")
    assert (row.speed_up_of, row.times_of, row.speed_up_rounds) == (scope, scope, 5 * count)
    assert row.speed_up_devices == pytest.approx((9.96 / (1 + (count - 1) / 10), 9.96), rel=0.01)
    if scope == "machine type":
        assert row.speed_up_devices is not None
        ratios = [math.log(row.speed_up_devices[1] / (1 + n / 10)) for n in range(count)]
        reach = t_quantile(count - 1) * stdev(ratios) / math.sqrt(count)
        low, high = row.intervals["speed_up"]
        assert math.log(high / low) == pytest.approx(2 * reach, rel=1e-3)
    assert f", {scope}" in render(comparison, "markdown")


def test_rows_of_different_commands_are_not_told_apart(store: Store) -> None:
    take_turns(store, {BERT: SLOW})
    take_turns(store, {MINILM: FAST}, epoch="2e" * 8)
    row = rows(store)["minilm-l6"]
    assert (row.speed_up_of, row.speed_up_significant) == ("different times", None)
    assert "speed_up" not in row.intervals
    assert row.notes["speed_up"][0] == NOT_TOLD_APART
    for form in ("table", "markdown", "html"):
        assert "not told apart" in render(compare(store), form)


def test_repetitions_tell_rows_of_different_commands_apart(store: Store) -> None:
    for n, factor in enumerate((1.0, 1.02, 1.01, 0.99, 1.0)):
        take_turns(store, {MINILM: tuple(factor * f for f in FAST)}, epoch=f"{n}f" * 8, seed=n)
    take_turns(store, {BERT: SLOW}, epoch="aa" * 8)
    row = rows(store)["minilm-l6"]
    assert row.speed_up_significant is True
    assert row.notes["speed_up"][0].startswith("measured at different times: ")
    assert ", at different times" in render(compare(store), "table", part="full")


def test_a_percentile_knows_its_rounds_and_needs_enough_questions(store: Store) -> None:
    take_turns(store, {BERT: (1.0,) * 5, MINILM: (1.0, 1.2, 0.8, 1.1, 0.9)}, noise=0.001)
    steady, unsteady = rows(store)["bert-large"], rows(store)["minilm-l6"]

    def width(row: Row) -> float:
        low, high = row.intervals["p50_ms"]
        return math.log(high / low)

    assert width(unsteady) > 1.3 * width(steady)
    assert "p90_ms" in steady.intervals
    assert steady.notes["p99_ms"] == (
        f"no interval: only {QUESTIONS} different questions timed; p99 needs at least 662",
    )


def test_a_machine_that_drifts_is_remarked(store: Store) -> None:
    take_turns(store, {BERT: (1.0, 1.05, 1.1, 1.15, 1.2), MINILM: (1.0, 1.2, 0.9, 1.1, 0.95)}, noise=0.001)
    notes = rows(store)["bert-large"].notes["p50_ms"]
    assert any("slower at its end than at its start" in note for note in notes)
    assert not rows(store)["minilm-l6"].notes["p50_ms"], "rounds that vary are no drift"
