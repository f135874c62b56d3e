"""Draws a chart of the report with matplotlib, without a browser.

A chart is described in Plotly's JSON, as far as `collector.report.charts` uses it: lines, marks, bars and
heat maps; whiskers; axes with numbers, logarithms or names; several panels above each other; straight lines
across a panel. Anything else is an error, so that no chart is drawn incompletely without anyone noticing.
"""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from collector.report.page import Figure as Chart
from collector.report.papers.point_names import Named, place_names
from collector.report.papers.traces import (
    DASHES,
    NAMED_TINTS,
    NotDrawable,
    colour_of,
    draw_traces,
    legend_mark,
    shown_text,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GRID: Final = "#dce1e7"
_INCHES: Final = 6.5
_WIDE_INCHES: Final = 7.5
_PIXELS_PER_INCH: Final = 96
_PNG_DOTS_PER_INCH: Final = 200
_LEGEND_ROW_INCHES: Final = 0.17
_LEGEND_COLUMNS: Final = 4
_CHARACTER_INCHES: Final = 0.062
"""The width of a character of the legend, on average."""
_HANDLE_INCHES: Final = 0.55
"""The width of what is beside a name in the legend: its mark and the gaps."""
_TICKS: Final = (tuple(range(1, 10)), (1, 2, 5), (1, 2, 5), (1,))
"""The ticks of a decade on a logarithmic axis, by how many whole decades it has."""
_STYLE: Final[Any] = {
    "text.parse_math": False,  # a dollar in a name is a dollar
    "svg.fonttype": "path",
    "svg.hashsalt": "distilbench",  # equal charts are equal files
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "axes.axisbelow": True,
    "axes.edgecolor": "#9aa4b0",
    "axes.labelcolor": NAMED_TINTS["text"],
    "text.color": NAMED_TINTS["text"],
    "xtick.color": NAMED_TINTS["text"],
    "ytick.color": NAMED_TINTS["text"],
    "grid.color": _GRID,
    "legend.frameon": False,
}


def pictures(chart: Chart) -> dict[str, bytes]:
    """Draw a chart on white.

    Returns:
        The picture as `svg`, whose texts are outlines, and as `png` with 200 dots per inch. Equal charts give
        equal bytes.

    Raises:
        NotDrawable: the chart has a trace, a mark or a line that this module does not know.
    """
    import matplotlib as mpl

    with mpl.rc_context(_STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # it is drawn as a box
        figure = draw(chart)
        found = {}
        for form, described in (
            ("svg", {"Title": chart.title, "Description": chart.summary, "Date": None}),
            ("png", {"Title": chart.title, "Description": chart.summary}),
        ):
            out = io.BytesIO()
            figure.savefig(out, format=form, dpi=_PNG_DOTS_PER_INCH, metadata=described)
            found[form] = out.getvalue()
    return found


def draw(chart: Chart) -> "Figure":
    """Draw a chart as a figure of matplotlib. Names and the legend have places; every point has its name.

    Raises:
        NotDrawable: the chart has a trace, a mark or a line that this module does not know.
    """
    from matplotlib.figure import Figure

    names = sorted(
        (key for key in chart.layout if key.startswith("yaxis")), key=lambda key: int(key[5:] or 1)
    )
    width = max(_WIDE_INCHES if chart.wide else _INCHES, chart.least_width / _PIXELS_PER_INCH)
    figure = Figure(figsize=(width, chart.height / _PIXELS_PER_INCH), layout="constrained")
    panels: dict[str, Axes] = {}
    for number, name in enumerate(names or ["yaxis"], start=1):
        first = next(iter(panels.values()), None)
        panels[f"y{name[5:]}"] = figure.add_subplot(len(names) or 1, 1, number, sharex=first)
    for axis, panel in panels.items():
        _panel(panel, [t for t in chart.traces if t.get("yaxis", "y") == axis], chart.layout, axis)
    for panel in list(panels.values())[:-1]:
        panel.set_xlabel("")
        panel.tick_params(labelbottom=False)
    for shape in chart.layout.get("shapes", ()):
        _across(list(panels.values()), shape)
    first = next(iter(panels.values()))
    shown = chart.layout.get(
        "showlegend", len([t for t in chart.traces if t.get("showlegend") is not False]) > 1
    )
    entries = list(zip(*first.get_legend_handles_labels(), strict=True)) if shown else []
    at = "outside lower left" if chart.layout.get("xaxis", {}).get("side") == "top" else "outside upper left"
    _legend(figure, entries, at)
    named = [trace for trace in chart.traces if trace.get("named")]
    without_room = place_names(figure, first, list(map(_named, named)))
    more = [(legend_mark(trace), shown_text(trace["name"])) for trace in named]
    _legend(figure, entries + [entry for entry in more if entry[1] in without_room], at)
    return figure


def _legend(figure: "Figure", entries: Sequence[tuple[Any, str]], at: Any) -> None:
    """Write the legend again; each row of it that is added or dropped changes the height of the figure."""
    rows = 0
    for old in figure.legends:
        rows = -(-len(old.get_texts()) // _columns(figure, [text.get_text() for text in old.get_texts()]))
        old.remove()
    if entries:
        handles, names = zip(*entries, strict=True)
        columns = _columns(figure, names)
        figure.legend(handles, names, loc=at, ncols=columns)
        added = -(-len(names) // columns) - max(rows, 1)
        figure.set_figheight(figure.get_figheight() + added * _LEGEND_ROW_INCHES)


def _columns(figure: "Figure", names: Sequence[str]) -> int:
    """Return how many columns of a legend fit beside each other."""
    width = _HANDLE_INCHES + _CHARACTER_INCHES * max(map(len, names))
    return max(1, min(_LEGEND_COLUMNS, len(names), int(figure.get_figwidth() / width)))


def _panel(panel: "Axes", traces: Sequence[Mapping[str, Any]], layout: Mapping[str, Any], axis: str) -> None:
    """Draw the traces of one panel, then set its axes."""
    x, y = layout.get("xaxis", {}), layout.get(f"yaxis{axis[1:]}", {})
    places: dict[str, dict[str, int]] = {}
    for letter, own in (("x", x), ("y", y)):
        values = [value for trace in traces for value in trace.get(letter, ())]
        if own.get("type") == "category" or any(isinstance(value, str) for value in values):
            named = dict.fromkeys(value for value in values if value is not None)
            places[letter] = {name: number for number, name in enumerate(named)}
    draw_traces(panel, traces, places)
    for letter, own in (("x", x), ("y", y)):
        _axis(panel, letter, own, [*places[letter]] if letter in places else own.get("ticktext"))
    if any(trace["type"] == "heatmap" for trace in traces):
        panel.tick_params(length=0)
        panel.spines[:].set_visible(False)
    else:
        panel.grid(axis="x" if "y" in places else "y" if "x" in places else "both", linewidth=0.6)
    for side in ("top", "right"):
        panel.spines[side].set_visible(False)


def _axis(panel: "Axes", letter: str, own: Mapping[str, Any], names: Sequence[str] | None) -> None:
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis = panel.xaxis if letter == "x" else panel.yaxis
    title = own.get("title", {}).get("text", "")
    (panel.set_xlabel if letter == "x" else panel.set_ylabel)(shown_text(title))
    set_range = panel.set_xlim if letter == "x" else panel.set_ylim
    if names is not None:
        angle = -own.get("tickangle", 0)
        turned = {"rotation": angle, "ha": "left", "va": "bottom", "rotation_mode": "anchor"} if angle else {}
        if own.get("side") == "top":
            panel.xaxis.tick_top()
        axis.set_ticks(range(len(names)), [shown_text(name) for name in names], **turned)
        edge = 0.1 if "ticktext" not in own else 0.04  # room for a line around the cells
        ends = (-0.5 - edge, len(names) - 0.5 + edge)
        set_range(*(reversed(ends) if own.get("autorange") == "reversed" else ends))
        return
    logarithmic = own.get("type") == "log"
    if logarithmic:
        (panel.set_xscale if letter == "x" else panel.set_yscale)("log")
    if "range" in own:
        low, high = own["range"]
        set_range(*((10.0**low, 10.0**high) if logarithmic else (low, high)))
    elif own.get("rangemode") == "tozero":
        set_range(0, None)
    if logarithmic:
        low, high = panel.get_xlim() if letter == "x" else panel.get_ylim()
        decades = np.log10(high / low)
        axis.set_major_locator(LogLocator(subs=_TICKS[min(int(decades), len(_TICKS) - 1)]))
        axis.set_minor_formatter(NullFormatter())
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _across(panels: Sequence["Axes"], shape: Mapping[str, Any]) -> None:
    """Draw a line across one panel at a height, or across all of them at a place."""
    style = {
        "color": colour_of(shape),
        "linestyle": DASHES[shape.get("line", {}).get("dash", "solid")],
        "linewidth": 0.75 * shape.get("line", {}).get("width", 2),
    }
    if shape["type"] != "line":
        raise NotDrawable(f"there is no way to draw a shape of the type {shape['type']!r}")
    if shape.get("yref") == "paper" and shape["x0"] == shape["x1"]:
        for panel in panels:
            panel.axvline(shape["x0"], **style)
    elif shape.get("xref") == "paper" and shape["y0"] == shape["y1"]:
        panels[0].axhline(shape["y0"], **style)
    else:
        raise NotDrawable("there is no way to draw a line that does not cross the whole chart")


def _named(trace: Mapping[str, Any]) -> Named:
    """Return the name of a point, with the ends of its whiskers."""
    x, y = trace["x"][0], trace["y"][0]
    ends = []
    for letter, value in (("x", x), ("y", y)):
        found = trace.get(f"error_{letter}", {"visible": False})
        drawn = found.get("visible", True)
        ends.append((value - found["arrayminus"][0], value + found["array"][0]) if drawn else None)
    return Named(shown_text(trace["name"]), x, y, colour_of(trace), trace["named"] == "front", *ends)
