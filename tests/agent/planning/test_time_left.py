from agent.planning.time_left import time_left


def test_nothing_is_known_before_a_run_was_timed() -> None:
    assert time_left({}, 3, 0, 6) == ""


def test_runs_that_were_not_timed_are_taken_to_last_as_long() -> None:
    assert time_left({0: 60.0}, 3, 1, 3) == ", about 2 min left if the other runs take as long"
    assert time_left({0: 60.0, 1: 180.0}, 3, 2, 3) == ", about 2 min left if the other runs take as long"


def test_a_later_round_takes_as_long_as_the_first() -> None:
    taken = {0: 3600.0, 1: 7200.0, 2: 30.0}
    assert time_left(taken, 3, 3, 6) == ", about 3.0 h left"
    assert time_left(taken, 3, 5, 6) == ", about 30 s left"
