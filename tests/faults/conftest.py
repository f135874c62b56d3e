from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# For the model test by hand: 300 runs of 50 steps.
settings.register_profile(
    "long", max_examples=300, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "results.db"
