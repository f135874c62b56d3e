import re
import subprocess
from pathlib import Path

import msgspec
import pytest

from collector.findings.comparison import Comparison
from collector.report.chapters.study import summary
from collector.report.charts.colours import ModelColours
from collector.report.formats.render import render
from collector.report.papers.poster import MOST_ROWS
from collector.report.papers.poster_figures import poster_figures
from collector.store.database import Store
from contract.study import STUDY
from tests.collector.command import invoked
from tests.collector.reports import HtmlTables, hostile, three_models
from tests.installed import module, program


@pytest.fixture(autouse=True)
def _matplotlib() -> None:
    module("matplotlib")


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


def printed(text: str, folder: Path) -> bytes:
    """The PDF that a browser prints of a page."""
    (folder / "poster.html").write_text(text)
    target = folder / "poster.pdf"
    command = [
        program("chromium", "google-chrome"),
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--no-pdf-header-footer"),
        f"--user-data-dir={folder / 'profile'}",
        f"--print-to-pdf={target}",
        (folder / "poster.html").as_uri(),
    ]
    subprocess.run(command, capture_output=True, timeout=120, check=True)
    return target.read_bytes()


def many(comparison: Comparison, count: int) -> Comparison:
    """As many rows with long names as asked for, of one machine."""
    row = next(row for row in comparison.rows if row.f1 is not None)
    name = "A distilled model with quite a long name"
    rows = tuple(
        msgspec.structs.replace(row, model=f"m{n}", title=f"{name} {n}", bertscore_f1=0.9, speed_up=1.0 + n)
        for n in range(count)
    )
    return msgspec.structs.replace(comparison, rows=rows)


@pytest.mark.browser
@pytest.mark.parametrize(
    "count", [pytest.param(0, marks=pytest.mark.proof), pytest.param(3, marks=pytest.mark.proof), 20]
)
def test_it_is_one_page_of_a3(comparison: Comparison, tmp_path: Path, count: int) -> None:
    shown = comparison if count == 3 else many(comparison, count)
    pdf = printed(render(shown, "poster"), tmp_path)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1
    (box,) = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", pdf)
    assert [float(side) for side in box] == pytest.approx([841.9, 1190.6], abs=1)


def test_the_study_is_beside_this_report(comparison: Comparison) -> None:
    page = HtmlTables(render(comparison, "poster"))
    table = page.tables[0]
    expected = [[cell.text for cell in row] for row in summary(comparison, comparison.rows).rows]
    assert [row[1:] for row in table] == [row[1:] for row in expected]
    assert [row[0] for row in table] == ["the study"] * len(STUDY) + ["this report"] * 3
    assert "for questions like these 4" in page.text
    words = " ".join(page.text.split())
    assert "A sample question: Rivers" in words and "Gold answer: 1,094 km" in words
    assert "The data set" in words and "words per context" in words
    for source in comparison.provenance:
        assert source.bundle_sha256[:12] in words


def test_its_figures_are_those_of_the_study_with_both_numbers(comparison: Comparison) -> None:
    figures = {f.title: f for f in poster_figures(comparison.rows, ModelColours(comparison))}
    assert list(figures) == ["Exact Match and F1", "Time per question", "Speed-up"]
    f1, em = figures["Exact Match and F1"].traces
    assert f1["y"] == [
        "BERT-Large, the study",
        "DistilBERT, the study",
        "MiniLM, the study",
        "MiniLM-L6 fp32",
        "MiniLM-L6 int8",
    ]
    assert f1["text"] == ["92.8", "89.0", "90.7", "79.2", "70.8"]
    assert em["text"][:3] == ["83.2", "77.4", "79.4"]
    assert "Without an accuracy: BERT-Large fp32." in figures["Exact Match and F1"].summary
    row = comparison.rows[1]
    assert row.f1 is not None
    low, high = row.intervals["f1"]
    whiskers = f1["error_x"]
    assert (whiskers["arrayminus"][3], whiskers["array"][3]) == pytest.approx((row.f1 - low, high - row.f1))
    (speed_up,) = figures["Speed-up"].traces
    assert dict(zip(speed_up["y"], speed_up["text"], strict=True)) == {
        "BERT-Large, the study": "~1.0x",
        "BERT-Large fp32": "1.00x",
        "DistilBERT, the study": "~5.8x",
        "MiniLM, the study": "~4.6x",
        "MiniLM-L6 fp32": "20.00x",
        "MiniLM-L6 int8": "40.00x",
    }
    with_scores = many(comparison, 2)
    titles = [f.title for f in poster_figures(with_scores.rows, ModelColours(with_scores))]
    assert titles[2] == "BERTScore F1"


def test_what_is_not_on_it_is_said(comparison: Comparison) -> None:
    some = many(comparison, MOST_ROWS + 3)
    elsewhere = msgspec.structs.replace(some.rows[0], machine="Another machine")
    text = render(msgspec.structs.replace(some, rows=(elsewhere, *some.rows)), "poster")
    assert "Not shown: 3 more rows of this machine." in text
    assert "The report also has 1 row of other machines or question files; --hardware and --device" in text
    assert "on Another machine" not in text


def test_its_machine_is_one_that_answered_the_sample(comparison: Comparison) -> None:
    (file,) = comparison.questions
    assert file.sample is not None and file.sample.answers
    elsewhere = tuple(msgspec.structs.replace(row, machine="Another machine") for row in comparison.rows)
    both = msgspec.structs.replace(comparison, rows=(*elsewhere, *comparison.rows))
    text = render(both, "poster")
    assert file.sample.answers[0].text in text and "on Raspberry Pi 5" in text
    without = render(msgspec.structs.replace(comparison, rows=elsewhere), "poster")
    assert "A sample question" in without and "given by" not in without


def test_an_attack_stays_text(store_with_golds: Store) -> None:
    text = render(hostile(store_with_golds), "poster")
    assert "<script" not in text and "\x1b" not in text and "\u202e" not in text
    assert not re.search(r"(?:src|href)=\"(?!data:)", text)


def test_the_command_writes_it(comparison: Comparison, database: Path, tmp_path: Path) -> None:
    del comparison
    target = tmp_path / "poster.html"
    done = invoked("report", "--format", "poster", "--to", target, "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote {target}\n")
    assert "@page { size: A3 portrait" in target.read_text()
