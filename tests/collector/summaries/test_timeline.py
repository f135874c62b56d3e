"""What the order of a run's records gives, in one round and in several."""

from itertools import accumulate, chain

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.store.database import Store
from collector.store.runs import all_runs
from collector.summaries.run_detail import run_detail
from collector.summaries.run_summary import Derived
from collector.summaries.timeline import _of_rounds, _Sample
from contract.records import Record
from tests.collector.delivering import take
from tests.collector.factory import (
    answer,
    batch,
    round_finished,
    round_started,
    run_of_two_rounds,
    sample,
    started,
)

S = 1_000_000_000


def test_energy_is_summed_over_the_rounds(store: Store) -> None:
    records: list[Record] = [
        started(),
        round_started(1, 0, at_ns=0),
        answer(2, "q1", at_ns=1 * S),
        sample(3, at_ns=2 * S, energy_joules=4.0),
        answer(4, "q2", at_ns=3 * S),
        sample(5, at_ns=4 * S, energy_joules=10.0),
        round_finished(6, 0, at_ns=4 * S),
        round_started(7, 1, at_ns=4 * S),
        answer(8, "q3", at_ns=5 * S),
        sample(9, at_ns=6 * S, energy_joules=2.0),
        answer(10, "q4", at_ns=7 * S),
    ]
    take(store, batch(records, "a" * 32))
    (run,) = all_runs(store)
    timeline = Derived(store).summary(run).timeline
    assert (timeline.joules, timeline.joules_answers) == (12.0, 3)
    joules = [moment.energy_joules for moment in timeline.moments if moment.energy_joules is not None]
    assert joules == [4.0, 10.0, 12.0], "a chart of energy never falls"


def test_a_round_without_a_reading_has_no_energy(store: Store) -> None:
    take(store, batch(run_of_two_rounds(), "a" * 32))
    detail = run_detail(store, "a")
    assert (detail.telemetry.energy_joules, detail.telemetry.energy_answers) == (10.0, 2)
    assert (detail.load_ms, detail.first_ms, detail.peak_rss_bytes) == (300.0, 45.0, 190_000_000)


@given(st.lists(st.lists(st.floats(0, 100), max_size=5), min_size=1, max_size=5))
def test_the_joules_of_a_run_are_those_of_its_rounds(steps: list[list[float]]) -> None:
    rounds = [list(accumulate(each)) for each in steps]
    clock = iter(range(1_000))
    starts: list[tuple[int, int]] = []
    samples: list[_Sample] = []
    for each in rounds:
        starts.append((next(clock), 0))
        samples += [_Sample(next(clock), 0, None, None, None, joules) for joules in each]
    summed, energy = _of_rounds(samples, starts, np.array([], np.int64))
    assert [one.seq for one in summed] == [one.seq for one in samples]
    values = [one.energy_joules for one in summed]
    assert values == sorted(values, key=lambda joules: joules or 0.0)
    assert (energy.joules or 0.0) == pytest.approx(sum(chain.from_iterable(steps)))
