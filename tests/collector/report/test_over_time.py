"""The page of `collector trend --format html`: its charts, its tables and how a browser shows it."""

import re
from pathlib import Path

import pytest
from msgspec.structs import replace

from collector.comparison_inputs.pairs.run_series import gather_series
from collector.comparison_inputs.selection import EVERYTHING
from collector.display.trend_text import HOW_TESTED, TREND_COLUMNS, trends_text
from collector.findings.trend import Trend
from collector.regression.trend import trend
from collector.report.chapters import trends as chapters
from collector.report.chapters.trends import MEANINGS, trend_chapters
from collector.report.charts.over_time import over_time
from collector.report.formats.trend_html import trends_html
from collector.report.page import DASH, Chapter, Figure
from collector.store.database import Store
from tests.chromium import chromium
from tests.collector.command import invoked
from tests.collector.turns import SLOWER, STEADY, measured, take_turns

NOW = "2026-09-01T00:00:00.000000Z"
DAYS = [f"2026-0{month}-01T12:00:00Z" for month in range(1, 8)]


def test_the_terminal_and_the_page_say_alike_what_a_change_is(store: Store) -> None:
    measured(store, *STEADY)
    trends = gathered(store)
    assert HOW_TESTED in trends_text(trends)
    assert HOW_TESTED in trend_chapters(trends)[0].sections[0].words[1]


def gathered(store: Store) -> list[Trend]:
    return [trend(series) for series in gather_series(store, EVERYTHING)]


@pytest.fixture
def found(store: Store) -> Trend:
    """Seven runs, a month apart, of which the fifth is slower and has another onnxruntime."""
    measured(store, *STEADY, *SLOWER, starts=DAYS)
    (found,) = gathered(store)
    return found


def named(figure: Figure, name: str) -> dict[str, object]:
    (trace,) = [trace for trace in figure.traces if trace["name"] == name]
    return trace


def figures(laid_out: tuple[Chapter, ...]) -> list[Figure]:
    return [figure for chapter in laid_out for section in chapter.sections for figure in section.figures]


def test_a_chart_has_the_medians_their_intervals_and_the_changes(found: Trend) -> None:
    figure = over_time(found, "a name")
    p50 = [point.p50_ms for point in found.points]
    line = figure.traces[0]
    assert (line["x"], line["y"]) == (DAYS, p50)
    for point, up, down in zip(
        found.points, line["error_y"]["array"], line["error_y"]["arrayminus"], strict=True
    ):
        assert point.p50_ms is not None and point.p50_interval is not None
        assert (point.p50_ms - down, point.p50_ms + up) == pytest.approx(point.p50_interval)
        assert up > 0 and down > 0
    since = found.points[4].since_last
    assert since is not None and since.time_percent is not None
    slower = named(figure, "slower, more than chance")
    assert (slower["x"], slower["y"], slower["text"]) == (
        [DAYS[4]],
        [p50[4]],
        [f"+{since.time_percent:.1f} %"],
    )
    assert named(figure, "something else changed")["x"] == [DAYS[4]]
    assert [shape["x0"] for shape in figure.layout["shapes"]] == [DAYS[4]]
    assert len(figure.traces) == 3, "no trace of a change that there is not"
    assert figure.layout["xaxis"]["type"] == "date"
    wanted = f"2026-05-01: slower, +{since.time_percent:.1f} % (onnxruntime 1.22 → onnxruntime 1.23)."
    assert wanted in figure.summary


def test_a_change_to_faster_and_one_of_f1_have_marks_of_their_own(found: Trend) -> None:
    since = found.points[4].since_last
    assert since is not None
    other = replace(
        found.points[4],
        changed=(),
        since_last=replace(since, time_percent=-20.0, f1_points=-1.25, f1_significant=True),
    )
    figure = over_time(replace(found, points=(*found.points[:4], other)), "a name")
    assert named(figure, "faster, more than chance")["text"] == ["−20.0 %"]  # noqa: RUF001  # a minus sign
    assert named(figure, "F1 changed, more than chance")["text"] == ["F1 −1.2"]  # noqa: RUF001  # likewise
    assert figure.layout["shapes"] == []
    assert "Nothing else changed" in figure.summary


def test_runs_whose_starts_do_not_order_them_are_evenly_spaced(found: Trend) -> None:
    first, second, *rest = found.points
    figure = over_time(replace(found, points=(second, first, *rest)), "a name")
    assert figure.traces[0]["x"] == [1, 2, 3, 4, 5, 6, 7]
    assert named(figure, "slower, more than chance")["x"] == [5]
    assert "evenly spaced" in figure.summary


def test_a_run_without_a_time_leaves_a_gap(found: Trend) -> None:
    first, *rest = found.points
    figure = over_time(replace(found, points=(replace(first, p50_ms=None, p50_interval=None), *rest)), "x")
    assert figure.traces[0]["y"][0] is None and figure.traces[0]["error_y"]["array"][0] is None
    assert figure.table.rows[0][3].text == DASH


def test_the_table_has_the_texts_of_the_terminal(found: Trend) -> None:
    table = over_time(found, "a name").table
    lines = trends_text([found]).splitlines()
    place = next(i for i, line in enumerate(lines) if line.startswith("run "))
    printed = [re.split(r" {2,}", line.strip()) for line in lines[place + 1 : place + 1 + len(table.rows)]]
    shown = [[cell.text for cell in row if cell.text != DASH] for row in table.rows]
    assert [row[2:] for row in shown] == [[c for c in line if c not in {DASH, "-"}][2:] for line in printed]
    assert [heading.text for heading in table.headings] == [name.replace("_", " ") for name in TREND_COLUMNS]
    assert {heading.text for heading in table.headings} <= set(MEANINGS)


def test_each_device_has_a_chapter_and_runs_of_one_command_have_no_chart(store: Store) -> None:
    measured(store, *STEADY, *SLOWER)
    measured(store, *STEADY, on="pi-6")
    measured(store, (1.0, "1.22"), model="distilbert")
    take_turns(store, {"tinybert": (1.0, 1.0)}, epoch="7" * 16, seed=3)
    first, *devices = trend_chapters(gathered(store))
    assert [(chapter.title.partition(" ")[0], chapter.gist) for chapter in devices] == [
        ("pi-5", "1 trend, 1 with a change that is more than chance"),
        ("pi-6", "1 trend, no change is more than chance"),
    ]
    (section,) = first.sections
    assert section.words[0] == "1 of 4 trends has a change that is more than chance."
    assert section.words[3].startswith("2 trends have no chart: all runs are of one command")
    assert len(section.tables[0].rows) == 4


def test_a_page_has_a_bounded_number_of_charts_and_marked_ones_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(store, *STEADY, on="pi-4")
    measured(store, *STEADY, *SLOWER)
    monkeypatch.setattr(chapters, "MOST_CHARTS", 1)
    laid_out = trend_chapters(gathered(store))
    assert [figure.title for figure in figures(laid_out)] == ["MiniLM-L6 fp32 on pi-5, rivers"]
    assert laid_out[0].sections[0].words[3].startswith("1 more trend has no chart")


def test_many_trends_are_folded_below_those_with_the_newest_changes(found: Trend) -> None:
    steady = replace(found, points=found.points[:4])
    again = replace(found.points[4], started_at="2026-08-01T12:00:00Z")
    newer = replace(found, device_id="pi-9", points=(*found.points, again))
    (section,) = trend_chapters([found, newer, *[steady] * 30])[0].sections
    first, everything = section.tables
    assert (first.title, [row[0].text for row in first.rows]) == (
        "The newest changes: 2 of 2 trends",
        ["pi-9", "pi-5"],
    )
    assert first.rows[0][5].text.startswith("2026-08-01: slower, +")
    assert first.rows[0][5].text.endswith("; 1 earlier change")
    assert (everything.folded, len(everything.rows)) == (True, 32)
    assert {heading.text for heading in first.headings} - set(MEANINGS) == {
        *("device", "model", "runs", "from", "to", "question file", "settings")
    }


def test_trends_of_one_name_are_told_apart_by_their_settings(found: Trend) -> None:
    laid_out = trend_chapters([found, replace(found, settings="1 thread")])
    one, other = (figure.title for figure in figures(laid_out))
    assert one != other and other.endswith("(minilm-l6, 1 thread)")


def test_a_page_without_a_trend_over_time_has_no_chart(store: Store) -> None:
    measured(store, (1.0, "1.22"))
    page = trends_html(gathered(store), NOW)
    assert 'class="chart"' not in page and len(page) < 100_000


@pytest.mark.browser
def test_a_browser_draws_the_charts_of_a_hostile_device_when_a_chapter_is_opened(
    store: Store, database: Path, tmp_path: Path
) -> None:
    attack = "</script><img src=x onerror=\"document.title='owned'\"><b>"
    versions = [(factor, attack if version == "1.23" else version) for factor, version in (*STEADY, *SLOWER)]
    measured(store, *versions, starts=DAYS)
    page = tmp_path / "trend.html"
    assert invoked("trend", "--to", page, "--db", database).returncode == 0
    profile = tmp_path / "profile"
    profile.mkdir()
    with chromium(profile) as tab:
        tab.open(page)
        tab.wait_for("document.documentElement.classList.contains('drawn')")
        assert tab.value("document.querySelectorAll('.js-plotly-plot').length") == 0, "folded"
        tab.value("document.querySelector('#device-1').closest('details').open = true")
        tab.wait_for("document.querySelector('#chart-0').matches('.js-plotly-plot')")
        drawn = tab.value("document.querySelectorAll('#chart-0 .errorbar').length")
        (trend_,) = gathered(store)
        shown = tab.value("document.querySelector('#chart-0').data[0].y")
        assert (drawn, shown) == (7, [point.p50_ms for point in trend_.points])
        assert tab.value("document.querySelectorAll('#chart-0 .shapelayer path').length") == 1
        assert tab.value("document.title").startswith("distilbench over time: 1 device, ")
        assert tab.value("document.querySelectorAll('main img, main b').length") == 0
        assert tab.complaints == []
        assert tab.requests == []
