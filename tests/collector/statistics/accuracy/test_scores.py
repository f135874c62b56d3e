import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from collector.statistics.accuracy.clusters import Clusters
from collector.statistics.accuracy.scores import difference, kept, mean_score
from commandline.distributions.student_t import t_quantile

SCORE = st.sampled_from([0.0, 0.5, 2 / 3, 0.8, 1.0])
SCORES = st.lists(SCORE, min_size=1, max_size=80)
PAIRS = st.lists(st.tuples(SCORE, SCORE), min_size=1, max_size=80)


def grouped(count: int) -> Clusters:
    return Clusters.coarsest(np.arange(count) // 4, np.arange(count) // 2)


@given(SCORES)
def test_a_mean_has_an_interval_with_a_width_in_the_range_of_scores(values: list[float]) -> None:
    found = mean_score(values, grouped(len(values)))
    assert found.value == pytest.approx(np.mean(values))
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found.high - found.low > 0.01


def test_where_all_are_right_the_bound_is_wilsons() -> None:
    t2 = t_quantile(19) ** 2
    found = mean_score([1.0] * 20, Clusters.alone(20))
    assert found == pytest.approx((1.0, 20 / (20 + t2), 1.0))
    assert mean_score([0.0] * 20, Clusters.alone(20)) == pytest.approx((0.0, 0.0, t2 / (20 + t2)))


def test_many_independent_answers_have_wilsons_interval() -> None:
    values = [1.0] * 60 + [0.0] * 40
    low, high = mean_score(values, Clusters.alone(100))[1:]  # by z, it would be 0.502 to 0.691
    assert (low, high) == pytest.approx((0.5003, 0.6921), abs=1e-4)


def test_articles_widen_the_interval_if_their_questions_are_alike() -> None:
    values = np.repeat([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 0.0], 20)
    alone = mean_score(values, Clusters.alone(160))
    together = mean_score(values, Clusters.of_unit("article", np.arange(160) // 20))
    assert together.value == alone.value
    assert together.high - together.low > 3 * (alone.high - alone.low)


def test_a_rescaled_bertscore_may_be_below_zero() -> None:
    found = mean_score([-0.3, 0.2, 1.0, 0.4, 0.1, 0.6], Clusters.alone(6))
    assert -0.3 <= found.low < found.value < found.high < 1


@settings(max_examples=60)
@given(PAIRS)
def test_a_difference_is_significant_exactly_if_its_interval_leaves_out_zero(
    pairs: list[tuple[float, float]],
) -> None:
    left, right = zip(*pairs, strict=True)
    found = difference(left, right, grouped(len(pairs)))
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert (found.p_value < 0.05) == (not found.low <= 0 <= found.high)
    turned = difference(right, left, grouped(len(pairs)))
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_no_changed_answer_has_the_bound_of_two_imagined_ones() -> None:
    same = [1.0] * 150 + [0.0] * 50
    found = difference(same, same, Clusters.alone(200))
    assert (found.value, found.p_value) == (0.0, 1.0)
    assert found.high == pytest.approx(2.8 / 202, abs=1e-4), "beside the rule of three's 3 / 200"
    assert found.low == -found.high


@pytest.mark.parametrize(("changed", "p_value"), [(4, 0.125), (5, 0.0625), (6, 0.03125)])
def test_few_answers_that_change_one_way_have_the_exact_p_value(changed: int, p_value: float) -> None:
    left = [1.0] * 334
    right = [0.0] * changed + [1.0] * (334 - changed)
    found = difference(left, right, Clusters.alone(334))
    assert found.p_value == pytest.approx(p_value)
    assert (found.low > 0) == (p_value < 0.05)


def test_one_question_decides_nothing() -> None:
    assert difference([1.0], [0.0], Clusters.alone(1)) == (1.0, -1.0, 1.0, 1.0)
    assert mean_score([1.0], Clusters.alone(1)) == (1.0, 0.0, 1.0)
    assert kept([1.0], [0.5], Clusters.alone(1)) == (2.0, 0.0, 2.0)


@settings(max_examples=30)
@given(st.lists(st.tuples(SCORE, st.sampled_from([0.5, 1.0])), min_size=2, max_size=80))
def test_the_part_that_is_kept_has_an_interval_with_a_width(pairs: list[tuple[float, float]]) -> None:
    scores, reference = zip(*pairs, strict=True)
    found = kept(scores, reference, grouped(len(pairs)))
    assert found.value == pytest.approx(sum(scores) / sum(reference))
    assert 0 <= found.low <= found.value <= found.high
    equal = kept(reference, reference, grouped(len(pairs)))
    assert equal.value == 1 and equal.low < 1 < equal.high + 1e-12


def test_small_scores_imagine_small_changes() -> None:
    rng = np.random.default_rng(1)
    left = rng.uniform(0.8, 1.0, 100)
    found = difference(left, left - 0.001, Clusters.alone(100))
    assert found.high - found.low < 0.015
