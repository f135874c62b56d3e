import csv
import io
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

from collector.compare import compare
from collector.comparison import Comparison, Row
from collector.report.columns import COLUMNS, DASH, lay_out
from collector.report.render import render
from collector.report.table import table
from collector.scoring import score_answers
from collector.store import Store
from contract.bundle import Weights
from tests.collector.delivering import take
from tests.collector.factory import batch, device, finished, manifest, run_records, started

SCRIPT = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HOSTILE = f'=HYPERLINK("x")|{SCRIPT}]\x1b[31m\u202e`*_'


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    reader, noise = Weights(origin="adapter", source="s"), Weights(origin="random", source="s")
    for model, precision, slower, weights in (
        ("bert-large", "fp32", 20.0, noise),
        ("minilm-l6", "fp32", 1.0, reader),
        ("minilm-l6", "int8", 0.5, reader),
    ):
        bundle = manifest(model, precision, weights=weights)
        text = "1,094 km" if precision == "fp32" else "1,094"
        told = [("q1", "sea", 1234.5), ("q2", text, 120.25), ("q3", "Hamburg", 14.0), ("q4", "Dresden", 3.0)]
        take(store_with_golds, batch(run_records([(q, t, ms * slower) for q, t, ms in told], bundle)))
    score_answers(store_with_golds)
    return compare(store_with_golds)


@pytest.fixture
def hostile(store_with_golds: Store) -> Comparison:
    where = device(hardware_class=HOSTILE)
    take(store_with_golds, batch(run_records(bundle=manifest(title=HOSTILE), on=where)))
    failed = finished(1, 0, status="failed", reason=HOSTILE)
    take(store_with_golds, batch((started(manifest("other", title=f"@{HOSTILE}"), where), failed)))
    score_answers(store_with_golds)
    return compare(store_with_golds)


class Cells(HTMLParser):
    """The cells of the first table of each section, by row."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self._in_cell = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag == "tr":
            self.rows.append([])
        self._in_cell = tag == "td"
        if self._in_cell:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = False

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


def test_all_formats_say_the_same_numbers(comparison: Comparison) -> None:
    expected = [[cell.marked for cell in cells] for cells in lay_out(comparison).sections[0].cells]
    assert len(expected) == 3
    lines = render(comparison, "table").splitlines()
    assert [re.split(r" {2,}", line) for line in lines[2:5]] == expected
    markdown = [line for line in render(comparison, "markdown").splitlines() if line.startswith("| ")]
    assert [line.strip("| ").split(" | ") for line in markdown[2:]] == expected
    cells = [row for row in Cells(render(comparison, "html")).rows if len(row) == len(COLUMNS)]
    assert cells == expected

    full = json.loads(render(comparison, "json"))["rows"]
    assert msgspec.convert(full, type=tuple[Row, ...]) == comparison.rows
    for row, record in zip(full, csv.DictReader(io.StringIO(render(comparison, "csv"))), strict=True):
        for field in record.keys() & row.keys() - {"marks", "notes"}:
            text, value = record[field], row[field]
            if isinstance(value, bool):
                assert text == str(value).lower(), field
            elif isinstance(value, int | float):
                assert float(text) == value, field
            elif value is None:
                assert text == "", field
            elif isinstance(value, str):
                assert text == value, field
    assert [row["best_for"] for row in full] == [[], ["high accuracy"], ["real time", "low resource"]]


def test_a_narrow_terminal_gets_every_cell_in_lines_that_fit(comparison: Comparison) -> None:
    text = table(comparison, 80)
    for cells in lay_out(comparison).sections[0].cells:
        for cell in cells:
            assert cell.marked in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_dash_has_a_footnote_and_the_footnote_is_there(comparison: Comparison) -> None:
    page = lay_out(comparison)
    cells = dict(zip((c.key for c in COLUMNS), page.sections[0].cells[0], strict=True))
    assert cells["f1"].text == DASH
    (number,) = cells["f1"].notes
    assert page.footnotes[number - 1].startswith("random weights")
    assert "¹ random weights" in render(comparison, "table")


@pytest.mark.parametrize("form", ["table", "markdown", "csv", "json", "html"])
def test_a_report_of_nothing_is_a_report(store: Store, form: str) -> None:
    assert render(compare(store), form)


def test_a_terminal_and_a_cell_see_no_control_characters(hostile: Comparison) -> None:
    for form in ("table", "markdown", "csv"):
        text = render(hostile, form)
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\x1b[31m" not in render(hostile, "table", terminal=True)


def test_markup_in_names_stays_text(hostile: Comparison) -> None:
    markdown = render(hostile, "markdown")
    assert "<script" not in markdown
    assert not re.search(r"(?<!\\)`", markdown)
    table_rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in table_rows} == {len(COLUMNS) + 1}


def test_no_cell_of_csv_starts_a_formula(hostile: Comparison) -> None:
    rows = list(csv.reader(io.StringIO(render(hostile, "csv"))))
    texts = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.e+-]+", cell)]
    assert any(cell.startswith("'=HYPERLINK") for cell in texts)
    assert any(cell.startswith("'@=HYPERLINK") for cell in texts)
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@"))]


def test_html_allows_our_scripts_only_and_asks_for_nothing(hostile: Comparison) -> None:
    text = render(hostile, "html")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    ours = text.replace("plotly", "")
    assert "<script>document" not in ours
    assert "<img" not in ours.split("<script")[0]
    assert not re.search(r"<(link|iframe|script[^>]*src)", ours.split("<script>")[0])


@pytest.mark.browser
def test_a_browser_draws_every_chart_and_runs_no_planted_script(hostile: Comparison, tmp_path: Path) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("no Chromium here")
    page = tmp_path / "report.html"
    page.write_text(render(hostile, "html"))
    options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}", "--dump-dom"]
    command = [browser, *options, "--enable-logging=stderr", "--virtual-time-budget=5000", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert "CONSOLE" not in done.stderr
    assert "<title>distilbench report</title>" in done.stdout
    drawn = re.findall(r'<div class="chart js-plotly-plot"', done.stdout)
    assert len(drawn) == len(re.findall(r'id="chart-\d+"', page.read_text())) == 3
