"""What a line of `bench.truth` says, and when it holds."""

import pytest

from bench.simulations.cell import HEAD, Cell, Required, share


def test_a_share_has_its_monte_carlo_error() -> None:
    cell = share("steady", "covers", [True] * 95 + [False] * 5, Required(at_least=0.93))
    assert (cell.draws, cell.observed) == (100, 0.95)
    assert cell.error == pytest.approx((97 / 104 * 7 / 104 / 104) ** 0.5)
    assert cell.row == "| steady | covers | 100 | 0.950 | 0.025 | ≥ 0.93 | holds |"
    assert cell.row.count("|") == HEAD.splitlines()[0].count("|")


def test_no_hit_in_few_draws_has_an_error_too() -> None:
    assert share("steady", "covers", [False] * 5).error > 0


@pytest.mark.parametrize(
    ("observed", "required", "holds"),
    [
        (0.93, Required(at_least=0.93), True),
        (0.92, Required(at_least=0.93), True),  # two errors of 0.01 are allowed
        (0.90, Required(at_least=0.93), False),
        (0.07, Required(at_most=0.05), True),
        (0.08, Required(at_most=0.05), False),
        (0.5, Required(), True),
    ],
)
def test_two_monte_carlo_errors_are_allowed(observed: float, required: Required, holds: bool) -> None:
    cell = Cell("steady", "covers", 100, observed, 0.01, required)
    assert cell.holds is holds
    assert ("BROKEN" in cell.row) is not holds
