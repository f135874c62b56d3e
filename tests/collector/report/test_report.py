import csv
import html
import io
import itertools
import json
import re
import unicodedata

import msgspec
import pytest
import yaml
from rich.cells import cell_len

from collector.comparison.compare import compare
from collector.display.run_page import run_page
from collector.findings.accuracy import Label
from collector.findings.comparison import Comparison, Row, name_of, place_of
from collector.report.chapters.hardware import main_sections
from collector.report.formats.render import render
from collector.report.formats.table import table as terminal_table
from collector.report.layout import Page, lay_out
from collector.report.page import DASH, PARTS, Section, letter, mark, without_details
from collector.store.database import Store
from collector.summaries.refresh import score_answers
from collector.summaries.run_detail import run_detail
from contract.bundle import Weights
from contract.records import Outcome
from tests.collector.delivering import take
from tests.collector.factory import answer, batch, device, finished, manifest, run_records, sample, started
from tests.collector.report.papers.latex_reader import joined, latex_tables
from tests.collector.reports import (
    HtmlTables,
    Rows,
    hostile,
    loaded,
    minutes,
    tables,
    texts,
    three_models,
    under_load,
)

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


@pytest.fixture
def attack(store_with_golds: Store) -> Comparison:
    return hostile(store_with_golds)


def place(comparison: Comparison) -> Section:
    """The section of the first hardware."""
    return next(c for c in lay_out(comparison).chapters if c.anchor == "place-1").sections[0]


def html_tables(page: Page) -> list[Rows]:
    """The tables of a page as HTML writes them: the marks of footnotes are letters in brackets."""
    found = []
    for chapter in page.chapters:
        for section in chapter.sections:
            shown = [*section.tables, *(figure.table for figure in section.figures)]
            found += [
                [
                    [cell.text + "".join(f" [{letter(note)}]" for note in cell.notes) for cell in row]
                    for row in table.rows
                ]
                for table in shown
                if table.rows and not table.blocks
            ]
    return found


def markdown_tables(markdown: str) -> list[Rows]:
    found = []
    for block in re.findall(r"(?:^\| .*\n)+", markdown, re.MULTILINE):
        rows = [re.split(r"(?<!\\) \| ", line[2:-2]) for line in block.splitlines()[2:]]
        found.append([[html.unescape(re.sub(r"\\(.)", r"\1", cell)) for cell in row] for row in rows])
    return found


def test_markdown_and_html_show_what_was_laid_out(comparison: Comparison) -> None:
    page = lay_out(comparison)
    assert [chapter.anchor for chapter in page.chapters] == [
        "answer",
        "place-1",
        "scenarios",
        "evidence",
        "study",
        "questions",
        "method",
        "provenance",
    ]
    written = HtmlTables(render(comparison, "html"))
    assert sorted(written.tables) == sorted(html_tables(page))
    (bundles,), (runs,) = (section.tables for section in page.chapters[-1].sections)
    for row in (*texts(bundles), *texts(runs)):
        assert all(text in written.text for text in row), "as blocks"
    assert markdown_tables(render(comparison, "markdown")) == [
        texts(table) for chapter in page.chapters for section in chapter.sections for table in section.tables
    ]


def test_the_study_is_printed_as_its_authors_print_it(comparison: Comparison) -> None:
    (table,) = next(c for c in lay_out(comparison).chapters if c.anchor == "study").sections[0].tables
    assert [" | ".join(row) for row in texts(table)[:3]] == [
        "the study | BERT-Large | ~340 | 24 | teacher | 83.2 | 92.8 | 1.0x | high accuracy",
        "the study | DistilBERT | ~66 | 6 | logits, hidden states and attention; task-agnostic | 77.4 "
        "| 89.0 | ~5.8x | real time, low resource",
        "the study | MiniLM | ~33 | 6 | self-attention and value matrices; task-specific | 79.4 "
        "| 90.7 | ~4.6x | balance",
    ]


def test_a_terminal_shows_what_was_laid_out(comparison: Comparison) -> None:
    lines = [re.split(r" {2,}", line) for line in render(comparison, "table", part="full").splitlines()]
    for chapter in lay_out(comparison).chapters:
        for section in chapter.sections:
            for shown in section.tables:
                assert [row for row in texts(shown) if row not in lines] == []


def test_a_part_is_a_chapter_and_all_parts_are_the_whole(comparison: Comparison) -> None:
    assert tuple(dict.fromkeys(chapter.name for chapter in lay_out(comparison).chapters)) == PARTS
    remarks = "".join(f"{remark}\n" for remark in comparison.remarks)
    parts = [render(comparison, "table", part=part).removesuffix(remarks) for part in PARTS]
    assert "".join(parts) + remarks == render(comparison, "table", part="full")


def test_one_model_leaves_nothing_to_choose(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    comparison = compare(store_with_golds)
    for form in ("table", "markdown", "html"):
        assert "no model can be recommended" in render(comparison, form)
    assert "best for  model" not in render(comparison, "table")


def test_the_first_screen_answers_and_names_the_other_chapters(comparison: Comparison) -> None:
    text = render(comparison, "table")
    titles = [line for line, below in itertools.pairwise(text.splitlines()) if below == "─" * len(line)]
    assert titles == ["Which model on which hardware"]
    assert "What meets f1>=99" in text and "Every model on every hardware" not in text
    names = ", ".join(PARTS)
    assert text.splitlines()[-1] == f"More: --full, --format html for charts, or --section with {names}"
    lines = [re.split(r" {2,}", line) for line in text.splitlines()]
    (section,) = main_sections(comparison)
    for row in texts(section.tables[0]):
        assert row in lines
    footnotes = [[f"{mark(number)} {note}"] for number, note in enumerate(section.footnotes, start=1)]
    assert [line for line in lines if line[0][:1] in SUPERSCRIPTS and line != [""]] == footnotes
    assert len(footnotes) < len(place(comparison).footnotes)


def test_json_and_csv_hold_the_full_numbers(comparison: Comparison) -> None:
    full = json.loads(render(comparison, "json"))
    assert msgspec.convert(full, type=Comparison) == comparison
    records = csv.DictReader(io.StringIO(render(comparison, "csv")))
    for row, record in zip([*full["rows"], *full["scenarios"]], records, strict=True):
        for field in record.keys() & row.keys() - {"marks", "notes", "rates", "loadgen"}:
            text, value = record[field], row[field]
            if isinstance(value, bool):
                assert text == str(value).lower(), field
            elif isinstance(value, int | float):
                assert float(text) == value, field
            elif value is None:
                assert text == "", field
            elif isinstance(value, str):
                assert text == value, field
        for field, (low, high) in row["intervals"].items():
            assert (float(record[f"{field}_low"]), float(record[f"{field}_high"])) == (low, high)
    assert [row["best_for"] for row in full["rows"]] == [[], [], []], "four questions tell nothing apart"


def test_the_cells_are_the_numbers_rounded(comparison: Comparison) -> None:
    section = place(comparison)
    (shown,) = section.tables
    cells = {heading.text: [row[i].text for row in shown.rows] for i, heading in enumerate(shown.headings)}
    rows: tuple[Row, ...] = comparison.rows
    assert cells["F1 %"] == [DASH, *(f"{row.f1:.1f}" for row in rows[1:])]
    assert cells["p50 ms"] == [f"{row.p50_ms:,.1f}" for row in rows]
    assert cells["p99 ms"] == ["24,690.0", "1,234.5", "617.2"]
    assert cells["speed-up"] == ["1.00x", "20.00x", "40.00x"]
    assert cells["memory MB"] == ["180.0"] * 3
    for figure in section.figures:
        for row in texts(figure.table):
            for text in row[2:]:
                assert any(text in column for column in cells.values()) or figure.title in {
                    "Distribution of times",
                    "Temperature over each run",
                }


def test_numbers_that_were_worked_out_by_hand_are_in_every_format(store_with_golds: Store) -> None:
    """The baseline takes 100, 200, 300 and 400 ms, and another model 10, 12, 14 and 30."""
    reader = Weights(origin="adapter", source="s")
    golds = [("q1", "North Sea"), ("q2", "1,094 km"), ("q3", "Dresden and Hamburg"), ("q4", "Dresden")]
    slow = [(question, text, 100.0 * place) for place, (question, text) in enumerate(golds, start=1)]
    take(store_with_golds, batch(run_records(slow, manifest("bert-large", weights=reader))))
    take(store_with_golds, batch(run_records(bundle=manifest(weights=reader))))
    score_answers(store_with_golds)
    comparison = compare(store_with_golds)
    # EM 2 of 4; F1 of 1, 2/3, 1/2 and 1; nearest ranks 2, 4 and 4; geometric mean of 10,
    # 16.7, 21.4 and 13.3; 4 in 66 ms
    worked_out = {
        "EM %": "50.0",
        "F1 %": "79.2",
        "p50 ms": "12.0",
        "p90 ms": "30.0",
        "p99 ms": "30.0",
        "per second": "60.61",
        "speed-up": "14.77x",
        "F1 per ms": "6.6",
        "load ms": "300",
        "memory MB": "180.0",
        "size MB": "90.7",
    }
    (shown,) = place(comparison).tables
    headings = [heading.text for heading in shown.headings]
    name = ["MiniLM-L6", "fp32"]
    as_html = next(
        rows[-1]
        for rows in HtmlTables(render(comparison, "html")).tables
        if rows and rows[-1][:2] == name and len(rows[-1]) == len(headings)
    )
    as_markdown = next(t for t in markdown_tables(render(comparison, "markdown")) if t and t[-1][:2] == name)[
        -1
    ]
    on_terminal = [re.split(r" {2,}", line) for line in render(comparison, "table", part="full").splitlines()]
    as_lines = next(line for line in on_terminal if line[:2] == name)
    parts = latex_tables(render(comparison, "latex", part="hardware"))
    as_latex = joined(parts, names=2)[-1]
    for cells in (as_html, as_markdown, as_lines, as_latex):
        unmarked = (re.sub(r"[⁰¹²³⁴⁵⁶⁷⁸⁹ ]+$| \[[a-z]\]", "", cell) for cell in cells)
        found = dict(zip(headings, unmarked, strict=True))
        assert {heading: found[heading] for heading in worked_out} == worked_out
    full = {
        "exact_match": 50.0,
        "f1": 100 * (1 + 2 / 3 + 1 / 2 + 1) / 4,
        "p50_ms": 12.0,
        "p90_ms": 30.0,
        "p99_ms": 30.0,
        "questions_per_second": 4000 / 66,
        "speed_up": (100 * 200 * 300 * 400 / (10 * 12 * 14 * 30)) ** (1 / 4),
        "f1_per_ms": 100 * (1 + 2 / 3 + 1 / 2 + 1) / 4 / 12,
        "load_ms": 300.0,
        "peak_rss_bytes": 180_000_000,
        "size_bytes": 90_700_000,
    }
    metrics = yaml.safe_load(render(comparison, "model-index"))["model-index"][1]["results"][0]["metrics"]
    assert {m["name"].partition(",")[0]: m["value"] for m in metrics} == {
        "Exact Match": 50.0,
        "F1": 79.2,
        "p50 time per question": 12.0,
        "p90 time per question": 30.0,
        "p99 time per question": 30.0,
        "Speed-up": 14.77,
        "Peak memory": 180.0,
    }
    as_json = json.loads(render(comparison, "json"))["rows"][1]
    as_csv = list(csv.DictReader(io.StringIO(render(comparison, "csv"))))[1]
    assert {field: as_json[field] for field in full} == pytest.approx(full)
    assert {field: float(as_csv[field]) for field in full} == pytest.approx(full)


def test_a_time_of_nothing_is_in_no_chart_of_logarithms(comparison: Comparison) -> None:
    first, second, *rest = comparison.rows
    rows = (first, msgspec.structs.replace(second, p50_ms=0.0), *rest)
    for shown in (rows, rows[1:2]):
        assert render(msgspec.structs.replace(comparison, rows=shown), "html")


def test_models_with_the_same_title_get_distinct_names(comparison: Comparison) -> None:
    rows = tuple(msgspec.structs.replace(row, title="R&D", precision="fp32") for row in comparison.rows)
    section = place(msgspec.structs.replace(comparison, rows=rows[:2]))
    assert [row[0].text for row in section.tables[0].rows] == ["R&D (bert-large)", "R&D (minilm-l6)"]
    time = next(figure for figure in section.figures if figure.title == "Time per question")
    assert time.traces[1]["y"] == ["R&amp;D (bert-large) fp32", "R&amp;D (minilm-l6) fp32"]


def test_names_are_shortened_in_charts_and_escaped_there_alone(store_with_golds: Store) -> None:
    title = f"<b>{'x' * 90}"
    records = run_records(bundle=manifest(title=title))
    take(store_with_golds, batch(records))
    take(store_with_golds, batch(under_load("sustained", Outcome(), minutes(), bundle=manifest(title=title))))
    score_answers(store_with_golds)
    page = lay_out(compare(store_with_golds))
    figures = [figure for chapter in page.chapters for s in chapter.sections for figure in s.figures]
    short = f"&lt;b&gt;{'x' * 17}…{'x' * 14} fp32"
    for figure in figures:
        assert figure.table.rows[0][0].text in {title, f"{title} fp32"}
        names = {trace["name"].split(", ")[0] for trace in figure.traces if "name" in trace}
        assert names <= {short, "F1", "EM", "p50", "p90", "p99", "Pareto front"}
    assert len(figures) == 6


def test_a_run_with_one_temperature_has_a_point(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    heat = next(f for f in place(compare(store_with_golds)).figures if f.title == "Temperature over each run")
    assert [trace["mode"] for trace in heat.traces] == ["markers"]
    assert "No sample shows a throttled processor" in heat.summary


def test_a_page_sums_up_its_contents(store_with_golds: Store) -> None:
    take(store_with_golds, batch(run_records()))
    one = compare(store_with_golds)
    assert "UTC · 1 row on 1 kind of hardware · baseline minilm-l6 fp32" in render(one, "html")
    loaded(store_with_golds)
    found = msgspec.structs.replace(compare(store_with_golds), rows=())
    assert "UTC · 4 runs under load · baseline minilm-l6 fp32" in render(found, "html")


def test_random_weights_are_in_no_chart_and_no_table_of_accuracy(comparison: Comparison) -> None:
    page = lay_out(comparison)
    for figure in place(comparison).figures:
        names = {row[0].text for row in figure.table.rows}
        assert ("BERT-Large" in names) == (figure.title == "Time per question"), figure.title
    for row in tables(page)[0]:
        assert "BERT-Large" not in row[2]


def test_a_narrow_terminal_gets_every_cell_in_lines_that_fit(comparison: Comparison) -> None:
    text = terminal_table(comparison, 80, part="full")
    (shown,) = place(comparison).tables
    for row in shown.rows:
        for cell in row:
            assert cell.marked in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_narrow_terminal_breaks_no_hash_and_no_label(comparison: Comparison) -> None:
    provenance = terminal_table(comparison, 80, part="provenance")
    for found in comparison.provenance:
        assert f"    {found.bundle_sha256}\n" in provenance
    labels = tuple(
        Label(place=place_of(row), label=label, rows=tuple(map(name_of, comparison.rows)))
        for row in comparison.rows[:1]
        for label in ("high accuracy", "real time", "low resource")
    )
    all_of_them = tuple(
        msgspec.structs.replace(row, best_for=tuple(label.label for label in labels))
        for row in comparison.rows
    )
    shared = msgspec.structs.replace(comparison, rows=all_of_them, labels=labels)
    answer = terminal_table(shared, 80, part="answer")
    assert answer.count("Raspberry Pi 5 Model B, 4 cores\n") == 1, "a heading, not a column"
    assert "high accuracy (one of 3), real time (one of 3), low resource (one of 3)\n" in answer
    assert answer.count("\nmodel ") == 1, "one table: nothing of it is repeated"


@pytest.mark.parametrize("part", ["first-screen", *PARTS])
def test_long_names_and_wide_letters_fit_a_narrow_terminal(attack: Comparison, part: str) -> None:
    rows = tuple(
        msgspec.structs.replace(row, title=f"{'日本語' * 9} {row.title}", machine="Raspberry Pi " * 9)
        for row in attack.rows
    )
    text = terminal_table(msgspec.structs.replace(attack, rows=rows), 80, part=part)
    assert max(map(cell_len, text.splitlines())) <= 80


def test_a_dash_has_a_footnote_and_the_footnote_is_there(comparison: Comparison) -> None:
    section = place(comparison)
    (shown,) = section.tables
    f1 = [heading.text for heading in shown.headings].index("F1 %")
    cell = shown.rows[0][f1]
    assert cell.text == DASH
    assert section.footnotes[cell.notes[0] - 1].startswith("random weights")
    assert f"{cell.marked[1:]} random weights" in render(comparison, "table")


@pytest.mark.parametrize(
    ("form", "part"),
    [("table", part) for part in ("first-screen", "full", "hardware", "scenarios")]
    + [("markdown", "full"), ("html", "full")],
)
def test_footnotes_are_numbered_without_gaps(store_with_golds: Store, form: str, part: str) -> None:
    three_models(store_with_golds)
    take(store_with_golds, batch(under_load("offline", None, [answer(1, "q1")])))
    comparison = compare(store_with_golds)
    pattern = r'<li id="note-\S+" value="(\d+)">' if form == "html" else rf"^([{SUPERSCRIPTS}]+) "
    found = re.findall(pattern, render(comparison, form, part=part), re.MULTILINE)
    numbers = [int(unicodedata.normalize("NFKC", number)) for number in found]
    assert numbers
    for before, number in itertools.pairwise([0, *numbers]):
        assert number in {1, before + 1}, numbers


def test_every_footnote_has_a_cell(comparison: Comparison) -> None:
    for chapter in lay_out(comparison).chapters:
        for section in chapter.sections:
            for shown in (section, without_details(section)):
                notes = {
                    n for table in shown.tables for row in table.rows for cell in row for n in cell.notes
                }
                assert sorted(notes) == list(range(1, len(shown.footnotes) + 1))


def test_one_of_each_is_singular(store_with_golds: Store) -> None:
    bundle = manifest(weights=Weights(origin="adapter", source="s", training_articles=("Kenya",)))
    small = msgspec.structs.replace(bundle.architecture, layers=1)
    first = started(msgspec.structs.replace(bundle, architecture=small), device(cores=1))
    records = (answer(1, "q1", "", error="no window fits"), answer(2, "q2", "1,094", tokens=1))
    marked = answer(3, "q3", "Hamburg", marks=("throttled",))
    take(store_with_golds, batch((first, *records, marked, finished(4, 3, errors=1)), "a" * 32))
    score_answers(store_with_golds)
    comparison = compare(store_with_golds)
    written = [render(comparison, form, part="full") for form in ("table", "markdown", "html")]
    page = run_page(run_detail(store_with_golds, "a"))
    for text in (*written, page):
        assert re.search(r"\b1 (answer|error)\b", text)
        plural = (
            r"(?<![\d.,])1 (answers|articles|cores|errors|kinds|layers|rows|runs|timings|tokens|windows)\b"
        )
        assert not re.search(plural, text)


@pytest.mark.parametrize("form", ["table", "markdown", "latex", "model-index", "csv", "json", "html"])
def test_a_report_of_nothing_is_a_report(store: Store, form: str) -> None:
    assert render(compare(store), form)


def test_a_terminal_and_a_cell_see_no_control_characters(attack: Comparison) -> None:
    for form in ("table", "markdown", "csv"):
        text = render(attack, form)
        assert "\x1b" not in text
        assert "\u202e" not in text
    assert "\x1b[31m" not in render(attack, "table", width=80, colour=True)


def test_markup_in_names_stays_text(attack: Comparison) -> None:
    markdown = render(attack, "markdown")
    assert "<script" not in markdown
    assert not re.search(r"(?<!\\)`", markdown)
    cells_of_row = re.compile(r"(?<!\\)\|")
    for block in re.findall(r"(?:^\| .*\n)+", markdown, re.MULTILINE):
        assert len({len(cells_of_row.findall(line)) for line in block.splitlines()}) == 1


def test_no_cell_of_csv_starts_a_formula(attack: Comparison) -> None:
    rows = list(csv.reader(io.StringIO(render(attack, "csv"))))
    found = [cell for row in rows for cell in row if not re.fullmatch(r"-?[\d.e+-]+", cell)]
    assert any(cell.startswith("'=HYPERLINK") for cell in found)
    assert any(cell.startswith("'@=HYPERLINK") for cell in found)
    assert not [cell for cell in found if cell.startswith(("=", "+", "-", "@"))]


def test_html_allows_only_our_scripts_and_requests_nothing(attack: Comparison) -> None:
    text = render(attack, "html")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src &#39;none&#39;; script-src &#39;sha256-")
    assert "<script>document" not in text
    assert "<img" not in text
    assert not re.search(r"<(link|iframe|script[^>]*src)", text)
    scripts = re.findall(r"<script(.*?)>", text)
    assert [kind for kind in scripts if "json" not in kind] == [
        ' type="application/octet-stream" id="plotly"',
        "",
    ]


def test_a_page_contains_plotly_only_if_it_has_a_chart(comparison: Comparison) -> None:
    empty = render(msgspec.structs.replace(comparison, rows=(), labels=(), scenarios=()), "html")
    assert 'id="plotly"></script>' in empty and len(empty) < 100_000
    assert len(re.findall(r"sha256-", empty)) == 1, "only our own script may run"
    for shown in (comparison, msgspec.structs.replace(comparison, rows=(), labels=())):
        page = render(shown, "html")
        assert 'class="chart"' in page and len(page) > 1_000_000
        assert len(re.findall(r"sha256-", page)) == 2


def test_the_table_of_times_has_the_quantiles_that_it_names(store: Store) -> None:
    ms = [100, 200, 300, 400, 500, 600, 700, 800, 900, 1000, *range(1100, 4100, 100)]  # 40 times, shuffled:
    take(store, batch(run_records([(f"q{7 * t % 41}", "x", t) for t in ms])))
    shown = next(f for f in place(compare(store)).figures if f.title == "Distribution of times").table
    assert [heading.text for heading in shown.headings][1:] == [
        "5% within ms",
        "25% within ms",
        "50% within ms",
        "75% within ms",
        "95% within ms",
    ]
    assert texts(shown)[0][1:] == ["200.0", "1,000.0", "2,000.0", "3,000.0", "3,800.0"], "not 6, 26, 76, 96 %"


def test_a_run_is_throttled_in_a_share_of_its_answers(store: Store) -> None:
    answers = [
        answer(2 * n + 1, f"q{n}", ms=10.0, at_ns=n * 10**9, marks=("throttled",) if n < 2 else ())
        for n in range(12)
    ]
    # Two of twelve answers; but in all parts of the run but a few, a sample saw it.
    seen = [sample(2 * n + 2, at_ns=n * 10**9, throttle=("throttled",)) for n in range(12)]
    between = [record for pair in zip(answers, seen, strict=True) for record in pair]
    take(store, batch((started(), *between, finished(25, 12))))
    heat = next(f for f in place(compare(store)).figures if f.title == "Temperature over each run").table
    row = dict(zip([h.text for h in heat.headings], texts(heat)[0], strict=True))
    assert (row["answers"], row["answers throttled"]) == ("12", "16.7 %")
    assert (row["last / first p50"], row["95 %"]) == (DASH, DASH), "12 answers are too few"


def test_every_chart_has_words_and_a_table(comparison: Comparison) -> None:
    figures = place(comparison).figures
    assert [figure.title for figure in figures] == [
        "Accuracy against time",
        "Exact Match and F1",
        "Time per question",
        "Distribution of times",
        "Temperature over each run",
    ]
    text = render(comparison, "html")
    for figure in figures:
        assert figure.table.rows
        assert f'role="img" aria-label="{html.escape(figure.summary)}"' in text
