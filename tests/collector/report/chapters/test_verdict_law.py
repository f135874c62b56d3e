"""The law of the verdict: a model alone has a superlative only if it has the label alone."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bench.results import fleet
from bench.results.fleet_models import FAMILY, RANDOM
from collector.comparison.compare import compare_file
from collector.findings.accuracy import Label
from collector.findings.between_rows import Place, RowName
from collector.findings.comparison import Comparison, name_of, place_of
from collector.report.chapters.verdict import verdict
from collector.report.formats.render import render
from tests.collector.many_machines import on_many

LABELS: Final = ("real time", "high accuracy", "balance")
NAME: Final = r"(\S+ (?:fp32|int8))"
ALONE: Final = {
    "real time": rf"{NAME} is (?:both )?the fastest",
    "high accuracy": rf"{NAME} is (?:both the fastest and )?the most accurate|most accurate is {NAME}",
    "balance": rf"Between the two is {NAME}|balance of the others is that of {NAME}(?!,| and)",
}
"""How a sentence names a winner."""
SUPERLATIVES: Final = {
    "real time": r"fastest(?! and among| and the most accurate, not)|shown to be faster",
    "high accuracy": r"most accurate|shown to be more accurate",
    "balance": r"Between the two|The best balance",
}
"""How a sentence mentions a label at all."""
SIZES: Final = (
    fleet.Fleet(1, 30, models=tuple(FAMILY), known=FAMILY, random=RANDOM, rounds=3),
    fleet.Fleet(1, 60, models=tuple(FAMILY), known=FAMILY, random=RANDOM, rounds=3),
    fleet.Fleet(1, 400, models=tuple(FAMILY), known=FAMILY, random=RANDOM, rounds=3),
    fleet.Fleet(3, 60, models=("distilbert", "minilm-l12", "minilm-l6")),
    fleet.Fleet(2, 5, models=("bert-large", "minilm-l6")),
    fleet.Fleet(1, 60, models=("bert-large", "minilm-l6"), random=("bert-large", "minilm-l6")),
    fleet.Fleet(1, 60, models=("minilm-l6",), precisions=("fp32",)),
)


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A teacher with two students, and two models with random weights."""
    database: Path = tmp_path_factory.mktemp("family") / "results.db"
    fleet.build(database, SIZES[1])
    return compare_file(database)


def holders(comparison: Comparison, place: Place) -> dict[str, set[str]]:
    """The names of the rows of each label of a place, as a report writes them."""
    titles = {row.model: row.title for row in comparison.rows}
    return {
        found.label: {f"{titles[row.model]} {row.precision}" for row in found.rows}
        for found in comparison.labels
        if found.place == place
    }


def places_of(comparison: Comparison, paragraph: str) -> Iterator[Place]:
    """The places that a paragraph names."""
    for place in dict.fromkeys(place_of(row) for row in comparison.rows if row.runs):
        if paragraph.startswith("On all ") or place.machine in paragraph:
            yield place


def winner(label: str, words: str) -> str | None:
    found = re.search(ALONE[label], words)
    return None if found is None else next(name for name in found.groups() if name)


def check(comparison: Comparison) -> set[str]:
    """Hold the verdict of a comparison against its labels; return what it mentions."""
    seen = set()
    for paragraph in verdict(comparison):
        for place in places_of(comparison, paragraph):
            labels = holders(comparison, place)
            for label in LABELS:
                winners, said = labels.get(label, set()), winner(label, paragraph)
                assert said is None or {said} == winners, (label, winners, paragraph)
                if len(winners) == 1:
                    assert said is not None, (label, winners, paragraph)
                    seen.add(f"{label} alone")
                elif winners:
                    assert re.search(SUPERLATIVES[label], paragraph) or "fastest and" in paragraph
                    assert re.search("not told apart|Not told apart", paragraph)
                    seen.add(f"{label} shared")
                else:
                    seen.add(f"{label} missing")
    for sentence in verdict(comparison, short=True)[:1]:
        assert any(full.startswith(sentence) for full in verdict(comparison))
        for label in LABELS:
            named = {
                name
                for p in places_of(comparison, sentence)
                for name in holders(comparison, p).get(label, ())
            }
            said = winner(label, sentence)
            assert said is None or {said} == named, (label, named, sentence)
    return seen


@pytest.mark.parametrize(
    "size", SIZES, ids=lambda size: f"{size.devices}-{size.questions}-{len(size.models)}"
)
def test_no_winner_is_named_that_the_tests_do_not_confirm(size: fleet.Fleet, tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    fleet.build(database, size)
    comparison = compare_file(database)
    check(comparison)
    screen = render(comparison, "table", width=300)
    table = screen[screen.index("best for  ") :].split("\n\n")[0] if comparison.labels else ""
    for place in dict.fromkeys(map(place_of, comparison.rows)):
        for label, names in holders(comparison, place).items():
            (line, *_) = (line for line in table.splitlines() if line.startswith(label))
            assert (" (one of " in line) == (len(names) > 1)


@st.composite
def labels(draw: st.DrawFn, places: int, rows: int) -> list[Mapping[str, set[int]]]:
    """For each place and label, the numbers of the rows that share it; often the same in all places."""
    chosen = st.fixed_dictionaries({label: st.sets(st.integers(0, rows - 1), max_size=4) for label in LABELS})
    several = draw(st.lists(chosen, min_size=1, max_size=places))
    return [several[number % len(several)] for number in range(places)]


def with_labels(comparison: Comparison, chosen: list[Mapping[str, set[int]]]) -> Comparison:
    found = []
    for place, of_place in zip(dict.fromkeys(map(place_of, comparison.rows)), chosen, strict=True):
        here: list[RowName] = [
            name_of(row) for row in comparison.rows if place_of(row) == place and row.f1 is not None
        ]
        found += [
            Label(place=place, label=label, rows=tuple(here[number] for number in sorted(numbers)))
            for label, numbers in of_place.items()
            if numbers
        ]
    return replace(comparison, labels=tuple(found))


@given(data=st.data(), places=st.integers(1, 4))
def test_whatever_the_labels_are_no_lone_winner_shares_its_label(
    family: Comparison, data: st.DataObject, places: int
) -> None:
    many = on_many(family, places)
    count = sum(row.f1 is not None for row in family.rows)
    check(with_labels(many, data.draw(labels(places, count))))


def test_the_law_sees_each_kind_of_label(family: Comparison) -> None:
    """A reader of sentences that sees nothing would find no fault."""
    seen = set()
    for sharing in ({0}, {0, 1}, {0, 1, 2, 3, 4}, set()):
        for other in ({5}, {4, 5}, {0}, set()):
            of_place = {"real time": sharing, "high accuracy": other, "balance": other}
            seen |= check(with_labels(family, [of_place]))
    assert seen == {f"{label} {what}" for label in LABELS for what in ("alone", "shared", "missing")}
