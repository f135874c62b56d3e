"""The verdict in words."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from bench.results import fleet
from bench.results.fleet_models import FAMILY, RANDOM
from collector.comparison.compare import compare_file
from collector.findings.accuracy import Label
from collector.findings.comparison import Comparison, Row, name_of, place_of
from collector.report.chapters.verdict import MOST, verdict
from collector.report.formats.render import render
from tests.collector.many_machines import on_many


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A teacher with two students, and two models with random weights."""
    database: Path = tmp_path_factory.mktemp("family") / "results.db"
    fleet.build(database, fleet.Fleet(1, 60, models=tuple(FAMILY), known=FAMILY, random=RANDOM, rounds=3))
    return compare_file(database)


def labelled(comparison: Comparison, **names: tuple[str, ...]) -> Comparison:
    """The comparison with other labels, each for rows such as `minilm-l6 int8`."""
    rows = {f"{row.model} {row.precision}": row for row in comparison.rows}
    place = place_of(comparison.rows[0])
    labels = [
        Label(place=place, label=label.replace("_", " "), rows=tuple(name_of(rows[name]) for name in of))
        for label, of in names.items()
    ]
    return replace(comparison, labels=tuple(labels))


def row_of(comparison: Comparison, model: str, precision: str) -> Row:
    return next(row for row in comparison.rows if (row.model, row.precision) == (model, precision))


def test_the_fastest_is_compared_with_its_teacher_and_the_most_accurate_is_named(family: Comparison) -> None:
    shown = replace(family, relatives=tuple(replace(one, f1_significant=True) for one in family.relatives))
    (words,) = verdict(
        labelled(
            shown,
            high_accuracy=("minilm-l6 fp32", "minilm-l6 int8"),
            real_time=("minilm-l6-l2 int8",),
            balance=("minilm-l6-l3 int8",),
        )
    )
    student = next(
        one for one in family.relatives if (one.row.model, one.row.precision) == ("minilm-l6-l2", "int8")
    )
    assert student.speed_up_interval is not None and student.f1_kept_interval is not None
    low, high = student.speed_up_interval
    least, most = student.f1_kept_interval
    teacher = row_of(family, "minilm-l6", "int8")
    fast, accurate, between = re.split(r"(?<=\.) (?=[A-Z])", words)
    assert fast == (
        f"On made up, 4 cores, MiniLM-L6-L2 int8 is the fastest: it answers {student.speed_up:.2f} "
        f"({low:.2f} to {high:.2f}) times as fast as its teacher MiniLM-L6 fp32 and keeps "
        f"{student.f1_kept:.1f} % ({least:.1f} to {most:.1f}) of its F1."
    )
    assert accurate == (
        "The most accurate are MiniLM-L6 int8 and MiniLM-L6 fp32, not told apart: MiniLM-L6 int8 has an F1 "
        f"of {teacher.f1:.1f} % and a p50 of {teacher.p50_ms:.1f} ms."
    )
    assert between.startswith("Between the two is MiniLM-L6-L3 int8: it answers ")


def test_one_model_can_be_both_and_a_difference_may_be_chance(family: Comparison) -> None:
    (words,) = verdict(
        labelled(family, high_accuracy=("minilm-l6 fp32", "minilm-l6 int8"), real_time=("minilm-l6 int8",))
    )
    assert words.startswith(
        "On made up, 4 cores, MiniLM-L6 int8 is the fastest, and no other model is shown to be more "
        "accurate: it answers "
    )
    assert "of its F1, a difference that may be chance." in words
    assert words.endswith("Not told apart from it in accuracy: MiniLM-L6 fp32.")


@pytest.mark.parametrize(
    ("fast", "accurate", "sentence"),
    [
        (1, 1, "MiniLM-L6 int8 is both the fastest and the most accurate: it answers"),
        (2, 1, "MiniLM-L6 int8 is the most accurate, and no other model is shown to be faster: it answers"),
        (
            2,
            2,
            "MiniLM-L6 int8 and MiniLM-L6 fp32 are the fastest and the most accurate, not told apart: Mini",
        ),
        (3, 2, "MiniLM-L6 int8 and MiniLM-L6 fp32 are among the fastest and among the most accurate, which"),
        (0, 2, "the most accurate are MiniLM-L6 int8 and MiniLM-L6 fp32, not told apart: MiniLM-L6 int8 has"),
        (0, 1, "the most accurate is MiniLM-L6 int8, with an F1 of"),
        (
            4,
            0,
            "MiniLM-L6 int8, MiniLM-L6 fp32 and 2 more are the fastest, not told apart: MiniLM-L6 int8 ans",
        ),
    ],
)
def test_the_first_sentence_says_who_shares_a_label(
    family: Comparison, fast: int, accurate: int, sentence: str
) -> None:
    names = ("minilm-l6 int8", "minilm-l6 fp32", "minilm-l6-l3 fp32", "minilm-l6-l2 fp32")
    scores = dict(zip(names, (90.0, 80.0, 70.0, 60.0), strict=True))
    rows = tuple(replace(row, f1=scores.get(f"{row.model} {row.precision}", row.f1)) for row in family.rows)
    shown = labelled(
        replace(family, rows=rows),
        **{"real_time": names[:fast]} if fast else {},
        **{"high_accuracy": names[:accurate]} if accurate else {},
    )
    assert verdict(shown)[0].startswith(f"On made up, 4 cores, {sentence}")
    assert (", because not all " in verdict(shown)[0]) == (not fast or not accurate)


def test_where_one_model_is_both_there_are_no_two_to_be_between(family: Comparison) -> None:
    both, third, fourth = "minilm-l6 int8", "minilm-l6-l3 int8", "minilm-l6-l3 fp32"
    for balance, ending in (
        ((third,), "The best balance of the others is that of MiniLM-L6-L3 int8: it answers "),
        (
            (third, fourth),
            "The best balance of the others is that of MiniLM-L6-L3 int8 and MiniLM-L6-L3 fp32, not ",
        ),
    ):
        shown = labelled(family, real_time=(both,), high_accuracy=(both,), balance=balance)
        (words,) = verdict(shown)
        assert ending in words
        assert "Between" not in words


def test_models_are_counted_in_the_right_number(family: Comparison) -> None:
    names = ("minilm-l6 int8", "minilm-l6 fp32", "minilm-l6-l3 fp32")
    two, three = (
        labelled(family, real_time=names[:1], high_accuracy=names[:count]).labels for count in (2, 3)
    )
    for first, second, counted in ((two, two, "MiniLM-L6 fp32."), (two, three, "1 to 2 other models.")):
        both = on_many(family, 2)
        machines = dict.fromkeys(place_of(row).machine for row in both.rows)
        labels = [
            replace(
                label,
                place=replace(label.place, machine=machine),
                rows=tuple(replace(row, machine=machine) for row in label.rows),
            )
            for machine, of_place in zip(machines, (first, second), strict=True)
            for label in of_place
        ]
        (words,) = verdict(replace(both, labels=tuple(labels)))
        assert words.endswith(f"Not told apart from it in accuracy: {counted}")


def test_what_is_counted_is_named(family: Comparison) -> None:
    def other_file(row: Row, number: int) -> Row:
        return replace(row, questions="other", questions_sha256=f"{number:064x}")

    one = labelled(family, real_time=("minilm-l6-l2 int8",), high_accuracy=("minilm-l6 fp32",))
    rows = tuple(other_file(row, 1) for row in one.rows)
    labels = tuple(
        replace(
            label,
            place=replace(label.place, questions="other", questions_sha256=f"{1:064x}"),
            rows=tuple(replace(row, questions_sha256=f"{1:064x}") for row in label.rows),
        )
        for label in one.labels
    )
    both = replace(one, rows=(*one.rows, *rows), labels=(*one.labels, *labels), relatives=())
    (words,) = verdict(both)
    assert words.startswith(
        "On all 2 pairs of machine type and question file, MiniLM-L6-L2 int8 is the fastest."
    )


def test_a_model_without_a_speed_up_keeps_a_part_of_the_other_models_f1(family: Comparison) -> None:
    one = labelled(family, real_time=("minilm-l6-l2 int8",), high_accuracy=("minilm-l6 fp32",))
    slow = replace(one, relatives=tuple(replace(found, speed_up=None) for found in one.relatives))
    assert (
        " is the fastest: it keeps 87.3 % (77.9 to 101.2) of its teacher MiniLM-L6 fp32's F1"
        in verdict(slow)[0]
    )
    half = list(on_many(one, 2).relatives)
    last = max(number for number, found in enumerate(half) if found.row.model == "minilm-l6-l2")
    half[last] = replace(half[last], speed_up=None)
    (words,) = verdict(replace(on_many(one, 2), relatives=tuple(half)))
    assert " is the fastest: it keeps 87.3 % of its teacher MiniLM-L6 fp32's F1, a" in words


def test_without_labels_a_speed_up_is_said_and_nothing_recommended(family: Comparison) -> None:
    (words,) = verdict(replace(family, labels=()))
    assert re.fullmatch(
        r"On made up, 4 cores, no model can be recommended, although MiniLM-L6-L2 int8 answers [\d.]+ "
        r"\([\d.]+ to [\d.]+\) times as fast as BERT-Large fp32\.",
        words,
    )
    assert verdict(replace(family, labels=(), baselines=())) == ()


def test_machines_with_the_same_answer_share_a_paragraph_and_there_are_few(family: Comparison) -> None:
    one = labelled(family, high_accuracy=("minilm-l6 fp32",), real_time=("minilm-l6-l2 int8",))
    (words,) = verdict(on_many(one, 10))
    assert words.startswith("On all 10 machine types, MiniLM-L6-L2 int8 is the fastest")
    ten = on_many(one, 10)
    partial = replace(
        ten,
        rows=tuple(
            replace(row, partial=True) if row.machine == ten.rows[-1].machine else row for row in ten.rows
        ),
    )
    assert verdict(partial) == (words,), "a machine that is not ready yet has the same models"
    labels = []
    for number, label in enumerate(ten.labels):
        here = [row for row in ten.rows if place_of(row) == label.place and row.f1 is not None]
        machine, accuracy = divmod(number, 2)
        chosen = here[(machine // 3 if accuracy else machine) % len(here)]
        labels.append(replace(label, rows=(name_of(chosen),)))
    many = replace(ten, labels=tuple(labels))
    assert len(verdict(many)) == MOST
    assert re.fullmatch(r"The answers differ on \d more of the 10 machine types\.", verdict(many)[-1])
    short = verdict(many, short=True)
    assert len(short) == 2
    assert verdict(many)[0].startswith(short[0])


def test_every_format_for_people_has_the_same_words(family: Comparison) -> None:
    (words,) = verdict(family)
    (short,) = verdict(family, short=True)
    assert words.startswith(short)
    assert " ".join(render(family, "table", width=80).split()).count(short) == 1
    assert words in " ".join(render(family, "table", part="full").split())
    assert words in render(family, "html")
    assert short.split(":")[0] in render(family, "markdown")
