from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.faults.boards import Board

# For the model test by hand: 300 runs of 50 steps.
settings.register_profile(
    "long", max_examples=300, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def _boards_end() -> Iterator[None]:
    yield
    for board in list(Board.running):
        board.end()


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "results.db"
