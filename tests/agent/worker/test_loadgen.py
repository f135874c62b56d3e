"""MLPerf's LoadGen as the one that asks."""

import sys
import types

import pytest

from agent.errors import BundleRefused
from agent.worker import loadgen


def test_without_loadgen_it_is_said_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlperf_loadgen", None)
    with pytest.raises(BundleRefused, match=r"pip install .*\[mlperf\]'"):
        loadgen.run(lambda _: None, 1, min_queries=1, min_seconds=0, max_seconds=None, seed=0)


def test_loadgens_summary_is_read() -> None:
    text = (
        "====\nScenario : SingleStream\n90th percentile latency (ns) : 751\n * no : line\nResult is : VALID\n"
    )
    assert loadgen.read_summary(text) == {
        "Scenario": "SingleStream",
        "90th percentile latency (ns)": "751",
        "Result is": "VALID",
    }


def test_loadgen_asks_by_its_own_clock() -> None:
    lg = pytest.importorskip("mlperf_loadgen")
    assert isinstance(lg, types.ModuleType)
    asked: list[int] = []
    summary = loadgen.run(asked.append, 7, min_queries=70, min_seconds=0, max_seconds=None, seed=1)
    assert len(asked) >= 70 and set(asked) == set(range(7))
    assert summary["Scenario"] == "SingleStream" and summary["min_query_count"] == "70"
