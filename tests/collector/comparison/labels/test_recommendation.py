import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.comparison.labels.recommendation import NOTHING, Candidate, Recommendation, recommend
from collector.statistics.accuracy.ranking import Pairwise
from collector.statistics.accuracy.scores import MeanDifference

CANDIDATES = st.lists(
    st.builds(Candidate, f1=st.floats(0, 100), time=st.floats(0.1, 1e6), memory=st.integers(10**6, 10**9)),
    min_size=2,
    max_size=6,
)


def known_within(noise: float, value: Sequence[float]) -> Pairwise:
    """Compare numbers by themselves: they differ if they are more than `noise` apart."""

    def compare(left: int, right: int) -> MeanDifference:
        found = value[left] - value[right]
        return MeanDifference(found, found - noise, found + noise, 0.0 if abs(found) > noise else 1.0)

    return compare


def recommended(
    candidates: Sequence[Candidate], f1_noise: float = 0.0, time_noise: float = 0.0
) -> Recommendation:
    accuracy = known_within(f1_noise, [c.f1 for c in candidates])
    speed = known_within(time_noise, [-math.log(c.time) for c in candidates])
    return recommend(candidates, accuracy, speed)


TEACHER = Candidate(93.0, 400.0, 900)
DISTILLED = Candidate(87.0, 60.0, 200)
TINY = Candidate(70.0, 15.0, 100)
BAD = Candidate(60.0, 500.0, 50)


def test_by_hand() -> None:
    found = recommended([TEACHER, DISTILLED, TINY, BAD])
    assert found.labels == {
        "high accuracy": (0,),
        "real time": (2,),
        "low resource": (2,),
        "balance": (1,),
    }
    assert found.front == (0, 1, 2)
    assert recommended([TEACHER, BAD]).labels["real time"] == (0,)
    assert recommended([TEACHER]) == recommended([]) == NOTHING


def test_rows_that_are_not_told_apart_share_a_label() -> None:
    int8 = TEACHER._replace(f1=92.5, time=390.0, memory=300)
    found = recommended([TEACHER, DISTILLED, TINY, int8], f1_noise=2.0, time_noise=0.1)
    assert found.labels["high accuracy"] == (0, 3)
    assert found.front == (0, 1, 2, 3), "no row is shown to be both faster and more accurate"


def test_memory_that_differs_by_less_than_runs_do_is_alike() -> None:
    close = DISTILLED._replace(f1=80.0, time=30.0, memory=102), TINY
    assert recommended([TEACHER, *close]).labels["low resource"] == (1, 2)
    unknown = [TEACHER._replace(memory=None), DISTILLED, TINY]
    assert "low resource" not in recommended(unknown).labels


def test_of_two_between_that_may_be_equally_near_both_are_balanced() -> None:
    other = Candidate(86.0, 58.0, 190)
    assert recommended([TEACHER, DISTILLED, other, TINY]).labels["balance"] == (1,)
    assert recommended([TEACHER, DISTILLED, other, TINY], f1_noise=2.0).labels["balance"] == (1, 2)


def test_without_a_comparison_of_two_rows_there_is_no_label() -> None:
    def speed(left: int, right: int) -> MeanDifference | None:
        return None

    accuracy = known_within(0.0, [93.0, 87.0])
    found = recommend([TEACHER, DISTILLED], accuracy, speed)
    assert (found.labels, found.front) == ({"high accuracy": (0,)}, ())


@given(CANDIDATES)
def test_a_row_that_is_worst_at_both_moves_no_label(candidates: list[Candidate]) -> None:
    bad = Candidate(
        min(c.f1 for c in candidates) - 1,
        2 * max(c.time for c in candidates),
        min(c.memory or 0 for c in candidates),
    )
    with_bad = recommended([*candidates, bad])
    assert with_bad == recommended(candidates)


@given(CANDIDATES, st.floats(0, 5), st.floats(0, 0.2))
def test_labels_are_on_the_front_and_do_not_depend_on_the_order(
    candidates: list[Candidate], f1_noise: float, time_noise: float
) -> None:
    found = recommended(candidates, f1_noise, time_noise)
    for label, rows in found.labels.items():
        assert rows
        assert label in {"high accuracy", "real time"} or set(rows) <= set(found.front)
    turned = recommended(candidates[::-1], f1_noise, time_noise)
    last = len(candidates) - 1
    assert {last - i for i in turned.front} == set(found.front)
    for label in ("high accuracy", "real time", "low resource"):
        assert {last - i for i in turned.labels[label]} == set(found.labels[label])


@pytest.mark.parametrize("equal", [2, 5])
def test_equal_rows_share_everything(equal: int) -> None:
    found = recommended([TEACHER] * equal)
    assert set(found.labels.values()) == {tuple(range(equal))}
