"""Spreads that learn from each other, against values computed by hand and the limits that keep their word."""

import math
from statistics import fmean, variance

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.statistics.timing.spread import FEWEST_MODERATED, Spread, moderated
from commandline.distributions.polygamma import trigamma
from commandline.distributions.student_t import t_p_value, t_quantile

FREEDOM = 4
VARIANCES = st.lists(st.floats(1e-8, 1.0), min_size=FEWEST_MODERATED, max_size=20)


def of(*variances: float, freedom: float = FREEDOM) -> list[Spread]:
    return [Spread(variance, freedom) for variance in variances]


def test_few_comparisons_or_rounds_keep_their_own_spread() -> None:
    assert moderated(of(0.01, 0.02, 0.03)) == of(0.01, 0.02, 0.03)
    two_rounds = of(0.01, 0.02, 0.03, 0.04, freedom=1)
    assert moderated(two_rounds) == two_rounds
    one_round = Spread(0.0, 0.0)
    assert moderated([one_round] * 9) == [one_round] * 9


def test_spreads_that_agree_have_twice_the_freedom_and_the_larger_stay_larger() -> None:
    found = moderated(of(0.01, 0.02, 0.03, 0.04))  # the mean is 0.025, and has half the weight
    assert [spread.freedom for spread in found] == [8] * 4
    assert [spread.variance for spread in found] == pytest.approx([0.0175, 0.0225, 0.03, 0.04])


def test_spreads_that_disagree_learn_as_much_as_they_agree() -> None:
    variances = [0.001 * 10**n for n in range(4)]
    found = moderated(of(*variances))
    logs = [math.log(one) for one in variances]
    others = found[0].freedom - FREEDOM
    assert 0 < others < FREEDOM
    assert trigamma(others / 2) == pytest.approx(variance(logs) - trigamma(FREEDOM / 2))
    mean = fmean(variances)
    moved = (others * mean + FREEDOM * 0.001) / (others + FREEDOM)
    assert found[0].variance == pytest.approx(moved)
    assert found[-1] == (1.0, found[0].freedom), "no variance becomes smaller"


def test_spreads_without_anything_in_common_stay_what_they_are() -> None:
    found = moderated(of(1e-12, 1e-8, 1e-4, 1.0))
    assert [spread.freedom for spread in found] == pytest.approx([FREEDOM] * 4, abs=0.4)


def test_a_spread_of_nothing_takes_no_part() -> None:
    still = Spread(0.0, FREEDOM)
    assert moderated([still, *of(0.02, 0.02, 0.02, 0.02)]) == [still, *of(0.02, 0.02, 0.02, 0.02, freedom=8)]
    assert moderated([still] * 4) == [still] * 4


@given(VARIANCES, st.sampled_from([2.0, 4.0, 9.0]))
def test_no_variance_shrinks_and_no_freedom_more_than_doubles(variances: list[float], freedom: float) -> None:
    for before, after in zip(
        of(*variances, freedom=freedom), moderated(of(*variances, freedom=freedom)), strict=True
    ):
        assert after.variance >= before.variance
        assert freedom <= after.freedom <= 2 * freedom


@given(VARIANCES, st.floats(1e-3, 1e3))
def test_the_unit_does_not_matter(variances: list[float], unit: float) -> None:
    found, scaled = moderated(of(*variances)), moderated(of(*(unit * one for one in variances)))
    for one, other in zip(found, scaled, strict=True):
        assert other.variance == pytest.approx(unit * one.variance)
        assert other.freedom == pytest.approx(one.freedom, abs=1e-6)


@pytest.mark.parametrize("count", [FEWEST_MODERATED, 5, 11, 66])
def test_rows_that_all_contain_the_one_that_varies_keep_their_word(count: int) -> None:
    """All statistics are then the same one, and its variance has only its own degrees of freedom."""
    for freedom in (2, 4):
        rejects_beyond = t_quantile(2 * freedom, 1 - 0.05 / count)
        assert t_p_value(rejects_beyond, freedom) <= 0.05


def test_fewer_comparisons_or_rounds_would_not() -> None:
    assert t_p_value(t_quantile(4, 1 - 0.05 / (FEWEST_MODERATED - 1)), 2) > 0.05
    assert t_p_value(t_quantile(2, 1 - 0.05 / FEWEST_MODERATED), 1) > 0.05
