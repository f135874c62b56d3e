"""The simulations of bounds, of the search for a rate and of suggestions, at a small size."""

import pytest

from bench.simulations import server, suggestion


def test_bounds_hold_and_no_search_reports_a_rate_at_capacity() -> None:
    bounds = [server._bound(load, 8, 3) for load in (0.5, 0.9)]
    assert all(cell.holds and cell.draws == 8 for cell in bounds), "each trial has a bound"
    repeated = [server._repeated(99, questions, 100, 3) for questions in (334, 700)]
    assert [cell.claims for cell in repeated if cell.holds] == [
        "is announced as undecidable, and has no bound",
        "the 99 % bound holds",
    ]
    beyond, *_ = server._searches(4, 3)
    assert (beyond.draws, beyond.observed) == (4, 0.0)


@pytest.mark.proof
def test_every_statement_on_the_server_scenario_keeps_its_word() -> None:
    found = list(server.cells(draws=400, seed=3))
    assert [cell.row for cell in found if not cell.holds] == []
    loads = [cell.observed for cell in found if "median" in cell.claims]
    assert loads == sorted(loads) and loads[1] > 0.3 and 0.8 < loads[-1] < 1, "a looser bound, a higher rate"


def test_intervals_of_suggested_students_hold() -> None:
    found = list(suggestion.cells(draws=400, seed=3))
    assert len(found) == 6
    assert [cell.row for cell in found if not cell.holds] == []


def test_a_queue_that_is_the_truth_is_that_of_theory() -> None:
    # Kingman's approximation of a busy queue: an exponential wait, with the mean of Pollaczek and Khinchine.
    times = server._file()
    wait = 0.9 * (times**2).mean() / (2 * (1 - 0.9))
    assert server._true_p99(0.9) == pytest.approx(1e7 * wait * 4.6, rel=0.15)
