"""The HTML report in a real Chromium."""

import base64
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from bench.results import fleet
from bench.results.fleet_models import FAMILY, KNOWN, RANDOM
from collector.comparison.compare import compare_file
from collector.findings.comparison import Comparison
from collector.report.formats.render import render
from collector.report.layout import lay_out
from collector.store.database import Store
from tests.chromium import Chromium, chromium
from tests.collector.many_machines import on_many
from tests.collector.reports import hostile, three_models

pytestmark = pytest.mark.browser

PHONE_PIXELS = 360
FIRST_SCREEN_CPU_SECONDS = 6.0
"""Far above what a page takes: 13 s of a browser's main thread when it laid out what is folded."""
TALLEST_PIXELS = 4000

DRAWN = "document.documentElement.classList.contains('drawn')"
ALL_DRAWN = "[...document.querySelectorAll('.chart')].every((c) => c.matches('.js-plotly-plot'))"
OPEN_ALL = "document.querySelectorAll('details').forEach((d) => { d.open = true; })"
SHOW_ALL = "document.querySelectorAll('figure[hidden]').forEach((f) => { f.hidden = false; }); show()"
IN_VIEW = "!c.closest('details:not([open]), [hidden]')"
ALL_IN_VIEW = (
    f"[...document.querySelectorAll('.chart')].every((c) => !({IN_VIEW}) || c.matches('.js-plotly-plot'))"
)
PLACE = "document.querySelector('#place-1').closest('details')"

Open = Callable[..., Chromium]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with chromium(tmp_path_factory.mktemp("profile")) as tab:
        yield tab


@pytest.fixture
def load(browser: Chromium, tmp_path: Path) -> Open:
    """Return a function that loads a report in a window and waits until its first screen is drawn."""

    def load(comparison: Comparison, width: int = 1280, height: int = 900, dark: bool = False) -> Chromium:
        page = tmp_path / "page.html"
        page.write_text(render(comparison, "html"))
        browser.complaints.clear()
        browser.requests.clear()
        browser.resize(width, height, dark=dark)
        browser.open(page)
        browser.wait_for(DRAWN)
        return browser

    return load


@pytest.fixture(scope="module")
def of_one_board(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Six models in two precisions on one board, with a requirement."""
    database = tmp_path_factory.mktemp("one") / "results.db"
    fleet.build(database, fleet.Fleet(1, 60, models=tuple(KNOWN)))
    return compare_file(database, require="p50_ms<60")


@pytest.fixture
def canary() -> Iterator[HTTPServer]:
    """A server that records all requests."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:  # the library's name
            asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            """Nothing: a request fails the test."""

    asked: list[str] = []
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = asked  # type: ignore[attr-defined]  # for the test
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_page_that_requests_something_is_detected(
    browser: Chromium, canary: HTTPServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{canary.server_port}/x.png"
    page = tmp_path / "page.html"
    page.write_text(f"<!doctype html><img src={url}>")
    browser.open(page)
    browser.wait_for("document.readyState === 'complete'")
    assert url in browser.requests
    assert canary.asked == ["/x.png"]  # type: ignore[attr-defined]  # of the fixture


def test_every_chart_is_drawn_when_it_is_opened_and_can_be_saved(store_with_golds: Store, load: Open) -> None:
    comparison = three_models(store_with_golds)
    tab = load(comparison)
    figures = [f for c in lay_out(comparison).chapters for s in c.sections for f in s.figures]
    count = "document.querySelectorAll('.js-plotly-plot').length"
    assert tab.value(count) == sum(figure.first for figure in figures) == 1
    tab.value(OPEN_ALL)
    tab.wait_for(ALL_DRAWN)
    assert tab.value(count) == len(figures) == 7
    buttons = (
        "[...document.querySelectorAll('.files button')].filter((b) => b.textContent.includes('PNG')).length"
    )
    assert tab.value(buttons) == 7
    kinds = {"svg": b"<svg", "png": b"\x89PNG"}
    for kind, start in kinds.items():
        picture = tab.value(f"picture(document.querySelector('#chart-0'), '{kind}')")
        head, _, data = picture.partition(",")
        text = base64.b64decode(data) if head.endswith("base64") else decoded(data)
        assert start in text[:300]
        assert kind == "png" or b"Accuracy against time" in text
    assert tab.complaints == []


def decoded(data: str) -> bytes:
    from urllib.parse import unquote

    return unquote(data).encode()


def test_no_planted_script_runs_and_nothing_is_requested(
    store_with_golds: Store, load: Open, canary: HTTPServer
) -> None:
    url = f"http://127.0.0.1:{canary.server_port}/"
    attack = (
        f"\"'><script>document.title='owned'</script><img src={url} onerror=\"document.title='owned'\">"
        f'</script><svg onload="document.title=\'owned\'"><a href="javascript:alert(1)">x</a>{{{{7*7}}}}'
    )
    tab = load(hostile(store_with_golds, attack), dark=True)
    tab.value(OPEN_ALL)
    tab.wait_for(ALL_DRAWN)
    assert tab.value("document.title").startswith("distilbench report: ")
    assert tab.value("document.querySelectorAll('img, a[href^=javascript], svg[onload]').length") == 0
    assert "{{7*7}}" in tab.value("document.body.textContent")
    assert tab.complaints == []
    assert tab.requests == canary.asked == []  # type: ignore[attr-defined]  # of the fixture


def test_every_model_has_its_name_above_a_map_of_machines(of_one_board: Comparison, load: Open) -> None:
    two = on_many(of_one_board, 2)
    tab = load(two)
    seen = "[...document.querySelectorAll('#chart-0 .xtick text')].filter((t) => t.checkVisibility())"
    names = {f"{row.title} {row.precision}" for row in two.rows if row.p50_ms}
    assert set(tab.value(f"{seen}.map((t) => t.textContent)")) == names
    edge = "document.querySelector('#chart-0').getBoundingClientRect().right"
    assert tab.value(f"{seen}.every((t) => t.getBoundingClientRect().right <= {edge})")


def test_ten_machines_open_at_a_glance_and_every_chart_draws(of_one_board: Comparison, load: Open) -> None:
    before = load(of_one_board).cpu_seconds()
    ten = on_many(of_one_board, 10)
    tab = load(ten)
    used = tab.cpu_seconds() - before
    assert used < FIRST_SCREEN_CPU_SECONDS
    assert tab.value("document.documentElement.scrollHeight") <= TALLEST_PIXELS
    tables = "[...document.querySelectorAll('.chapter .tools')].length"
    charts = "[...document.querySelectorAll('.js-plotly-plot')].length"
    assert (tab.value(charts), tab.value(tables)) == (2, 0), "the heat map and one machine's trade"
    tab.value("location.hash = 'place-7'")
    tab.wait_for(f"[...document.querySelectorAll('.chart')].filter((c) => {IN_VIEW}).length > 2")
    tab.wait_for(ALL_IN_VIEW)
    opened = "[...document.querySelectorAll('details.chapter[open] h2')].map((h) => h.id)"
    assert tab.value(opened) == ["place-7"]
    tab.value("document.querySelector('.choice select').selectedIndex = 1")
    tab.value("document.querySelector('.choice select').dispatchEvent(new Event('change'))")
    tab.wait_for("document.querySelector('#chart-1').matches('.js-plotly-plot')")
    shown = "[...document.querySelectorAll('.choice figure:not([hidden]) h4')].map((h) => h.textContent)"
    titles = tab.value(shown)
    assert titles[0] == "F1 per ms"
    assert titles[1].startswith("Accuracy against time, Raspberry Pi Compute Module 1, 4 cores")
    tab.value("location.hash = 'first-place-7'")
    tab.wait_for(f"{shown}[1].startsWith('Accuracy against time, Raspberry Pi Compute Module 7, 4 cores')")
    tab.wait_for("document.querySelector('#first-place-7 .chart').matches('.js-plotly-plot')")
    assert tab.complaints == []


@pytest.mark.proof
def test_fifty_machines_work(of_one_board: Comparison, load: Open) -> None:
    fifty = on_many(of_one_board, 50)
    tab = load(fifty, width=390, height=844)
    cells = [(row.machine, row.model) for row in fifty.rows]
    heat = "document.querySelector('#chart-0').data[0].z.flat().length"
    assert tab.value(heat) == len(cells) == 600
    assert tab.value("document.documentElement.scrollWidth") == 390
    tab.value("document.querySelector('#place-50').closest('details').open = true")
    tab.wait_for(ALL_IN_VIEW)
    assert tab.complaints == []


def test_students_are_joined_to_their_teacher_and_the_front_is_seen(tmp_path: Path, load: Open) -> None:
    database = tmp_path / "results.db"
    fleet.build(database, fleet.Fleet(1, 80, models=tuple(FAMILY), known=FAMILY, random=RANDOM, rounds=3))
    tab = load(compare_file(database))
    lines = json.loads(
        tab.value(
            "JSON.stringify(document.querySelector('#chart-0').data.filter((t) => t.mode === 'lines')"
            ".map((t) => [t.name, t.x.length]))"
        )
    )
    names = [name for name, _ in lines]
    assert names == ["Pareto front", "student and its teacher", "student and its teacher"]
    assert lines[0][1] >= 3, "a step line to the edges, even if one point is on the front"
    assert "BERT-Large fp32" in tab.value("document.querySelector('figcaption p').textContent")
    assert "as its teacher MiniLM-L6 fp32" in tab.value("document.querySelector('.verdict').textContent")


def test_a_wide_table_keeps_its_names_and_can_be_sorted_and_searched(
    of_one_board: Comparison, load: Open
) -> None:
    tab = load(of_one_board, width=800)
    tab.value(f"{PLACE}.open = true")
    tab.wait_for(f"{PLACE}.querySelector('.tools') !== null")
    tab.value(
        f"window.table = {PLACE}.querySelector('table');"
        "window.scroll_ = table.closest('.scroll'); scroll_.scrollLeft = 400"
    )
    lefts = (
        "[...table.rows[1].cells].slice(0, 2)"
        ".map((c) => c.getBoundingClientRect().left - scroll_.getBoundingClientRect().left)"
    )
    first, second = tab.value(lefts)
    assert (first, second > 50) == (0, True), "model and precision stay"
    heads = "[...table.tHead.rows[0].cells].filter((c) => c.offsetWidth).map((c) => c.textContent)"
    short = tab.value(heads)
    assert short[:4] == ["model", "precision", "best for", "questions"]
    assert "load ms" not in short
    tab.value(f"{PLACE}.querySelector('.tools input[type=checkbox]').click()")
    assert "load ms" in tab.value(heads)
    assert "nearest" not in tab.value("table.tHead.textContent")
    column = "[...table.tHead.rows[0].cells].findIndex((c) => c.textContent === 'p50 ms')"
    assert tab.value(f"table.tHead.rows[0].cells[{column}].title").startswith("Median time")
    times = f"[...table.tBodies[0].rows].map((r) => numberOf(textOf(r.cells[{column}])))"
    given = tab.value(times)
    for wanted in (sorted(given), sorted(given, reverse=True), given):
        tab.value(f"table.tHead.rows[0].cells[{column}].querySelector('button').click()")
        assert tab.value(times) == wanted
    tab.value(
        f"window.filter = {PLACE}.querySelector('input[type=search]');"
        "filter.value = 'minilm int8'; filter.dispatchEvent(new Event('input'))"
    )
    assert tab.value("[...table.tBodies[0].rows].filter((r) => !r.hidden).length") == 2
    note = "table.querySelector('a.note')"
    assert tab.value(f"/^\\[[a-z]\\]$/.test({note}.textContent)")
    assert tab.value(f"document.querySelector({note}.getAttribute('href')).textContent === {note}.title")


MEASURE_NAMES = """(() => {
  const chart = document.querySelector("#chart-0");
  const names = [...chart.querySelectorAll(".annotation-text-g rect.bg")];
  const boxes = names.map((name) => name.getBoundingClientRect());
  const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return {
    names: boxes.length,
    overlaps: boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => over(a, b))).length,
    ticks: [...chart.querySelectorAll(".xtick text")].map((text) => text.textContent),
  };
})()"""


def test_names_of_ten_models_lie_beside_each_other_and_ticks_are_whole_numbers(
    store_with_golds: Store, load: Open
) -> None:
    comparison = three_models(store_with_golds)
    row = comparison.rows[1]
    rows = tuple(
        msgspec.structs.replace(
            row,
            model=f"m{n}",
            title=f"Reader-{n} of ten",
            f1=70 + 9 * n % 20,
            p50_ms=9.0 * 1.4**n,
            intervals={},
        )
        for n in range(10)
    )
    crowd = msgspec.structs.replace(comparison, rows=rows)
    named = "document.querySelectorAll('#chart-0 .annotation').length"
    tab = load(crowd)
    tab.wait_for(f"{named} > 5")
    wide = tab.value(MEASURE_NAMES)
    tab = load(crowd, width=PHONE_PIXELS)
    tab.wait_for(f"{named} >= 4")
    phone = tab.value(MEASURE_NAMES)
    assert (wide["names"], wide["overlaps"], phone["overlaps"]) == (10, 0, 0)
    assert phone["names"] >= 5
    assert wide["ticks"] == ["5", "10", "20", "50", "100", "200"]


MEASURE_PAPER = """(() => {
  const texts = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const scroll = document.querySelector("#place-1").closest("details").querySelector(".scroll");
  const before = scroll.innerHTML;
  const whole = texts(scroll.querySelector("table"));
  window.dispatchEvent(new Event("beforeprint"));
  const parts = [...scroll.querySelectorAll(".part")].map(texts);
  const numbers = [...document.querySelectorAll(".bartext")].map((text) => (
    text.getBoundingClientRect().height
  ));
  const widths = [...document.querySelectorAll(".chart .main-svg")].map((svg) => svg.clientWidth);
  window.dispatchEvent(new Event("afterprint"));
  const after = scroll.innerHTML;
  const [widest, lowest] = [Math.max(...widths), Math.min(...numbers)];
  return { whole, parts, widest, lowest, restored: before === after };
})()"""


def test_paper_gets_what_is_open_with_wide_tables_in_parts_and_charts_of_its_width(
    store_with_golds: Store, load: Open, tmp_path: Path
) -> None:
    tab = load(three_models(store_with_golds), width=1200)
    tab.paper(tmp_path / "folded.pdf")
    tab.value(f"{PLACE}.open = true")
    tab.wait_for(ALL_IN_VIEW)
    tab.value(f"table = {PLACE}.querySelector('table'), table.classList.add('all')")
    found = tab.value(MEASURE_PAPER)
    whole, parts = found["whole"], found["parts"]
    assert len(parts) > 1
    for row, line in enumerate(whole):
        assert all(part[row][:2] == line[:2] for part in parts)
        assert line[:2] + [cell for part in parts for cell in part[row][2:]] == line
    assert 300 < found["widest"] < 718
    assert found["lowest"] > 7
    assert found["restored"]
    tab.paper(tmp_path / "open.pdf")
    sizes = [(tmp_path / name).read_bytes().count(b"/Type /Page\n") for name in ("folded.pdf", "open.pdf")]
    assert 1 <= sizes[0] < sizes[1]


def test_a_phone_scrolls_tables_and_nothing_else(store_with_golds: Store, load: Open) -> None:
    tab = load(three_models(store_with_golds), width=PHONE_PIXELS, height=700)
    tab.value(OPEN_ALL)
    tab.wait_for(ALL_DRAWN)
    assert tab.value("document.documentElement.scrollWidth - innerWidth") == 0
