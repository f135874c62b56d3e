"""The prediction of a latency: against the textbook, and against simulated shapes."""

import math

import numpy as np
import pytest

from commandline.estimation.latency import Point, fit


@pytest.mark.parametrize("shapes", [3, 4, 6])
@pytest.mark.parametrize("precisions", [("fp32",), ("fp32", "int8")])
def test_a_prediction_interval_holds_what_it_promises(shapes: int, precisions: tuple[str, ...]) -> None:
    drawn = np.random.default_rng(1)
    inside = 0
    for _ in range(400):
        logs = drawn.uniform(0, 4, shapes + 1)
        logs[0] = 2.0
        own = drawn.normal(0, 0.15, shapes + 1)  # a shape is as slow for its arithmetic in every precision
        times = {
            (n, precision): math.exp(0.9 * logs[n] + own[n] - (precision == "int8") + drawn.normal(0, 0.02))
            for n in range(shapes + 1)
            for precision in precisions
        }
        points = [Point(math.exp(logs[n]), precision, ms, n) for (n, precision), ms in times.items() if n > 0]
        found = fit(points).predict(math.exp(logs[0]), "fp32")
        assert found.low is not None and found.high is not None
        inside += found.low <= times[0, "fp32"] <= found.high
    assert 0.925 < inside / 400 < 0.99


def test_with_one_precision_the_interval_is_that_of_the_textbook() -> None:
    # Draper and Smith, Applied Regression Analysis, 1.4: s * t * sqrt(1 + 1/n + (x - mean)^2 / Sxx)
    logs, times = np.array([0.0, 1.0, 2.0, 4.0]), np.array([0.1, 0.8, 2.3, 3.9])
    slope, intercept = np.polyfit(logs, times, 1)
    spread = math.sqrt(float(((times - intercept - slope * logs) ** 2).sum()) / 2)
    away = (3.0 - logs.mean()) ** 2 / ((logs - logs.mean()) ** 2).sum()
    reach = 4.3027 * spread * math.sqrt(1 + 1 / 4 + away)
    points = [Point(math.exp(x), "fp32", math.exp(y), x) for x, y in zip(logs, times, strict=True)]
    found = fit(points).predict(math.exp(3), "fp32")
    assert found.high is not None
    assert math.log(found.high / found.milliseconds) == pytest.approx(reach, rel=1e-4)


def test_precisions_of_a_shape_that_deviate_alike_make_an_interval_no_narrower() -> None:
    one = [Point(x, "fp32", ms, x) for x, ms in ((1.0, 1.1), (3.0, 2.8), (9.0, 9.5))]
    two = [*one, *(Point(p.gigaflops, "int8", p.milliseconds / 2, p.shape) for p in one)]
    alone, together = (fit(points).predict(4, "fp32") for points in (one, two))
    assert together == pytest.approx(alone)


def test_a_line_through_two_points_has_no_interval() -> None:
    line = fit([Point(1, "fp32", 10, 1), Point(4, "fp32", 40, 4)])
    found = line.predict(2, "fp32")
    assert found.milliseconds == pytest.approx(20) and found.low is found.high is None
    assert not found.extrapolated and line.predict(8, "fp32").extrapolated


def test_a_prediction_beyond_all_numbers_is_no_error() -> None:
    points = [Point(x, "fp32", ms, x) for x, ms in ((1.0, 1e-6), (1.001, 9e12), (1.002, 1e-6))]
    found = fit(points).predict(1e9, "fp32")
    assert found.high is not None and math.isfinite(found.high)


def test_without_two_amounts_of_arithmetic_time_is_proportional_to_it() -> None:
    line = fit([Point(2, "fp32", 10, 1), Point(4, "int8", 5, 2), Point(4, "int8", 5, 3)])
    assert line.predict(6, "fp32").milliseconds == pytest.approx(30)
    found = line.predict(8, "int8")
    assert found.milliseconds == pytest.approx(10)
    assert found[1:] == (None, None, True)
