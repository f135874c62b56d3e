"""The server scenario: bounds of a percentile, and the search for a rate.

The reader is simulated: a file of 334 questions whose times are log-normal, with 3 % of noise on every
answer. The truth is a queue of millions of these questions. Judging a rate replays it a hundred times, so
there are fewer draws than in the other parts.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import cycle
from statistics import NormalDist
from typing import Final

import numpy as np

from agent.planning.selection import shuffled
from agent.stopping.queue_replay import Floats, sojourns_ns
from agent.stopping.rate_search import RateSearch, arrivals_ns
from agent.stopping.rate_trial import tried
from agent.stopping.stop_rule import hopeless
from agent.stopping.tally import Tally
from bench.simulations.cell import Cell, Required, share
from bench.simulations.served import served
from contract.questions import Question
from contract.records import Answer, Settings

_QUESTIONS: Final = 334
_SPREAD: Final = 0.7
"""Standard deviation of the logarithm of a question's time, as in the demo's file."""
_NOISE: Final = 0.03
_MEAN_NS: Final = 1e7
_TRUTH: Final = 3_000_000
"""Questions of the queue that is the truth."""
_TRIALS_PER_DRAW: Final = 0.1
_SEARCHES_PER_DRAW: Final = 0.25
_FEWEST: Final = 20
_HOLDS: Final = Required(at_least=0.98)
_LATE: Final = Required(at_most=0.02)
_LOADS: Final = (0.5, 0.7, 0.8, 0.9, 0.95)
_FEW: Final = (40, 100, 334, 700)
_LIMITS: Final = (6.0, 10.0, 20.0, 1000.0)
"""Latency bounds of the searches, in mean times of a question; the last forbids nothing below capacity."""


def cells(draws: int, seed: int) -> Iterator[Cell]:
    """Simulate every situation.

    Args:
        draws: how many runs are drawn for each situation.
        seed: seed of the random draws.
    """
    for percent in (90, 99):
        for questions in _FEW:
            yield _repeated(percent, questions, _fewer(draws, _TRIALS_PER_DRAW), seed)
    for load in _LOADS:
        yield _bound(load, _fewer(draws, _TRIALS_PER_DRAW), seed)
    yield from _searches(_fewer(draws, _SEARCHES_PER_DRAW), seed)


def _fewer(draws: int, share_of_them: float) -> int:
    return max(_FEWEST, int(draws * share_of_them))


def _repeated(percent: int, questions: int, draws: int, seed: int) -> Cell:
    """Single-stream: the questions are drawn from a wide population, and asked three times each."""
    name = f"single-stream, {questions} questions, asked three times, p{percent}"
    settings = _settings(percentile=percent, scenario="single-stream")
    undecidable = hopeless(settings, questions) is not None
    random = np.random.default_rng(seed)
    spread = math.hypot(_SPREAD, _NOISE)
    truth = _MEAN_NS * math.exp(spread * NormalDist().inv_cdf(percent / 100))
    outcomes = []
    for _ in range(draws):
        lengths = np.tile(random.normal(0, _SPREAD, questions), 3)
        times = _MEAN_NS * np.exp(lengths + random.normal(0, _NOISE, 3 * questions))
        tally = Tally(settings.scenario, left_out=0)
        one_by_one = np.concatenate(([0.0], np.cumsum(times)[:-1]))
        tally.add(served(one_by_one, times, [*range(questions)] * 3), 0, {})
        (bound,) = (found.value_ns for found in tally.outcome().bounds if found.percent == percent)
        outcomes.append(bound is None if undecidable else bound is not None and bound >= truth)
    if undecidable:
        return share(name, "is announced as undecidable, and has no bound", outcomes, Required(1.0))
    return share(name, "the 99 % bound holds", outcomes, _HOLDS)


def _bound(load: float, draws: int, seed: int) -> Cell:
    """Server: one trial at a rate that keeps the reader busy for this share of the time."""
    qps = 1e9 * load / _MEAN_NS
    truth = _true_p99(load)
    held = []
    for draw in range(draws):
        search = RateSearch(_settings(qps=qps, seed=seed * draws + draw), int(_MEAN_NS))
        count = search.queries(qps, None)
        answers = _answers(qps, count, seed * draws + draw)
        bound = tried(qps, answers, (), 0, draw).trial.bound_ns
        if bound is not None:
            held.append(bound >= truth)
    name = f"server, load {load:g}, {count:,} questions, {len(held)} of {draws} trials have a bound"
    return share(name, "the 99 % bound of p99 holds", held or [False], _HOLDS)


def _searches(draws: int, seed: int) -> Iterator[Cell]:
    """Whole searches: warm-ups of ten questions or of one, and latency bounds from tight to none."""
    found: list[tuple[float, float]] = []
    for draw, limit in zip(range(draws), cycle(_LIMITS), strict=False):
        random = np.random.default_rng((seed, draw))
        warm_up = random.choice(_file(), 10 if draw % 3 else 1).mean()
        settings = _settings(seed=seed * draws + draw, latency_bound_ns=int(limit * _MEAN_NS))
        search = RateSearch(settings, int(_MEAN_NS * warm_up))
        while (qps := search.next()) is not None:
            search.record(qps, _answers(qps, search.queries(qps, None), settings.seed))
        found.append((limit, (search.best_qps or 0.0) * _MEAN_NS / 1e9))
    beyond = sum(load >= 1 for _, load in found)
    claims = "reports a rate at or above capacity"
    yield Cell("server, search for a rate", claims, draws, beyond / draws, 0.0, Required(at_most=0.0))
    for limit in _LIMITS:
        loads = [load for of, load in found if of == limit]
        name = f"server, search for a rate, p99 within {limit:g} mean times"
        if limit < max(_LIMITS):
            late = [_true_p99(math.floor(100 * load) / 100) > limit * _MEAN_NS for load in loads if load]
            yield share(name, "p99 is above the bound at the rate that is reported", late or [True], _LATE)
        yield Cell(name, "load at the rate that is reported, median", len(loads), _median(loads), 0.0)


def _answers(qps: float, count: int, seed: int) -> tuple[Answer, ...]:
    random = np.random.default_rng(seed)
    asked = [int(question.id) for question in shuffled(_questions(), seed, count)]
    times = _MEAN_NS * _file()[asked] * np.exp(random.normal(0, _NOISE, count))
    return served(np.array(arrivals_ns(qps, count, seed), np.float64), times)


@cache
def _file() -> Floats:
    """The times of the questions of the file, with a mean of 1, noise included."""
    times: Floats = np.exp(np.random.default_rng(0).normal(0, _SPREAD, _QUESTIONS))
    times /= times.mean() * np.exp(_NOISE**2 / 2)
    return times


@cache
def _questions() -> tuple[Question, ...]:
    return tuple(
        Question(id=str(number), question="", context="", title="", golds=()) for number in range(_QUESTIONS)
    )


@cache
def _true_p99(load: float) -> float:
    random = np.random.default_rng(0)
    times = random.choice(_file(), _TRUTH) * np.exp(random.normal(0, _NOISE, _TRUTH))
    arrivals = np.cumsum(random.exponential(1 / load, _TRUTH))
    return _MEAN_NS * float(np.quantile(sojourns_ns(arrivals, times)[_TRUTH // 10 :], 0.99))


def _median(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _settings(scenario: str = "server", **changes: object) -> Settings:
    return Settings(
        scenario=scenario,
        decoding="pipeline",
        max_tokens=384,
        stride_tokens=128,
        max_answer_tokens=15,
        threads=1,
        warmup_questions=10,
        **{"seed": 0, **changes},  # type: ignore[arg-type]
    )
