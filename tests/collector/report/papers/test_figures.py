import itertools
import re
import xml.etree.ElementTree as ET
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from collector.findings.comparison import Comparison
from collector.report.layout import lay_out
from collector.report.page import DASH, Figure, Table
from collector.report.papers.figure_files import named_figures, write_figures
from collector.report.papers.plot import draw, pictures
from collector.report.papers.point_names import Named, place_names
from collector.report.papers.traces import HEAT, TINTS, NotDrawable
from collector.store.database import Store
from tests.collector.command import invoked
from tests.collector.many_machines import on_many
from tests.collector.reports import three_models
from tests.installed import module

SVG = "{http://www.w3.org/2000/svg}"
PNG = b"\x89PNG\r\n\x1a\n"
LINE: dict[str, Any] = {"type": "scatter", "mode": "lines", "name": "a", "x": [1, 10], "y": [1, 2]}


@pytest.fixture(autouse=True)
def _matplotlib() -> None:
    module("matplotlib")


@pytest.fixture
def comparison(store_with_golds: Store) -> Comparison:
    return three_models(store_with_golds)


def chart(*traces: dict[str, Any], **layout: Any) -> Figure:
    axes = {"xaxis": {"title": {"text": "ms"}}, "yaxis": {"title": {"text": "%"}}, **layout}
    return Figure("A chart", "What it shows.", Table("", (), ()), list(traces), axes)


def test_every_chart_is_a_picture_in_two_formats(comparison: Comparison, tmp_path: Path) -> None:
    charts = [f for c in lay_out(comparison).chapters for s in c.sections for f in s.figures]
    seen: list[tuple[int, int]] = []
    written = write_figures(comparison, tmp_path / "new" / "figures", lambda *done: seen.append(done))
    assert seen == [(number, len(charts)) for number in range(len(charts))]
    assert [path.suffix for path in written] == [".svg", ".png"] * len(charts)
    assert len(set(written)) == len(written)
    for shown, (svg, png) in zip(charts, zip(written[::2], written[1::2], strict=True), strict=True):
        text = svg.read_text()
        root = ET.fromstring(text)
        assert root.tag == f"{SVG}svg"
        assert len(root.findall(f".//{SVG}path")) > 10
        assert shown.title in text and shown.summary[:40] in text
        assert not re.search(r"<script|href=\"http", text)
        data = png.read_bytes()
        assert data.startswith(PNG) and len(data) > 5000
    names = {path.stem for path in written}
    assert "raspberry-pi-5-model-b-4-cores-rivers--exact-match-and-f1" in names


def test_equal_charts_are_equal_files() -> None:
    assert pictures(chart(LINE)) == pictures(chart(LINE))
    assert pictures(chart(LINE))["svg"] != pictures(chart({**LINE, "y": [1, 3]}))["svg"]


def test_colours_are_those_of_the_page() -> None:
    css = files("collector.report.formats").joinpath("report.css").read_text("utf-8")
    light = css.partition("@media")[0]
    assert tuple(re.findall(r"--tint-\d+: (#\w+)", light)) == TINTS
    assert tuple(re.findall(r"--heat-\d: (#\w+)", light)) == HEAT


@pytest.mark.parametrize(
    "wrong",
    [
        chart({**LINE, "type": "pie"}),
        chart({**LINE, "type": "bar", "orientation": "v"}),
        chart({**LINE, "mode": "markers", "marker": {"symbol": "star"}}),
        chart({"type": "heatmap", "heat": "rainbow", "x": [0], "y": [0], "z": [[1]]}),
        chart(LINE, shapes=[{"type": "rect", "x0": 0, "x1": 1, "y0": 0, "y1": 1}]),
        chart(LINE, shapes=[{"type": "line", "x0": 0, "x1": 1, "y0": 0, "y1": 1}]),
    ],
)
def test_what_it_cannot_draw_is_an_error(wrong: Figure) -> None:
    with pytest.raises(NotDrawable, match="there is no way to draw"):
        pictures(wrong)


def test_names_are_text_whatever_they_are() -> None:
    hostile = {**LINE, "name": "$\\frac{1}{0} &lt;script&gt; 日本語\x1b"}
    assert b"<script" not in pictures(chart(hostile, showlegend=True))["svg"]


KINDS = {
    *("Accuracy against time", "Exact Match and F1", "Time per question", "BERTScore F1"),
    *("Distribution of times", "Temperature over each run", "Energy per question"),
    *("Under sustained load", "p99 against rate"),
}
MAPS = {"Speed-up over the baseline", "F1 per ms", "Time, p50 ms"}


def of_all_kinds(store: Store, places: int) -> dict[str, Figure]:
    """A figure of each kind of a report of some places; the last one, if there are several."""
    one = three_models(store)
    rows = tuple(
        replace(row, joules_per_question=1.5, **({} if row.f1 is None else {"bertscore_f1": 0.9}))
        for row in one.rows
    )
    page = lay_out(on_many(replace(one, rows=rows), places))
    figures = [f for chapter in page.chapters for section in chapter.sections for f in section.figures]
    return {figure.title.partition(":")[0]: figure for figure in figures}


@pytest.mark.parametrize(
    "places", [pytest.param(1, marks=pytest.mark.proof), 2, pytest.param(10, marks=pytest.mark.proof)]
)
def test_every_kind_of_figure_is_drawn_for_any_number_of_places(store_with_golds: Store, places: int) -> None:
    found = of_all_kinds(store_with_golds, places)
    assert set(found) == (KINDS if places == 1 else KINDS | MAPS)
    for kind, figure in found.items():
        svg = pictures(figure)["svg"]
        assert len(ET.fromstring(svg).findall(f".//{SVG}path")) > 10, kind
    for kind in MAPS & set(found):
        (panel,) = draw(found[kind]).axes
        numbers = {text.get_text() for text in panel.texts if text.get_text()}
        assert numbers == {cell.text for row in found[kind].table.rows for cell in row[1:]} - {DASH}
        models = [heading.text for heading in found[kind].table.headings[1:]]
        assert [label.get_text() for label in panel.get_xticklabels()] == models
        machines = [row[0].text for row in found[kind].table.rows]
        assert [label.get_text() for label in panel.get_yticklabels()] == machines
        bottom, top = panel.get_ylim()
        assert bottom > places - 1 > 0 > top, "the first machine is at the top"


def shades(figure: Figure) -> list[float]:
    """How dark the cells of a map are, from left to right in its first row."""
    (panel,) = draw(figure).axes
    (mesh,) = panel.collections
    mesh.update_scalarmappable()
    colours: Any = mesh.get_facecolor()
    return [1 - sum(colour[:3]) / 3 for colour in colours]


def test_a_darker_cell_is_better_even_if_less_is_better() -> None:
    cells: dict[str, Any] = {"type": "heatmap", "x": [0, 1, 2], "y": [0], "z": [[1, 2, 3]]}
    more, less = shades(chart(cells)), shades(chart({**cells, "heat": "reversed"}))
    assert more == sorted(more) and len(set(more)) == 3
    assert less == sorted(less)[::-1] and len(set(less)) == 3
    assert len(shades(chart({**cells, "z": [[2, 2, 2]]}))) == 3, "equal numbers"


def points(count: int, apart: float = 0.0, **more: Any) -> list[dict[str, Any]]:
    """Points with names and whiskers of which some may have no room for a name."""
    whiskers = {"array": [2.0], "arrayminus": [1.0], **more}
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "named": "front",
            "showlegend": False,
            "tint": n % 12,
            "name": f"model number {n}",
            "x": [50 + apart * n],
            "y": [50.0],
            "marker": {"size": 11},
            "error_x": whiskers,
            "error_y": whiskers,
        }
        for n in range(count)
    ]


def test_a_point_has_its_whiskers_in_both_directions() -> None:
    axes = {"xaxis": {"range": [0, 100]}, "yaxis": {"range": [0, 100]}}
    (panel,) = draw(chart(*points(1), **axes)).axes
    (across,), (upright,) = (container[2] for container in panel.containers)
    assert across.get_segments()[0].tolist() == [[49, 50], [52, 50]]
    assert upright.get_segments()[0].tolist() == [[50, 49], [50, 52]]
    (panel,) = draw(chart(*points(1, visible=False), **axes)).axes
    assert not panel.containers


def test_the_number_of_a_short_bar_is_behind_its_whisker() -> None:
    error = {"array": [5.0, 1.0], "arrayminus": [1.0, 1.0]}
    bars = {"type": "bar", "orientation": "h", "y": ["a", "b"], "x": [2.0, 90.0], "text": ["2", "90"]}
    (panel,) = draw(chart({**bars, "error_x": error}, yaxis={"type": "category"})).axes
    places = {text.get_text(): text.xy[0] for text in panel.texts if hasattr(text, "xy")}
    assert places == {"2": 7.0, "90": 0}


def test_a_report_draws_the_intervals_of_both_axes(store_with_golds: Store) -> None:
    figure = of_all_kinds(store_with_golds, 1)["Accuracy against time"]
    drawn = sum(
        trace[key]["visible"] for trace in figure.traces if "named" in trace for key in ("error_x", "error_y")
    )
    (panel,) = draw(figure).axes
    assert len(panel.containers) == drawn > 0


@pytest.mark.parametrize("legend", [True, False])
def test_every_point_has_its_name_beside_it_or_in_the_legend(legend: bool) -> None:
    axes = {"xaxis": {"range": [0, 100]}, "yaxis": {"range": [0, 100]}}
    few, many = (draw(chart(*points(count), **axes, showlegend=legend)) for count in (2, 60))
    for figure, count in ((few, 2), (many, 60)):
        beside = {text.get_text() for text in figure.axes[0].texts}
        listed = {text.get_text() for shown in figure.legends for text in shown.get_texts()}
        assert beside | listed == {f"model number {n}" for n in range(count)}
        assert not beside & listed
        figure.draw_without_rendering()
        assert figure.axes[0].get_window_extent().height > 150, "the legend leaves room for the chart"
    assert many.legends and not few.legends
    assert many.get_figheight() > few.get_figheight()


def test_a_heat_map_has_a_cell_for_each_pair() -> None:
    cells = {"type": "heatmap", "x": ["Pi", "PC"], "y": ["a", "b"], "z": [[1, None], [3, 4]]}
    found = pictures(chart({**cells, "text": [["1", ""], ["3", "4"]]}))
    assert found["png"].startswith(PNG)


def test_no_name_covers_another_name_or_a_point() -> None:
    figure = module("matplotlib.figure").Figure(figsize=(5, 4))
    panel = figure.add_subplot()
    panel.set_xlim(0, 10)
    panel.set_ylim(0, 10)
    spread = [Named(f"model number {n}", 1 + n % 4 * 2.5, 1 + n // 4 * 3, "red", False) for n in range(12)]
    crowded = [Named(f"crowded model {n}", 5 + n / 1000, 5, "red", n < 3) for n in range(40)]
    assert place_names(figure, panel, spread) == set()
    without_room = place_names(figure, panel, crowded)
    assert 0 < len(without_room) < 40
    assert not without_room & {f"crowded model {n}" for n in range(3)}, "the front comes first"
    figure.draw_without_rendering()
    extent = module("matplotlib.text").Text.get_window_extent  # that of an annotation includes its line
    placed = [extent(note) for note in panel.texts if note.get_text().startswith("crowded")]
    assert len(placed) == 40 - len(without_room)
    assert not any(a.overlaps(b) for a, b in itertools.combinations(placed, 2))


def of_two_machines(comparison: Comparison, first: str, second: str) -> Comparison:
    """The rows of a comparison on two machines with these names."""
    rows = tuple(replace(row, machine=machine) for machine in (first, second) for row in comparison.rows)
    return replace(comparison, rows=rows, traces=(), distributions=(), labels=())


@pytest.mark.parametrize(
    ("first", "second"),
    [("Pi 5", "pi-5"), ("第一号", "第一号!"), ("x" * 200, f"{'x' * 200}y"), ("Pi", "Pi-2")],
)
def test_machines_with_names_that_are_alike_have_figures_of_their_own(
    comparison: Comparison, tmp_path: Path, first: str, second: str
) -> None:
    figures = named_figures(of_two_machines(comparison, first, second))
    names = {name for name, _ in figures}
    assert len(names) == len(figures)
    turned = named_figures(of_two_machines(comparison, second, first))
    assert {(name, figure.title) for name, figure in figures} == {
        (name, figure.title) for name, figure in turned
    }
    for name in names:
        (tmp_path / f"{name}.svg").touch()


def test_the_command_writes_a_folder(comparison: Comparison, database: Path, tmp_path: Path) -> None:
    del comparison
    wrong = invoked("report", "--figures", tmp_path, "--format", "html", "--db", database)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--figures and --cards cannot be used with" in wrong.stderr
    (tmp_path / "file").write_text("")
    options = ("--cards", tmp_path / "cards", "--model", "minilm-l6", "--precision", "int8")
    done = invoked("report", *options, "--db", database)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", f"wrote 1 card to {tmp_path / 'cards'}\n")
    inside_a_file = invoked("report", "--figures", tmp_path / "file" / "x", "--db", database)
    assert inside_a_file.returncode == 1
    assert inside_a_file.stderr.endswith("cannot be written: Not a directory\n")
