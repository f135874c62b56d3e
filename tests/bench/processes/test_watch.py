"""What a soak makes of its samples."""

from types import SimpleNamespace

import pytest

from bench.processes.slopes import fit
from bench.processes.watch import Sample, Watch


def test_a_slope_is_found_with_its_interval() -> None:
    at = [n / 100 for n in range(100)]
    assert fit(at, [3 + 2 * x for x in at]) == pytest.approx((2, 0), abs=1e-9)
    zigzag = fit(at, [3 + 0.5 * (-1) ** (n // 7) for n in range(100)])
    assert abs(zigzag.per_unit) < zigzag.plus_minus


def test_memory_is_put_down_to_what_came_before_it_grew(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 0.0)
    monkeypatch.setattr("bench.processes.watch.time", clock)
    seen = Watch(10.0)
    clock.monotonic = lambda: 600.0
    seen.note("a stall")
    at_first = [(0, 10.0), (1, 14.0), (9, 14.5), (10.5, 15.0), (11.5, 18.0), (30, 18.25)]
    restarted = [(31, 9.0), (32, 9.5)]
    seen.samples["broker"] = [
        Sample(minutes / 60, pid, own, own, 7, 0.0)
        for pid, course in ((1, at_first), (2, restarted))
        for minutes, own in course
    ]
    heading, _, *rows = seen.growth()
    assert heading.endswith("| times | broker |")
    assert rows == [
        "| they began | 1 | +4.00 |",
        "| a stall | 1 | +3.50 |",
        "| at all other times |  | +1.25 |",
    ]
