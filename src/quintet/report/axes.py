"""What the plots share: quiet axes, ticks on a stretched scale, and names that stand beside what they name.

A library's colour, marker and dash come from its place in the study, so that it looks the same in every plot.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.report.svg import GRID, INK, MUTED, series_colour

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_DASHES = ((), (5, 1.5), (1, 1.2), (6, 1.5, 1, 1.5), (3, 1), (8, 2), (2, 2), (9, 1, 1, 1))
_ACCURACIES = (
    0.9, 0.99, 0.5, 0.95, 0.8, 0.98, 0.995, 0.998, 1.0, 0.0, 0.2, 0.7, 0.85, 0.97, 0.993, 0.999, 0.985, 0.93, 0.96, 0.996,
)  # fmt: skip  # where ticks may stand on the stretched axis, the most welcome first
_NEAREST = 0.0005  # the least error that the stretched axis tells apart
_NAME: dict[str, Any] = {"fontsize": 8.5, "color": INK, "va": "center", "parse_math": False}
_WIDTH, _HEIGHT = 4.5, 3.3  # inches: legible at the width of a phone, two beside each other on a desk


def make_axes(right: float, left: float = 0.115, grid: str = "y") -> "tuple[Figure, Axes]":
    """Return a figure with axes from `left` to `right` (shares of its width) and a grid along one direction."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT))
    axes = figure.add_axes((left, 0.135, right - left, 0.83))
    axes.set_axisbelow(True)
    axes.grid(axis="y" if grid == "y" else "x", color=GRID, linewidth=0.8)
    for side, spine in axes.spines.items():
        spine.set_visible(side == ("bottom" if grid == "y" else "left"))
        spine.set_color(MUTED)
    axes.tick_params(colors=MUTED, labelcolor=MUTED, labelsize=8.5, length=3, which="both")
    axes.tick_params(axis="y" if grid == "y" else "x", length=0)
    return figure, axes


def marker(index: int) -> str:
    """Return the marker of the library at `index`."""
    return _MARKERS[index % len(_MARKERS)]


def dash(index: int) -> Any:
    """Return the dash pattern of the library at `index`."""
    pattern = _DASHES[index % len(_DASHES)]
    return (0, pattern) if pattern else "-"


def stretch(accuracy: Any) -> Any:
    """Return places that lie further apart the nearer the accuracy is to 1: the logarithm of the error, turned over."""
    return -np.log10(np.clip(1 - np.asarray(accuracy, dtype=float), 0, None) + _NEAREST)


def unstretch(place: Any) -> Any:
    """Return the accuracy at a place of `stretch`."""
    return 1 + _NEAREST - 10.0 ** -np.asarray(place, dtype=float)


def accuracy_ticks(axes: "Axes", least: float, most: float) -> None:
    """Give a stretched axis the range from `least` to `most`, and round ticks that do not crowd each other."""
    low, high = float(stretch(least)), float(stretch(most))
    room = max(0.06 * (high - low), 0.01)
    low, high = max(low - room, float(stretch(0.0))), min(high + room, float(stretch(1.0)))
    axes.set_ylim(float(unstretch(low)), float(unstretch(high)))
    ticks: list[float] = []
    for tick in _ACCURACIES:
        place = float(stretch(tick))
        if low <= place <= high and all(abs(place - float(stretch(t))) > 0.12 * (high - low) for t in ticks):
            ticks.append(tick)
    if len(ticks) < 2:  # too narrow a range for round figures
        ticks = [float(unstretch(low + share * (high - low))) for share in (0.1, 0.5, 0.9)]
    axes.set_yticks(ticks, [f"{100 * t:.4g} %" for t in ticks])
    axes.minorticks_off()


def percent(axes: "Axes", which: str = "y") -> Callable[[float, float], str]:
    """Return a formatter of shares as percentages, with the digits that the axis's range needs."""
    low, high = axes.get_ylim() if which == "y" else axes.get_xlim()
    digits = max(0, min(3, math.ceil(-math.log10(max(high - low, 1e-6) * 100 / 4))))
    return lambda value, _: f"{100 * value:.{digits}f} %"


def one_two_five(axes: "Axes", low: float, high: float) -> None:
    """Put ticks at 1, 2 and 5 times the powers of ten between `low` and `high`."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [t for p in powers for s in (1, 2, 5) if low <= (t := s * 10.0**p) <= high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()


def _apart(places: Sequence[float], gap: float, top: float) -> list[float]:
    """Return `places` moved as little as keeps them `gap` apart, in the same order, below `top` where that can be."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, i in pairwise(order):
        moved[i] = max(moved[i], moved[before] + gap)
    limit = top
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def names_at_right(axes: "Axes", ends: Mapping[str, float], styles: Mapping[str, int]) -> None:
    """Write each library's name beside the end of its line, with the line's look, no two on each other."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform((0.0, value))[1]) for value in ends.values()]
    width = axes.get_position().width
    key = [1 + share / width for share in (0.015, 0.05, 0.085)]
    for name, height in zip(ends, _apart(heights, 0.065, 0.985), strict=True):
        axes.plot(
            key, [height] * 3, transform=axes.transAxes, clip_on=False, linewidth=1.5, markersize=4, markevery=[1],
            color=series_colour(styles[name]), linestyle=dash(styles[name]), marker=marker(styles[name]),
        )  # fmt: skip
        axes.text(1 + 0.1 / width, height, name, transform=axes.transAxes, **_NAME)


def names_at_points(
    figure: "Figure", axes: "Axes", points: Mapping[str, tuple[float, float]], radii: Sequence[float]
) -> None:
    """Write each name where it covers the least of other discs and names; `radii` are the discs', in points."""
    scale = 72 / figure.dpi
    centres = [np.asarray(axes.transData.transform(point)) * scale for point in points.values()]
    frame = axes.get_window_extent()
    inside = np.array([frame.x0, frame.y0, frame.x1, frame.y1]) * scale
    taken = [np.array([*(c - r * 0.8), *(c + r * 0.8)]) for c, r in zip(centres, radii, strict=True)]
    for name, centre, radius in zip(points, centres, radii, strict=True):
        size = np.array([5.2 * len(name), 10.0])
        spots = [
            (extra, np.array([x * (radius + 4 + extra + size[0] / 2 * abs(x)), y * (radius + 6 + extra)]))
            for extra in (0, 14, 28, 42)
            for x, y in ((1, 0), (-1, 0), (0, 1), (0, -1), (0.8, 0.8), (-0.8, 0.8), (0.8, -0.8), (-0.8, -0.8))
        ]

        def cost(spot: tuple[float, np.ndarray], centre: np.ndarray = centre, size: np.ndarray = size) -> float:
            box = np.array([*(centre + spot[1] - size / 2), *(centre + spot[1] + size / 2)])
            outside = max(0.0, *(inside[:2] - box[:2]), *(box[2:] - inside[2:]))
            return sum(_overlap(box, other) for other in taken) + 100 * outside + spot[0]

        extra, offset = min(spots, key=cost)
        place = centre + offset
        taken.append(np.array([*(place - size / 2), *(place + size / 2)]))
        leader = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.6, "shrinkB": 2, "shrinkA": 0} if extra else None
        axes.annotate(
            name, (float(centre[0]), float(centre[1])), (float(place[0]), float(place[1])),
            xycoords="figure points", textcoords="figure points", ha="center", arrowprops=leader, **_NAME,
        )  # fmt: skip


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area that two boxes `(left, bottom, right, top)` share."""
    return float(np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)))
