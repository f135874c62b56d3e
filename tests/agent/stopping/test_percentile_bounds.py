import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from agent.stopping.percentile_bounds import needed, percentile_bound
from agent.stopping.rate_search import RateSearch, arrivals_ns
from contract.records import Answer, Settings


def at_most(over: int, count: int, above: float) -> float:
    """The binomial distribution, term by term with whole numbers for coefficients."""
    return sum(math.comb(count, k) * above**k * (1 - above) ** (count - k) for k in range(over + 1))


def test_as_few_times_suffice_as_mlperf_says() -> None:
    assert (needed(90), needed(99)) == (64, 662)
    assert percentile_bound(range(63), 90).value_ns is None
    assert percentile_bound(range(64), 90).value_ns == 63
    assert percentile_bound(range(661), 99).value_ns is None
    assert percentile_bound(range(662), 99).value_ns == 661


@given(count=st.integers(64, 500), percent=st.sampled_from([90, 99]))
def test_the_bound_is_the_lowest_that_the_binomial_allows(count: int, percent: int) -> None:
    bound = percentile_bound(range(count), percent)
    above = 1 - percent / 100
    if bound.value_ns is None:
        assert at_most(1, count, above) > 0.01
        return
    over = count - bound.value_ns  # the bound is the over-th highest
    assert at_most(over, count, above) <= 0.01 < at_most(over + 1, count, above)


def test_many_times_are_no_trouble() -> None:
    bound = percentile_bound(range(100_000), 90)
    assert bound.value_ns is not None and 90_000 < bound.value_ns < 90_500


def test_arrivals_are_poisson_and_the_same_for_a_seed() -> None:
    arrivals = arrivals_ns(50.0, 20_000, seed=3)
    assert arrivals == arrivals_ns(50.0, 20_000, seed=3) != arrivals_ns(50.0, 20_000, seed=4)
    gaps = [later - earlier for earlier, later in zip((0, *arrivals), arrivals, strict=False)]
    mean = sum(gaps) / len(gaps)
    deviation = math.sqrt(sum((gap - mean) ** 2 for gap in gaps) / len(gaps))
    assert mean == pytest.approx(1e9 / 50, rel=0.03)
    assert deviation == pytest.approx(mean, rel=0.03)  # of an exponential distribution


def server(qps: float | None = None) -> Settings:
    return Settings(
        scenario="server",
        decoding="pipeline",
        max_tokens=384,
        stride_tokens=128,
        max_answer_tokens=15,
        threads=1,
        warmup_questions=0,
        seed=0,
        qps=qps,
        latency_bound_ns=100,
    )


def taking(times_ns: list[int]) -> tuple[Answer, ...]:
    """Answers of these times, a third of it waited for."""
    return tuple(
        Answer(
            seq=0,
            at_ns=0,
            question_id="q",
            text="t",
            start_char=0,
            end_char=1,
            confidence=1.0,
            tokenize_ns=0,
            infer_ns=ns - ns // 3,
            decode_ns=0,
            windows=1,
            tokens=1,
            waited_ns=ns // 3,
        )
        for ns in times_ns
    )


def test_the_search_ends_beside_the_highest_rate_that_holds() -> None:
    search = RateSearch(server(), 10_000_000)  # 100 a second at most
    while (qps := search.next()) is not None:
        search.took(qps, taking([90 if qps <= 37.0 else 110] * 700))
    assert search.best_qps == pytest.approx(37.0, abs=100 / 64)
    assert all(trial.held == (trial.qps <= 37.0) for trial in search.trials)


def test_a_few_late_answers_of_too_few_do_not_hold() -> None:
    search = RateSearch(server(5.0), 1)
    assert not search.took(5.0, taking([90] * 650 + [110] * 12))
    assert search.next() is None and search.best_qps is None


def test_a_search_goes_on_where_it_was_kept() -> None:
    whole = RateSearch(server(), 10_000_000)
    part = RateSearch(server(), 10_000_000)
    while (qps := whole.next()) is not None:
        assert part.next() == qps
        for search in (whole, part):
            search.took(qps, taking([90 if qps <= 37.0 else 110] * 700))
        part = RateSearch(server(), 1, kept=part.kept())
    assert part.next() is None
    assert (part.trials, part.best_qps, part.answers) == (whole.trials, whole.best_qps, whole.answers)
    assert part.answers == taking([90] * 700)


def test_questions_that_could_not_be_answered_hold_no_rate() -> None:
    search = RateSearch(server(5.0), 1)
    assert not search.took(5.0, tuple(replace(answer, error="no") for answer in taking([90] * 700)))


def test_questions_that_were_given_up_count_as_late() -> None:
    search = RateSearch(server(5.0), 1)
    assert not search.took(5.0, taking([90] * 650), left_waiting_ns=[150] * 12)
    (trial,) = search.trials
    assert (trial.queries, trial.p50_ns, trial.p99_ns) == (662, 90, 150)
