"""The HTML report in a real Chromium."""

import html
import json
import re
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from collector.report.formats.render import render
from collector.report.layout import lay_out
from collector.store.database import Store
from tests.collector.reports import hostile, three_models
from tests.installed import program

pytestmark = pytest.mark.browser

OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--virtual-time-budget=8000",
    "--dump-dom",
)
PHONE_PIXELS = 360

Dump = Callable[..., tuple[str, str]]


@pytest.fixture
def dump(tmp_path: Path) -> Dump:
    """Return a function that loads a page and returns the resulting document and the browser's log."""
    browser = program("chromium", "google-chrome")

    def load(text: str, *options: str) -> tuple[str, str]:
        page = tmp_path / "page.html"
        page.write_text(text)
        profile = f"--user-data-dir={tmp_path / 'profile'}"
        command = [browser, *OPTIONS, profile, *options, page.as_uri()]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        return done.stdout, done.stderr

    return load


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


def drawn(document: str) -> int:
    return len(re.findall(r'<div class="chart js-plotly-plot"', document))


def asked_by_pages(netlog: Path) -> set[str]:
    """List what pages requested; the browser's own requests have no origin and are left out."""
    events = json.loads(netlog.read_text())["events"]
    requests = [e["params"] for e in events if isinstance(e.get("params"), dict) and "url" in e["params"]]
    return {r["url"] for r in requests if r.get("initiator") not in {None, "not an origin"}}


def test_a_page_that_requests_something_is_detected(dump: Dump, canary: HTTPServer, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{canary.server_port}/x.png"
    netlog = tmp_path / "net.json"
    dump(f"<!doctype html><img src={url}>", f"--log-net-log={netlog}")
    assert asked_by_pages(netlog) == {url}
    assert canary.asked == ["/x.png"]  # type: ignore[attr-defined]  # of the fixture


def test_every_chart_is_drawn_without_a_complaint(store_with_golds: Store, dump: Dump) -> None:
    comparison = three_models(store_with_golds)
    document, log = dump(render(comparison, "html"))
    figures = [f for c in lay_out(comparison).chapters for s in c.sections for f in s.figures]
    assert drawn(document) == len(figures) == 7
    assert '<html lang="en" class="drawn">' in document
    assert "CONSOLE" not in log


def test_no_planted_script_runs_and_nothing_is_requested(
    store_with_golds: Store, dump: Dump, canary: HTTPServer, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{canary.server_port}/"
    attack = (
        f"\"'><script>document.title='owned'</script><img src={url} onerror=\"document.title='owned'\">"
        f'</script><svg onload="document.title=\'owned\'"><a href="javascript:alert(1)">x</a>{{{{7*7}}}}'
    )
    netlog = tmp_path / "net.json"
    document, log = dump(render(hostile(store_with_golds, attack), "html"), f"--log-net-log={netlog}")
    assert "<title>distilbench report</title>" in document
    assert drawn(document) == len(re.findall(r'id="chart-\d+"', document)) > 0
    assert "CONSOLE" not in log
    assert canary.asked == []  # type: ignore[attr-defined]  # of the fixture
    assert asked_by_pages(netlog) == set()
    visible = html.unescape(document)
    assert "{{7*7}}" in visible


MEASURE_NAMES = """<script>
const frames = [...document.querySelectorAll("iframe")];
const drawn = (page) => page.documentElement.className === "drawn";
const measure = (page) => {
  const chart = page.querySelector(".chart");
  const names = [...chart.querySelectorAll(".annotation-text-g rect.bg")];
  const boxes = names.map((name) => name.getBoundingClientRect());
  const over = (a, b) => a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
  return {
    names: boxes.length,
    overlaps: boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => over(a, b))).length,
    ticks: [...chart.querySelectorAll(".xtick text")].map((text) => text.textContent),
  };
};
const wait = setInterval(() => {
  const pages = frames.map((frame) => frame.contentDocument);
  if (!pages.every(drawn)) return;
  clearInterval(wait);
  setTimeout(() => { document.title = JSON.stringify(pages.map(measure)); }, 500);
}, 50);
</script>"""


def test_names_of_ten_models_lie_beside_each_other_and_ticks_are_whole_numbers(
    store_with_golds: Store, dump: Dump
) -> None:
    comparison = three_models(store_with_golds)
    row = comparison.rows[1]
    rows = tuple(
        msgspec.structs.replace(
            row, model=f"m{n}", title=f"Reader-{n} of ten", f1=70 + 9 * n % 20, p50_ms=9.0 * 1.4**n
        )
        for n in range(10)
    )
    page = html.escape(render(msgspec.structs.replace(comparison, rows=rows), "html"))
    frames = [
        f'<iframe width="{width}" height="900" srcdoc="{page}"></iframe>' for width in (1200, PHONE_PIXELS)
    ]
    document, _ = dump(f"<!doctype html><title>waiting</title>{''.join(frames)}{MEASURE_NAMES}")
    title = re.search(r"<title>(.*)</title>", document)
    assert title is not None
    wide, phone = json.loads(html.unescape(title[1]))
    assert (wide["names"], wide["overlaps"], phone["overlaps"]) == (10, 0, 0)
    assert phone["names"] >= 5
    assert wide["ticks"] == ["5", "10", "20", "50", "100", "200"]


MEASURE_PAPER = """<script>
const wait = setInterval(() => {
  const page = document.querySelector("iframe").contentDocument;
  if (page.documentElement.className !== "drawn") return;
  clearInterval(wait);
  const texts = (table) => [...table.rows].map((row) => [...row.cells].map((cell) => cell.textContent));
  const scroll = page.querySelector("#place-1 ~ .scroll");
  const before = scroll.innerHTML;
  const whole = texts(scroll.querySelector("table"));
  page.defaultView.dispatchEvent(new Event("beforeprint"));
  const parts = [...scroll.querySelectorAll(".part")].map(texts);
  const numbers = [...page.querySelectorAll(".bartext")].map((text) => text.getBoundingClientRect().height);
  const widths = [...page.querySelectorAll(".chart .main-svg")].map((svg) => svg.clientWidth);
  page.defaultView.dispatchEvent(new Event("afterprint"));
  const after = scroll.innerHTML;
  document.title = JSON.stringify({ whole, parts, widest: Math.max(...widths), lowest: Math.min(...numbers),
    restored: before === after });
}, 50);
</script>"""


def test_paper_gets_wide_tables_in_parts_and_charts_of_its_width(store_with_golds: Store, dump: Dump) -> None:
    page = html.escape(render(three_models(store_with_golds), "html"))
    document, _ = dump(
        f'<!doctype html><title>-</title><iframe width="1200" srcdoc="{page}"></iframe>{MEASURE_PAPER}'
    )
    title = re.search(r"<title>(.*)</title>", document)
    assert title is not None
    found = json.loads(html.unescape(title[1]))
    whole, parts = found["whole"], found["parts"]
    assert len(parts) > 1
    for row, line in enumerate(whole):
        assert all(part[row][:2] == line[:2] for part in parts)
        assert line[:2] + [cell for part in parts for cell in part[row][2:]] == line
    assert 300 < found["widest"] < 718
    assert found["lowest"] > 7
    assert found["restored"]


def test_a_phone_scrolls_tables_and_nothing_else(store_with_golds: Store, dump: Dump) -> None:
    page = render(three_models(store_with_golds), "html")
    frame = (
        f'<iframe width="{PHONE_PIXELS}" height="700" style="border:0" srcdoc="{html.escape(page)}"></iframe>'
    )
    measure = (
        "<script>const wait = setInterval(() => { const root = document.querySelector('iframe')"
        ".contentDocument.documentElement; if (root.className !== 'drawn') return; clearInterval(wait); "
        "const width = root.clientWidth; document.title = `${width > 300} ${root.scrollWidth - width}`; "
        "}, 50);</script>"
    )
    document, _ = dump(f"<!doctype html><title>waiting</title>{frame}{measure}")
    assert "<title>true 0</title>" in document
