from collector.statistics.accuracy.ranking import ranking
from collector.statistics.accuracy.scores import MeanDifference


def difference(value: float, p_value: float) -> MeanDifference:
    return MeanDifference(value, value - 1, value + 1, p_value)


def test_all_that_are_not_shown_to_be_worse_may_be_the_best() -> None:
    found = {(0, 1): difference(1, 0.2), (0, 2): difference(5, 0.001), (1, 2): difference(4, 0.02)}
    ranked = ranking(3, lambda left, right: found[left, right])
    assert ranked is not None
    assert ranked.beats == {(0, 2), (1, 2)}
    assert ranked.best(3) == (0, 1)
    assert ranked.differences[2, 0] == MeanDifference(-5, -6, -4, 0.001)


def test_the_number_of_tests_is_accounted_for() -> None:
    ranked = ranking(4, lambda left, right: difference(1, 0.02))
    assert ranked is not None
    assert ranked.beats == frozenset()
    assert ranked.best(4) == (0, 1, 2, 3)


def test_two_that_cannot_be_compared_leave_no_ranking() -> None:
    assert ranking(3, lambda left, right: None if right == 2 else difference(1, 0.001)) is None


def test_one_is_the_best() -> None:
    ranked = ranking(1, lambda left, right: None)
    assert ranked is not None and ranked.best(1) == (0,)
