import msgspec
import pytest

from collector.compare import compare
from collector.report.run_page import run_page
from collector.run_detail import run_detail
from collector.store import Store
from contract.records import Outcome, PercentileBound, RateTrial, Record
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, finished, run_records, started

RATES = (
    RateTrial(qps=8.0, queries=1324, p50_ns=30_000_000, p99_ns=180_000_000, held=False),
    RateTrial(qps=4.0, queries=1324, p50_ns=20_000_000, p99_ns=70_000_000, bound_ns=90_000_000, held=True),
)


def records(scenario: str, outcome: Outcome, **settings: object) -> tuple[Record, ...]:
    first = started()
    chosen = msgspec.structs.replace(first.settings, scenario=scenario, **settings)
    return (
        msgspec.structs.replace(first, settings=chosen),
        answer(1, "q1", "sea", waited_ns=5_000_000),
        finished(2, 1, outcome=outcome),
    )


@pytest.mark.parametrize(
    ("scenario", "outcome", "says"),
    [
        ("server", Outcome(rates=RATES, valid_qps=4.0), "p99 within 100 ms up to 4.00 questions a second"),
        ("server", Outcome(rates=RATES[:1]), "p99 within 100 ms at no rate tried"),
        ("offline", Outcome(questions_per_second=81.25), "81.2 questions a second in batches of 8"),
        ("sustained", Outcome(throttled_after_ns=120_000_000_000), "slowed down after 2.0 minutes"),
        ("loadgen", Outcome(loadgen={"90th percentile latency (ns)": "75000000"}), "LoadGen's p90 75.0 ms"),
    ],
)
def test_a_scenario_is_told_and_never_compared(
    store: Store, scenario: str, outcome: Outcome, says: str
) -> None:
    take(store, batch(run_records([("q1", "sea", 10.0), ("q2", "Hamburg", 12.0)]), "a" * 32))
    before = compare(store).rows
    how = records(scenario, outcome, batch_size=8, latency_bound_ns=100_000_000)
    take(store, batch(how, "b" * 32))
    comparison = compare(store)
    assert comparison.rows == before
    (sentence,) = [remark for remark in comparison.remarks if remark.startswith(f"{scenario}: ")]
    assert says in sentence
    detail = run_detail(store, "b")
    assert detail.outcome == outcome
    assert says in run_page(detail, 200)
    assert store.value("SELECT waited_ns FROM answers WHERE waited_ns > 0") == 5_000_000


def test_bounds_of_percentiles_and_rates_are_shown(store: Store) -> None:
    bounds = (
        PercentileBound(percent=90, queries=70, needed=64, value_ns=42_000_000),
        PercentileBound(percent=99, queries=70, needed=662),
    )
    take(store, batch(records("single-stream", Outcome(bounds=bounds, rates=RATES)), "a" * 32))
    page = run_page(run_detail(store, "a"), 200)
    assert "p90 at most 42.0 ms with 99 % confidence" in page
    assert "p99 at most" not in page
    assert "8.00 a second: p99 180.0 ms of 1324 answers, not held" in page
