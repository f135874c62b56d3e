import math

import pytest

from collector.comparison.time_split import split


def test_a_product_is_split_into_its_factors() -> None:
    times = {
        (m, h): 10.0 * a * b for m, a in (("big", 4.0), ("small", 1.0)) for h, b in (("pi", 3.0), ("pc", 1.0))
    }
    found = split(times)
    assert found is not None
    assert found.mean == pytest.approx(10 * 2 * math.sqrt(3))
    assert found.models == pytest.approx({"big": 2.0, "small": 0.5})
    assert found.hardware == pytest.approx({"pi": math.sqrt(3), "pc": 1 / math.sqrt(3)})
    assert found.predicted == pytest.approx(times)
    assert found.typical_error == pytest.approx(1.0)


def test_a_pair_that_was_not_measured_is_predicted() -> None:
    found = split({("big", "pi"): 120.0, ("big", "pc"): 40.0, ("small", "pc"): 10.0})
    assert found is not None
    assert found.predicted["small", "pi"] == pytest.approx(30.0)
    assert found.typical_error is None, "each of the three is needed"


def test_what_model_and_hardware_leave_over_is_interaction() -> None:
    found = split({("a", "x"): 4.0, ("a", "y"): 1.0, ("b", "x"): 1.0, ("b", "y"): 1.0})
    assert found is not None
    # log2: 2 0 / 0 0, mean 1/2, effects 1/2 and -1/2 each: predicted 3/2, 1/2, 1/2, -1/2
    assert found.predicted["a", "x"] == pytest.approx(2**1.5)
    assert found.predicted["b", "y"] == pytest.approx(2**-0.5)
    assert found.typical_error == pytest.approx(4.0), "each predicted from the other three is off by 4"


def test_unconnected_pairs_are_not_split() -> None:
    assert split({("a", "x"): 1.0, ("b", "y"): 2.0}) is None
    assert split({("a", "x"): 1.0, ("a", "y"): 2.0}) is None
    assert split({}) is None
