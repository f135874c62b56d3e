import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from collector.findings.verdict import Verdict
from collector.statistics.confidence import Mean
from collector.statistics.decision import decide, needed


def at_least(bound: float, estimate: Mean, count: int = 100) -> Verdict:
    return decide(lambda value: value >= bound, estimate, bound, count)


def test_an_interval_decides_if_it_leaves_out_the_bound() -> None:
    estimate = Mean(0.98, 0.97, 0.99)
    assert at_least(0.96, estimate).outcome == "passes"
    assert at_least(0.97, estimate).outcome == "passes", "the lower end itself is enough"
    assert at_least(0.995, estimate).outcome == "fails"
    assert at_least(0.985, estimate).outcome == "not decided"


def test_what_would_decide_is_the_count_at_which_the_interval_ends_at_the_bound() -> None:
    # half as wide takes four times as many
    assert needed(Mean(0.98, 0.96, 1.0), 0.97, 100) == 400
    assert needed(Mean(0.98, 0.96, 0.983), 0.99, 100) == 110, "the side that faces the bound"
    assert needed(Mean(0.98, 0.96, 1.0), 0.98, 100) is None
    assert needed(Mean(0.98, 0.96, 1.0), 0.98 + 1e-9, 100) is None
    assert at_least(0.97, Mean(0.98, 0.96, 1.0)) == Verdict(outcome="not decided", needs=400)


@given(st.floats(0, 1), st.floats(0.001, 0.5), st.floats(0, 1), st.integers(1, 10_000))
def test_more_than_now_is_needed(value: float, half: float, bound: float, count: int) -> None:
    assume(abs(value - bound) < half)
    found = needed(Mean(value, value - half, value + half), bound, count)
    assert found is None or count < found


@pytest.mark.parametrize("unit", ["question", "round"])
def test_an_upper_bound_is_decided_alike(unit: str) -> None:
    estimate = Mean(20.0, 18.0, 22.0)
    assert decide(lambda ms: ms <= 22, estimate, 22, 5, unit).outcome == "passes"
    assert decide(lambda ms: ms < 22, estimate, 22, 5, unit).outcome == "not decided"
    found = decide(lambda ms: ms <= 21, estimate, 21, 5, unit)
    assert (found.outcome, found.needs, found.unit) == ("not decided", 20, unit)
