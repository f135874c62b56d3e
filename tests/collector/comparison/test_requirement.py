from typing import Any

import pytest
from msgspec.structs import replace

from collector.comparison.compare import compare
from collector.comparison.requirement import FIELDS, choose
from collector.findings.comparison import Row
from collector.findings.verdict import Verdict
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from tests.collector.delivering import take
from tests.collector.factory import batch, manifest, run_records


@pytest.fixture
def row(store_with_golds: Store) -> Row:
    take(store_with_golds, batch(run_records()))
    score_answers(store_with_golds)
    return compare(store_with_golds).rows[0]


def known(row: Row, **numbers: Any) -> Row:
    """A row whose intervals are as narrow as can be."""
    changed = replace(row, **numbers)
    fields = ("exact_match", "f1", "p50_ms", "p90_ms", "p99_ms")
    values = {field: value for field in fields if (value := getattr(changed, field)) is not None}
    return replace(changed, intervals={field: (value, value) for field, value in values.items()})


def test_rows_that_meet_a_requirement_come_best_first(row: Row) -> None:
    rows = [
        known(row, model="good", f1=90.0, p50_ms=50.0),
        known(row, model="fast", f1=90.0, p50_ms=5.0),
        known(row, model="bad", f1=20.0, p50_ms=1.0),
        known(row, model="other", hardware_class="laptop", f1=80.0),
    ]
    pi, laptop = choose("f1>=85, p50_ms <= 1e2", rows).choices
    assert [name.model for name in pi.met_by] == ["fast", "good"]
    assert (pi.place.hardware_class, pi.nearest, pi.misses) == ("raspberry-pi-5", None, ())
    assert laptop.met_by == ()
    assert laptop.nearest is not None
    assert laptop.nearest.model == "other"
    assert laptop.misses == ("f1 is 80, not >= 85",)


def test_the_nearest_misses_by_the_smallest_part_and_has_its_numbers(row: Row) -> None:
    rows = [
        known(row, model="slow", f1=90.0, p90_ms=300.0),
        known(row, model="weak", f1=85.0, p90_ms=100.0),
        known(row, model="random", f1=None, p90_ms=1.0),
    ]
    (choice,) = choose("f1>88,p90_ms<=150", rows).choices
    assert choice.nearest is not None
    assert choice.nearest.model == "weak"
    (choice,) = choose("f1>88", rows[2:]).choices
    assert choice.misses == ("f1 is not known",)


def test_a_row_whose_interval_holds_the_bound_is_not_decided(row: Row) -> None:
    row = replace(row, answered=100, runs=5)
    rows = [
        known(row, model="sure", f1=90.0),
        replace(row, model="open", f1=87.0, intervals={"f1": (85.0, 89.0), "p50_ms": (9.0, 9.5)}),
        replace(row, model="slow", f1=95.0, intervals={"f1": (93.0, 97.0), "p50_ms": (60.0, 70.0)}),
    ]
    (choice,) = choose("f1>=88,p50_ms<=50", rows).choices
    assert [name.model for name in choice.met_by] == ["sure"]
    ((found,), nearest) = choice.not_decided, choice.nearest
    assert (found.row.model, nearest) == ("open", None)
    (condition,) = found.open
    assert (condition.condition, condition.value, condition.interval) == ("f1>=88", 87.0, (85.0, 89.0))
    assert condition.verdict == Verdict(outcome="not decided", needs=400)


def test_times_are_decided_by_rounds_and_too_few_decide_nothing(row: Row) -> None:
    timed = replace(row, speed_up_rounds=5, p50_ms=10.0, p90_ms=20.0, intervals={"p50_ms": (8.0, 12.0)})
    (choice,) = choose("p50_ms<=11,p90_ms<=1000,rss_mb<=200", [timed]).choices
    p50, p90 = choice.not_decided[0].open
    assert p50.verdict == Verdict(outcome="not decided", needs=20, unit="round")
    assert (p90.interval, p90.verdict.needs) == (None, None)
    (choice,) = choose("speed_up>=2", [replace(row, speed_up=9.0, intervals={})]).choices
    assert choice.not_decided[0].open[0].value == 9.0


def test_every_field_can_be_asked_for(row: Row) -> None:
    (choice,) = choose(",".join(f"{field}>=0" for field in FIELDS), [row]).choices
    assert set(choice.misses) == {
        f"{field} is not known" for field in ("bertscore_f1", "joules_per_question", "joules_per_correct")
    }
    assert FIELDS["rss_mb"](row) == 180.0
    assert FIELDS["size_mb"](row) == pytest.approx(90.7)


def test_a_report_picks_by_it(store_with_golds: Store) -> None:
    for model in ("bert-large", "minilm-l6"):
        take(store_with_golds, batch(run_records(bundle=manifest(model))))
    score_answers(store_with_golds)
    requirement = compare(store_with_golds, require="f1>=10,rss_mb<=200").requirement
    assert requirement is not None
    assert [name.model for name in requirement.choices[0].met_by] == ["bert-large", "minilm-l6"]
    requirement = compare(store_with_golds, require="f1>=50").requirement
    assert requirement is not None
    assert requirement.choices[0].met_by == ()
    assert [found.row.model for found in requirement.choices[0].not_decided] == ["bert-large", "minilm-l6"]
    assert compare(store_with_golds).requirement is None
