"""The names of machine types: a reader can tell the rows of two types apart."""

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.store.database import Store
from tests.collector.delivering import take
from tests.collector.factory import batch, device, manifest, run_records

CLASSES = ("raspberry-pi-4", "raspberry-pi-5")


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    """Two boards of one model whose classes are unlike, each with a baseline of its own."""
    for hardware_class, baseline in zip(CLASSES, ("distilbert", "bert-large"), strict=True):
        where = device(f"a-{hardware_class}", hardware_class)
        for model in (baseline, "minilm-l6"):
            records = run_records(bundle=manifest(model), on=where)
            take(store_with_golds, batch(records, device_id=where.device_id))
    return compare(store_with_golds)


def test_a_label_that_two_classes_have_names_the_class(comparison: Comparison) -> None:
    assert {row.machine for row in comparison.rows} == {
        f"Raspberry Pi 5 Model B, 4 cores ({name})" for name in CLASSES
    }


def test_a_label_that_one_class_has_stays_as_it_is(store_with_golds: Store) -> None:
    for number in (1, 2):
        where = device(f"pi-{number}")
        take(store_with_golds, batch(run_records(on=where), device_id=where.device_id))
    (row,) = compare(store_with_golds).rows
    assert row.machine == "Raspberry Pi 5 Model B, 4 cores"


def test_each_class_has_a_chapter_with_its_own_rows(comparison: Comparison) -> None:
    chapters = [chapter for chapter in lay_out(comparison).chapters if chapter.name == "hardware"]
    assert len({chapter.title for chapter in chapters}) == len(chapters) == len(CLASSES)
    models = [{row[0].text for row in chapter.sections[0].tables[0].rows} for chapter in chapters]
    assert models == [{"DistilBERT", "MiniLM-L6"}, {"BERT-Large", "MiniLM-L6"}]


def test_places_that_are_not_told_apart_by_name_have_titles_that_are(comparison: Comparison) -> None:
    """Also those of a made-up comparison, and question files with the same name."""
    rows = tuple(
        replace(row, machine="PC", questions_sha256=f"{number % 2}" * 64)
        for number, row in enumerate(comparison.rows)
    )
    chapters = lay_out(replace(comparison, rows=rows, labels=())).chapters
    titles = [chapter.title for chapter in chapters if chapter.name == "hardware"]
    assert len(set(titles)) == len(titles) == 4
    assert "PC, rivers (raspberry-pi-5, 11111111)" in titles
