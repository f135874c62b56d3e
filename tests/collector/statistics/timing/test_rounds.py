"""Means over rounds and ratios of times, against values computed by hand."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.statistics.timing.ratios import (
    log_ratios,
    log_ratios_of_percentiles,
    ratio_at_different_times,
    ratio_in_rounds,
)
from collector.statistics.timing.rounds import RoundMean, mean_over_rounds, of_units, over_devices
from collector.statistics.timing.spread import Spread

EQUAL = [0, 0, 1, 1, 2, 2]


def device(log: float, spread: Spread = Spread(0.0004, 4)) -> RoundMean:  # noqa: B008  # a constant
    return RoundMean(log, spread, 5.0, 0.0001)


def test_rounds_of_equal_size_are_the_textbook_s_t_interval() -> None:
    found = mean_over_rounds([0.0, 0.2, 0.1, 0.3, 0.4, 0.6], EQUAL)  # round means 0.1, 0.2, 0.5
    assert found.log == pytest.approx(0.8 / 3)
    assert found.spread == pytest.approx((np.var([0.1, 0.2, 0.5], ddof=1), 2))
    assert found.rounds == pytest.approx(3)
    assert found.within == pytest.approx(6 * 0.1**2 / 3 / 6)
    estimate = over_devices([found], [found.spread])
    assert estimate.reach == pytest.approx(4.3027 * np.std([0.1, 0.2, 0.5], ddof=1) / math.sqrt(3), rel=1e-4)


def test_a_round_of_few_questions_counts_little() -> None:
    full = mean_over_rounds([0.1] * 50 + [0.2] * 50, [0] * 50 + [1] * 50)
    more = mean_over_rounds([0.1] * 50 + [0.2] * 50 + [9.0], [0] * 50 + [1] * 50 + [2])
    assert full.rounds == pytest.approx(2)
    assert more.rounds == pytest.approx(2, abs=0.05)


def test_a_single_round_has_no_spread() -> None:
    for rounds in ([0, 0, 0], [0, 0, 0, 0, 0, 0, 0, 0, 0, 1]):
        found = mean_over_rounds(np.arange(len(rounds)), rounds)
        assert found.spread == (0.0, 0.0)


@given(st.lists(st.floats(0.01, 100), min_size=6, max_size=6), st.floats(0.5, 2))
def test_a_ratio_is_the_geometric_mean_and_inverts(slower: list[float], factor: float) -> None:
    times = 1e6 * np.array(slower)
    found = ratio_in_rounds([log_ratios(times * factor, times, EQUAL)])
    back = ratio_in_rounds([log_ratios(times, times * factor, EQUAL)])
    assert found.ratio == pytest.approx(factor)
    assert found.ratio * back.ratio == pytest.approx(1)
    assert found.rounds == 3


def test_the_scope_follows_from_devices_and_rounds() -> None:
    one_round = RoundMean(0.1, Spread(0.0, 0.0), 1.0, 0.0001)
    assert ratio_in_rounds([device(0.1)]).scope == "this device"
    assert ratio_in_rounds([device(0.1)] * 4).scope == "these devices"
    assert ratio_in_rounds([device(0.1)] * 5).scope == "machine type"
    assert ratio_in_rounds([device(0.1), one_round]).scope == "one run"
    assert ratio_at_different_times([device(0.1)], [(1, 1)], None).scope == "different times"


def test_these_devices_share_their_spread_and_show_their_range() -> None:
    found = ratio_in_rounds([device(0.1), device(0.3)])
    assert found.of_devices == pytest.approx((math.exp(0.1), math.exp(0.3)))
    error = math.sqrt(2 * 0.0004 / 5) / 2
    assert found.interval == pytest.approx(
        (math.exp(0.2 - 2.306 * error), math.exp(0.2 + 2.306 * error)), rel=1e-4
    )  # t with 8 degrees of freedom
    assert ratio_in_rounds([device(0.1)]).of_devices is None


def test_of_a_type_devices_are_the_units() -> None:
    logs = [0.1, 0.2, 0.3, 0.4, 0.5]
    found = ratio_in_rounds([device(log) for log in logs])
    reach = 2.7764 * np.std(logs, ddof=1) / math.sqrt(5)
    assert found.interval == pytest.approx((math.exp(0.3 - reach), math.exp(0.3 + reach)), rel=1e-4)
    assert found.p_value == of_units(logs).p_value


def test_one_run_is_widened_by_what_is_known_and_never_tested() -> None:
    one_round = RoundMean(0.1, Spread(0.0, 0.0), 1.0, 0.0001)
    alone = ratio_in_rounds([one_round])
    known = ratio_in_rounds([one_round], known=Spread(0.0004, 1000))
    assert alone.p_value is known.p_value is None
    assert alone.interval == pytest.approx((math.exp(0.1 - 0.0196), math.exp(0.1 + 0.0196)), rel=1e-4)
    assert known.interval == pytest.approx((math.exp(0.1 - 0.0588), math.exp(0.1 + 0.0588)), rel=1e-3)


def test_different_times_need_a_known_spread() -> None:
    unknown = ratio_at_different_times([device(0.5)], [(1, 1)], None)
    assert unknown.ratio == pytest.approx(math.exp(0.5))
    assert unknown.interval is None and unknown.p_value is None
    known = ratio_at_different_times([device(0.5)], [(1, 2)], Spread(0.01, 4))
    reach = 2.7764 * math.sqrt(0.01 * 1.5)
    assert known.interval == pytest.approx((math.exp(0.5 - reach), math.exp(0.5 + reach)), rel=1e-4)


def test_percentiles_are_compared_round_by_round() -> None:
    slower, faster = np.array([4e6, 4e6, 6e6, 6e6]), np.array([2e6, 2e6, 2e6, 2e6])
    found = log_ratios_of_percentiles(slower, faster, [0, 0, 1, 1], 0.9)
    assert found is not None
    assert found.log == pytest.approx((math.log(2) + math.log(3)) / 2)
    assert found.spread.freedom == pytest.approx(1)
    assert log_ratios_of_percentiles(slower, faster, [0, 0, 0, 0], 0.9) is None
