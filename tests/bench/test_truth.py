"""The statements of the report keep their word in simulations, and the documents show what these print."""

import re
from pathlib import Path

import pytest

from bench.simulations.cell import SUMMARY_HEAD, summary
from bench.truth import PARTS, QUICK_DRAWS

STATISTICS = Path(__file__).parents[2] / "docs" / "statistics.md"


def shown(part: str) -> list[str]:
    """The lines of a part's table in the documents."""
    pattern = rf"<!-- bench.truth --only {part} -->\n\n{re.escape(SUMMARY_HEAD)}\n(.*?)\n\n<!-- end -->"
    table = re.search(pattern, STATISTICS.read_text(encoding="utf-8"), re.DOTALL)
    return [] if table is None else table[1].splitlines()


def form(lines: list[str]) -> list[str]:
    """The lines without what was found."""
    return [re.sub(r"[\d.]+( to [\d.]+)?(?= \| [^|]*\|$)", "", line) for line in lines]


@pytest.mark.parametrize("part", ["time", "accuracy", "transfer", "labels"])
def test_the_document_shows_the_statements(part: str) -> None:
    assert shown(part)


@pytest.mark.proof
@pytest.mark.parametrize("part", [part for part in PARTS if shown(part)])
def test_the_documents_table_has_the_situations_of_today(part: str) -> None:
    assert form(shown(part)) == form(summary(list(PARTS[part](5, 1))))


@pytest.mark.proof
@pytest.mark.parametrize("part", ["time", "accuracy", "transfer", "labels"])
def test_every_statement_keeps_its_word(part: str) -> None:
    assert [cell.row for cell in PARTS[part](QUICK_DRAWS, 1) if not cell.holds] == []
