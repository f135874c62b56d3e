"""Draws the traces of a chart into a panel with matplotlib: lines, marks and whiskers, bars and heat maps."""

import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TINTS: Final = (
    *("#2166ac", "#b0590b", "#2b7a4b", "#a6376f", "#6a51a3", "#0c7c8c"),
    *("#7d6608", "#6b6b6b", "#23307a", "#4f7d00", "#9e1030", "#6b3a16"),
)
"""The colours of models on a light page, as in the report's style sheet."""
HEAT: Final = ("#f1f6f6", "#b3d6da", "#6ab2bd")
"""The colours of a heat map there, from less to more: all leave a dark text readable."""
_EDGES: Final[Any] = {"edgecolors": "white", "linewidth": 1}
NAMED_TINTS: Final = {"text": "#1b232d", "quiet": "#5b6776", "line": "#c3cad3", "warning": "#c0341d"}
DASHES: Final[dict[str, Any]] = {
    "solid": "-",
    "dash": (0, (5, 2)),
    "dot": (0, (1, 1.5)),
    "dashdot": (0, (5, 2, 1, 2)),
}
_NUMBER_FONT: Final = 7.0
_SMALLEST_FONT: Final = 4.0
"""A number that would be smaller is left out."""
FRAME_INCHES: Final = 0.85
"""The height of what is around a panel: its axis and the legend."""
_LONG_BAR: Final = 0.2
"""A bar above this share of the longest one has room for its number."""
_OPEN: Final = "-open"
_SYMBOLS: Final = {"circle": "o", "diamond": "D", "square": "s", "cross": "P", "line-ns": "|", "x-thin": "x"}


class NotDrawable(ValueError):
    """A chart has something that this module cannot draw."""


def draw_traces(
    panel: "Axes", traces: Sequence[Mapping[str, Any]], places: Mapping[str, Mapping[str, int]]
) -> None:
    """Draw the traces of one panel.

    Args:
        panel: the panel.
        traces: the traces, as `Figure.traces` describes them.
        places: for an axis with names, `x` or `y`: where each name is.

    Raises:
        NotDrawable: one of them has something that this module does not know.
    """
    bars = [trace for trace in traces if trace["type"] == "bar"]
    for trace in traces:
        match trace["type"]:
            case "scatter":
                _scatter(panel, trace, places)
            case "bar":
                _bars(panel, trace, places, bars.index(trace), len(bars))
            case "heatmap":
                _heat_map(panel, trace, places)
            case other:
                raise NotDrawable(f"there is no way to draw a trace of the type {other!r}")


def _scatter(panel: "Axes", trace: Mapping[str, Any], places: Mapping[str, Mapping[str, int]]) -> None:
    colour, line, marker = colour_of(trace), trace.get("line", {}), trace.get("marker", {})
    x, y = (_numbers(trace[letter], places.get(letter)) for letter in ("x", "y"))
    if trace.get("connectgaps"):
        known = ~(np.isnan(x) | np.isnan(y))
        x, y = x[known], y[known]
    mode = trace.get("mode", "lines")
    drawn = shown_text(trace.get("name", "")) if trace.get("showlegend") is not False else ""
    symbols = marker.get("symbol", "circle")
    symbol, is_open = _symbol(symbols if isinstance(symbols, str) else symbols[0] if symbols else "circle")
    panel.plot(
        x,
        y,
        label=drawn or "_",
        color=colour,
        linestyle=DASHES[line.get("dash", "solid")] if "lines" in mode else "none",
        linewidth=0.75 * line.get("width", 2),
        drawstyle={"linear": "default", "hv": "steps-post"}[line.get("shape", "linear")],
        marker=symbol if "markers" in mode and isinstance(symbols, str) else "",
        markersize=0.7 * marker.get("size", 6),
        markerfacecolor="none" if is_open else colour,
        clip_on=trace.get("cliponaxis", True),
        zorder=3 if "markers" in mode else 2,
    )
    _whiskers(panel, trace, x, y)
    if "markers" in mode and not isinstance(symbols, str):
        for at_x, at_y, each in zip(x, y, symbols, strict=True):
            shape, hollow = _symbol(each)
            face = "white" if hollow else colour
            panel.plot(at_x, at_y, shape, color=colour, markerfacecolor=face, markersize=0.7 * marker["size"])


def _whiskers(panel: "Axes", trace: Mapping[str, Any], x: Any, y: Any) -> None:
    """Draw the intervals of points, in either direction or in both."""
    colour = colour_of(trace) if trace.get("named") else NAMED_TINTS["text"]
    for key in ("xerr", "yerr"):
        found = trace.get(f"error_{key[0]}")
        if found is not None and found.get("visible", True):
            ends = np.clip(np.array([found["arrayminus"], found["array"]], float), 0, None)
            style: dict[str, Any] = {
                "fmt": "none",
                "ecolor": colour,
                "elinewidth": 0.9,
                "capsize": 2,
                "zorder": 2.5,
            }
            panel.errorbar(x, y, **{key: ends}, **style)


def _bars(
    panel: "Axes", trace: Mapping[str, Any], places: Mapping[str, Mapping[str, int]], number: int, count: int
) -> None:
    """Draw horizontal bars, with their numbers at the left inside and whiskers."""
    if trace.get("orientation") != "h":
        raise NotDrawable("there is no way to draw bars that are not horizontal")
    values = _numbers(trace["x"], None)
    thickness = 0.8 / count
    # The first trace is at the lower side of a name in Plotly.
    y = _numbers(trace["y"], places["y"]) + (count - 1) / 2 * thickness - number * thickness
    errors = trace.get("error_x")
    whiskers = None if errors is None else np.clip([errors["arrayminus"], errors["array"]], 0, None)
    panel.barh(
        y,
        values,
        thickness * 0.92,
        color=colour_of(trace),
        label=shown_text(trace.get("name", "")),
        xerr=whiskers,
        error_kw={"elinewidth": 0.8, "capsize": 2, "ecolor": NAMED_TINTS["text"]},
    )
    long = _LONG_BAR * max(values, default=0.0)
    size = _font_size(panel, len(places["y"]), thickness)
    if size < _SMALLEST_FONT:
        return
    ends = values if whiskers is None else values + whiskers[1]
    for at, value, end, text in zip(y, values, ends, trace.get("text", ()), strict=False):
        panel.annotate(
            shown_text(text or ""),
            (0 if value > long else end, at),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            color="white" if value > long else NAMED_TINTS["text"],
            fontsize=size,
        )


def _font_size(panel: "Axes", names: int, thickness: float) -> float:
    """Return the size in points of a number in a bar; `thickness` is a share of the room of a name."""
    figure = panel.figure.get_figure(root=True)
    assert figure is not None
    room = 72 * (figure.get_figheight() - FRAME_INCHES) / names * thickness
    return min(_NUMBER_FONT, 0.95 * room)


def _heat_map(panel: "Axes", trace: Mapping[str, Any], places: Mapping[str, Mapping[str, int]]) -> None:
    """Draw a coloured cell for each pair of names, with its text."""
    values = np.array([_numbers(row, None) for row in trace["z"]])
    x, y = (_numbers(trace[letter], places.get(letter)) for letter in ("x", "y"))
    panel.pcolormesh(x, y, np.ma.masked_invalid(values), cmap=_colour_map(trace), shading="nearest", **_EDGES)
    for row, texts in zip(y, trace.get("text", ()), strict=False):
        for column, text in zip(x, texts, strict=True):
            panel.text(column, row, shown_text(text or ""), ha="center", va="center", fontsize=_NUMBER_FONT)


def _colour_map(trace: Mapping[str, Any]) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    heat = trace.get("heat", "plain")
    if heat not in {"plain", "reversed"}:
        raise NotDrawable(f"there is no way to draw a heat map whose colours are {heat!r}")
    return LinearSegmentedColormap.from_list(heat, HEAT if heat == "plain" else HEAT[::-1])


def legend_mark(trace: Mapping[str, Any]) -> Any:
    """Return the mark of a point for a legend."""
    from matplotlib.lines import Line2D

    marker = trace.get("marker", {})
    symbol, is_open = _symbol(marker.get("symbol", "circle"))
    colour = colour_of(trace)
    face = "none" if is_open else colour
    size = 0.7 * marker.get("size", 6)
    return Line2D(
        [], [], color=colour, linestyle="none", marker=symbol, markersize=size, markerfacecolor=face
    )


def _symbol(name: str) -> tuple[str, bool]:
    """Return matplotlib's name of a mark, and whether it is not filled."""
    if name.removesuffix(_OPEN) not in _SYMBOLS:
        raise NotDrawable(f"there is no way to draw the mark {name!r}")
    return _SYMBOLS[name.removesuffix(_OPEN)], name.endswith(_OPEN)


def colour_of(described: Mapping[str, Any]) -> str:
    """Return the colour that a trace or a shape has by its `tint`."""
    tint = described.get("tint", 0)
    return TINTS[tint] if isinstance(tint, int) else NAMED_TINTS[tint]


def _numbers(values: Sequence[Any], places: Mapping[str, int] | None) -> Any:
    """Return values, or the places of names, as floats; nothing is not a number."""
    found = values if places is None else [None if value is None else places[value] for value in values]
    return np.array([np.nan if value is None else value for value in found], float)


def shown_text(text: str) -> str:
    """Return a text as it is shown: Plotly's are escaped like HTML."""
    return html.unescape(text)
