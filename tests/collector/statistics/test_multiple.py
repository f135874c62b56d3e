import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.statistics.multiple import holm


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([0.02]) == (0.02,)
    assert holm([0.6, 0.9]) == (1.0, 1.0)
    assert holm([]) == ()


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_and_lies_between_the_p_value_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, found in zip(p_values, adjusted, strict=True):
        assert p <= found <= 1
        assert found <= 1 and (p > min(p_values) or found == min(1.0, len(p_values) * p))
    ordered = sorted(zip(p_values, adjusted, strict=True))
    assert [found for _, found in ordered] == sorted(adjusted)
