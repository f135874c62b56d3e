"""Places names beside the points of a chart, so that none covers another name or a point."""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

_GAPS: Final = (7.0, 13.0, 20.0, 30.0, 44.0, 60.0)
"""Distances of a name from its point, in points of print; the nearest one with room is taken."""
_ANGLES: Final = 24
_MARK: Final = 5.0
"""Radius of a point."""
_FROM_HERE_A_LINE: Final = 10.0
"""A name that is further away is joined to its point by a line."""


class Named(NamedTuple):
    """A point with a name."""

    text: str
    x: float
    y: float
    colour: str
    is_front: bool
    """Whether it is on the Pareto front; these come first, and their names are further up and left."""
    x_ends: tuple[float, float] | None = None
    """The ends of its whisker in this direction, if it has one."""
    y_ends: tuple[float, float] | None = None


class _Box(NamedTuple):
    """A rectangle in pixels."""

    left: float
    bottom: float
    right: float
    top: float


def place_names(figure: "Figure", panel: "Axes", points: Sequence[Named]) -> set[str]:
    """Write each name beside its point, if there is room within the panel.

    A name covers no other name and no point. It covers a whisker only if there is no other room.

    Args:
        figure: the chart.
        panel: a panel of it; its axes are final.
        points: the points.

    Returns:
        The names without room, for a legend.
    """
    from matplotlib.patheffects import withStroke

    figure.draw_without_rendering()
    unit = figure.dpi / 72
    centres = [tuple(panel.transData.transform((point.x, point.y))) for point in points]
    taken = _rows(_box(x, y, _MARK * unit, _MARK * unit) for x, y in centres)
    room = panel.get_window_extent()
    whiskers = _rows(box for point in points for box in _whiskers(panel, point))
    left: set[str] = set()
    for point, (x, y) in sorted(zip(points, centres, strict=True), key=lambda item: not item[0].is_front):
        note = panel.annotate(point.text, (point.x, point.y), fontsize=7, ha="center", va="center")
        size = note.get_window_extent()
        note.remove()
        half_width, half_height = size.width / 2 + 2 * unit, size.height / 2 + 1 * unit
        allowed = (np.concatenate((taken, whiskers)), taken)
        places = (
            _place(x, y, half_width, half_height, unit, room, boxes, outwards=point.is_front)
            for boxes in allowed
        )
        place = next((found for found in places if found is not None), None)
        if place is None:
            left.add(point.text)
            continue
        at_x, at_y, gap = place
        taken = np.concatenate((taken, _rows([_box(at_x, at_y, half_width, half_height)])))
        panel.annotate(
            point.text,
            (point.x, point.y),
            xytext=((at_x - x) / unit, (at_y - y) / unit),
            textcoords="offset points",
            fontsize=7,
            ha="center",
            va="center",
            annotation_clip=False,
            path_effects=[withStroke(linewidth=2, foreground="white")],
            zorder=4,
            arrowprops={"arrowstyle": "-", "lw": 0.6, "color": point.colour, "shrinkB": _MARK}
            if gap > _FROM_HERE_A_LINE
            else None,
        )
    return left


def _whiskers(panel: "Axes", point: Named) -> Iterator[_Box]:
    """The boxes around the whiskers of a point."""
    for ends, across in ((point.x_ends, False), (point.y_ends, True)):
        if ends is not None:
            one, other = (
                panel.transData.transform((point.x, end) if across else (end, point.y)) for end in ends
            )
            yield _box(*((one + other) / 2), *(abs(other - one) / 2))


def _place(
    x: float,
    y: float,
    half_width: float,
    half_height: float,
    unit: float,
    room: "Bbox",
    taken: NDArray[np.float64],
    *,
    outwards: bool,
) -> tuple[float, float, float] | None:
    """Find the nearest free place for the middle of a name, up and left or down and right of its point.

    `taken` has a row for each box that is taken, as in `_Box`.
    """
    lefts, bottoms, rights, tops = taken.T
    first = 0.75 * math.pi if outwards else -0.25 * math.pi
    for gap in _GAPS:
        for number in range(_ANGLES):
            turn = (number + 1) // 2 * (-1) ** number * 2 * math.pi / _ANGLES
            angle = first + turn
            at_x = x + math.cos(angle) * (gap * unit + half_width)
            at_y = y + math.sin(angle) * (gap * unit + half_height)
            box = _box(at_x, at_y, half_width, half_height)
            if not (room.x0 <= box.left and box.right <= room.x1):
                continue
            if not (room.y0 <= box.bottom and box.top <= room.y1):
                continue
            beside = (lefts > box.right) | (rights < box.left) | (bottoms > box.top) | (tops < box.bottom)
            if beside.all():
                return at_x, at_y, gap
    return None


def _box(x: float, y: float, half_width: float, half_height: float) -> _Box:
    return _Box(x - half_width, y - half_height, x + half_width, y + half_height)


def _rows(boxes: Iterable[_Box]) -> NDArray[np.float64]:
    return np.array(list(boxes), dtype=np.float64).reshape(-1, len(_Box._fields))
