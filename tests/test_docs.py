"""The documents say what the code does."""

from pathlib import Path

import pytest

from docs.generate import pages

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("path", sorted(pages()), ids=lambda path: str(path.relative_to(ROOT)))
def test_generated_pages_are_current(path: Path) -> None:
    assert path.read_text() == pages()[path], "run: python -m docs.generate"
