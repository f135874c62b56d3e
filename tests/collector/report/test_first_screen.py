"""The first screen of a report: few lines, whatever there is to compare."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from bench.results import fleet
from collector.comparison.compare import compare_file
from collector.findings.accuracy import Label
from collector.findings.comparison import Comparison, name_of, place_of
from collector.report.formats.render import render
from collector.report.page import PARTS

MODELS = ("bert-large", "distilbert", "tinybert-6l", "minilm-l12", "minilm-l6")
TITLES = {"bert-large": "BERT-Large", "distilbert": "DistilBERT", "minilm-l6": "MiniLM-L6"}
LABELS = ("high accuracy", "real time", "low resource", "balance")


@pytest.fixture(scope="module")
def of_one_board(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Six rows of one board, as in the demo."""
    database = tmp_path_factory.mktemp("one") / "results.db"
    fleet.build(database, fleet.Fleet(1, 120, models=tuple(TITLES)))
    comparison = compare_file(database)
    rows = [msgspec.structs.replace(row, title=TITLES[row.model]) for row in comparison.rows]
    return msgspec.structs.replace(comparison, rows=tuple(rows))


def boards(
    of_one: Comparison, count: int, best: Sequence[Sequence[int]] | None = None, sharing: int = 1
) -> Comparison:
    """The rows of one board on many, as 6 models in 2 precisions.

    Args:
        of_one: the comparison of one board.
        count: how many boards.
        best: which rows have the four labels on each board; by default the same on all.
        sharing: how many rows share each label.
    """
    six = [msgspec.structs.replace(row, best_for=()) for row in of_one.rows]
    two = [(row, f"{row.model}{again}", f"{row.title}{again}") for row in six for again in ("", "-v2")]
    rows, labels = [], []
    for number in range(count):
        machine = f"Raspberry Pi Compute Module {number} Plus, {number + 1} cores"
        here = [
            msgspec.structs.replace(row, machine=machine, model=model, title=title, f1=80.0 + i)
            for i, (row, model, title) in enumerate(two)
        ]
        for label, first in zip(LABELS, best[number] if best else range(4), strict=True):
            names = tuple(name_of(here[(first + i) % len(here)]) for i in range(sharing))
            labels.append(Label(place=place_of(here[0]), label=label, rows=names))
        rows += here
    return msgspec.structs.replace(of_one, rows=tuple(rows), labels=tuple(labels))


def best_of(lines: Sequence[str]) -> list[str]:
    """The lines below the head of the table of the best models, which the verdict is above."""
    head = next(i for i, line in enumerate(lines) if line.startswith("best for  "))
    assert head > 2, "a verdict"
    return list(lines[head + 1 :])


def lines_of(comparison: Comparison, width: int) -> list[str]:
    lines = render(comparison, "table", width=width).splitlines()
    assert max(map(len, lines)) <= width
    return lines


@pytest.mark.parametrize("width", [80, 100])
def test_one_board_shows_the_answer_and_its_table_on_one_screen(of_one_board: Comparison, width: int) -> None:
    lines = lines_of(of_one_board, width)
    assert len(lines) <= 42
    assert lines[2].startswith("On made up, 4 cores, MiniLM-L6 int8 is the fastest, and no other model")
    assert [line.split("  ")[0] for line in best_of(lines)[:3]] == list(LABELS[:3])
    text = "\n".join(lines)
    for row in of_one_board.rows:
        assert len(re.findall(rf"^{row.title} {row.precision}  ", text, re.MULTILINE)) == 2, "in two parts"
    for heading in ("EM %", "F1 95 %", "p90 ms", "speed-up 95 %", "J/question"):
        assert text.count(heading) == 1
    assert "¹ the lowest p50 of 6 that are not told apart: MiniLM-L6 int8," in text


@pytest.mark.parametrize("width", [80, 100])
def test_boards_with_the_same_answer_share_a_line(of_one_board: Comparison, width: int) -> None:
    lines = lines_of(boards(of_one_board, 10), width)
    assert len(lines) <= 18
    assert [line.split("  ")[0] for line in best_of(lines)[:4]] == list(LABELS)
    assert all("  all 10  " in line for line in best_of(lines)[:4])
    assert " ".join(lines[-2:]).endswith(", ".join(each for each in PARTS if each != "scenarios"))
    assert lines[-2].startswith("More: --full")


@pytest.mark.parametrize("width", [80, 100])
@pytest.mark.parametrize("sharing", [1, 3])
def test_boards_that_all_differ_still_fit_on_one_screen(
    of_one_board: Comparison, width: int, sharing: int
) -> None:
    best = [[board, board + 1, board + 2, board + 3] for board in range(10)]
    lines = lines_of(boards(of_one_board, 10, best, sharing), width)
    assert len(lines) <= 40
    for label in LABELS:
        assert 2 <= sum(line.startswith(label) for line in lines) <= 5
    others = [line for line in lines if "several others" in line]
    assert others and all(" of 10: Rasp" in line for line in others)
    assert "DistilBERT-v2 fp32" in "\n".join(lines), "names of models are whole"
    notes = sum("of 3 that are not told apart" in line for line in lines)
    assert notes == (2 if sharing > 1 else 0), "the lowest p50, and for real time the highest F1"


def test_a_board_with_another_answer_has_a_line_of_its_own(of_one_board: Comparison) -> None:
    best = [[0, 1, 2, 3]] * 9 + [[0, 5, 2, 3]]
    lines = lines_of(boards(of_one_board, 10, best), 140)
    real_time = [re.split(" {2,}", line)[1] for line in lines if line.startswith("real time")]
    assert real_time[0].startswith("9 of 10: Raspberry Pi Compute Module 0 Plus, 1 core")
    assert real_time[1] == "Raspberry Pi Compute Module 9 Plus, 10 cores"


def test_the_first_of_many_boards_without_a_label_are_named(of_one_board: Comparison) -> None:
    ten = boards(of_one_board, 10)
    some = tuple(label for label in ten.labels if "Module 3" not in label.place.machine)
    lines = lines_of(msgspec.structs.replace(ten, labels=some), 100)
    assert "No model can be recommended on Raspberry Pi Compute Module 3 Plus, 4 cores." in lines
    assert "  9 of 10: Raspberry" in best_of(lines)[0]


@pytest.mark.parametrize(("count", "tables"), [(2, 24), (3, 0)])
def test_the_tables_of_two_boards_are_shown_and_those_of_more_if_they_fit(
    of_one_board: Comparison, count: int, tables: int
) -> None:
    text = "\n".join(lines_of(boards(of_one_board, count), 80))
    rows = re.findall(r"^\S+ (?:fp32|int8) ", text, re.MULTILINE)
    assert len(rows) == tables
    assert text.count("\nmodel ") == count * bool(tables), "a table has one part: columns are left out"


def test_a_requirement_is_answered_in_few_lines(tmp_path: Path) -> None:
    database = tmp_path / "results.db"
    fleet.build(database, fleet.Fleet(4, 40, models=MODELS))
    text = "\n".join(lines_of(compare_file(database, require="p50_ms<200"), 100))
    answers = re.findall(r"^on (.+)$", text, re.MULTILINE)
    assert text.count("What meets p50_ms<200") == 1
    assert 1 <= len(answers) <= 4
    nothing = "\n".join(lines_of(compare_file(database, require="p50_ms<1"), 100))
    assert "on all 4: met by nothing, nearest is minilm-l6 int8" in nothing


def test_many_remarks_are_cut_and_counted(of_one_board: Comparison) -> None:
    remarks = tuple(f"remark {number}" for number in range(9))
    lines = lines_of(msgspec.structs.replace(of_one_board, remarks=remarks), 80)
    assert [line for line in lines if line.startswith("remark")] == list(remarks[:4])
    assert "5 more notes: --full" in lines


def test_a_long_name_is_shortened_and_its_numbers_stay(of_one_board: Comparison) -> None:
    rows = [msgspec.structs.replace(row, title=f"{row.title} {'long ' * 40}") for row in of_one_board.rows]
    lines = lines_of(msgspec.structs.replace(of_one_board, rows=tuple(rows)), 80)
    assert len([line for line in lines if "…" in line and re.search(r"\d\.\d", line)]) >= len(rows)
    for before, line in itertools.pairwise(lines):
        assert not (before.startswith("MiniLM") and line.startswith(" "))
