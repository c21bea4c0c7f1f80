"""The report's four plots: accuracy by step, accuracy by seconds, the trade-off, and the seeds side by side.

Rules: a library has one colour, one marker and one dash in all of them, and its name stands beside its line or point;
what cannot be drawn is said in the caption. Not for tables, and not for choosing what is better.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.metrics import METRICS, show_number
from quintet.report.svg import GRID, INK, MUTED, series_colour, to_svg
from quintet.report.tables import within
from quintet.results import LibraryRow, NetworkResult, StudyResult

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
_DASHES = (
    "-",
    (0, (5, 1.5)),
    (0, (1, 1.2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (3, 1)),
    (0, (8, 2)),
    (0, (2, 2)),
    (0, (9, 1, 1, 1)),
)
_ACCURACIES = (
    0.9, 0.99, 0.5, 0.95, 0.8, 0.98, 0.995, 0.998, 1.0, 0.0, 0.2, 0.7, 0.85, 0.97, 0.993, 0.999, 0.985, 0.93, 0.96, 0.996,
)  # fmt: skip  # where ticks may stand on the stretched axis, the most welcome first
_NEAREST = 0.0005  # the least error that the stretched axis tells apart
_NAME: dict[str, Any] = {"fontsize": 8.5, "color": INK, "va": "center", "parse_math": False}
_WIDTH, _HEIGHT = 4.5, 3.3  # inches: legible at the width of a phone, two beside each other on a desk


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """A plot as an `<svg>` element, or the sentence that says why there is none."""

    title: str
    svg: str | None
    caption: str


def plots(result: StudyResult, network: NetworkResult) -> tuple[Plot, ...]:
    """Return a network's plots."""
    styles = {name: index for index, name in enumerate(result.settings["libraries"])}
    return (
        learning_curve(result, network, styles, by="step"),
        learning_curve(result, network, styles, by="train_s"),
        trade_off(network, styles),
        paired_seeds(result, network, styles),
    )


def learning_curve(result: StudyResult, network: NetworkResult, styles: Mapping[str, int], by: str) -> Plot:
    """Return validation accuracy against `by`, "step" or "train_s": the mean over seeds, in a band from least to most."""
    title = "Validation accuracy by " + ("training step" if by == "step" else "seconds of training")
    curves = {row.library: points for row in network.rows if len(points := _points(result, network, row.library, by))}
    if not curves:
        return Plot(title=title, svg=None, caption="No learning curve was recorded.")
    longest = max(len(name) for name in curves)
    figure, axes = _axes(right=max(0.5, 0.89 - 0.0165 * longest))
    axes.set_yscale("function", functions=(_stretch, _unstretch))
    for name, points in curves.items():
        colour, x, low, mean, high = series_colour(styles[name]), *points
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
        axes.plot(
            x,
            mean,
            color=colour,
            linestyle=_DASHES[styles[name] % 8],
            marker=_marker(styles[name]),
            markersize=4,
            linewidth=1.5,
        )
    least = min(points[1].min() for points in curves.values())
    most = max(points[3].max() for points in curves.values())
    _accuracy_ticks(axes, float(least), float(most))
    axes.set_xlim(left=0)
    axes.set_xlabel("training step" if by == "step" else "seconds of training", color=MUTED, fontsize=8.5)
    ends = {name: float(points[2][-1]) for name, points in curves.items()}
    _names_at_right(axes, ends, styles)
    seeds = max(_seeds(result, network, name) for name in curves)
    caption = f"Line: mean over {seeds} seed{'' if seeds == 1 else 's'}; band: from the lowest to the highest seed. The axis is stretched towards 100 %."
    if by != "step":
        caption += " Seconds of training only; compiling and looking at the validation images are left out."
    missing = [row.library for row in network.rows if row.library not in curves]
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} {by}", title, caption),
        caption=caption + _left_out(missing, "without a curve"),
    )


def trade_off(network: NetworkResult, styles: Mapping[str, int]) -> Plot:
    """Return accuracy against the median latency, the area of each point being the peak memory."""
    title = "Accuracy, latency and memory"
    shown = [row for row in network.rows if row.mean("accuracy") is not None and row.mean("latency_p50_ms")]
    missing = [row.library for row in network.rows if row not in shown]
    if not shown:
        return Plot(title=title, svg=None, caption="Accuracy and latency were not both measured for any library.")
    figure, axes = _axes(right=0.96)
    largest = max((row.mean("peak_mib") or 0.0 for row in shown), default=0.0)
    areas = {row.library: 620 * (row.mean("peak_mib") or 0.0) / (largest or 1.0) for row in shown}
    axes.set_xscale("log")
    for row in shown:
        x, y, colour = row.mean("latency_p50_ms"), row.mean("accuracy"), series_colour(styles[row.library])
        area = areas[row.library]
        if bounds := within(METRICS["accuracy"], row.summaries["accuracy"].interval):
            axes.plot([x, x], bounds, color=colour, linewidth=1.2)
        axes.scatter([x], [y], s=area, color=colour, alpha=0.28, linewidth=0)
        axes.scatter([x], [y], s=22, color=colour, marker=_marker(styles[row.library]), linewidth=0)
    xs = [row.mean("latency_p50_ms") or 1.0 for row in shown]
    axes.set_xlim(min(xs) / 1.7, max(xs) * 1.7)
    _one_two_five(axes, min(xs) / 1.7, max(xs) * 1.7)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes.yaxis.set_major_formatter(_percent_formatter(axes))
    axes.set_xlabel("median latency at batch 1, ms (further left is faster)", color=MUTED, fontsize=8.5)
    _names_at_points(figure, axes, shown, [max(3.0, math.sqrt(areas[row.library] / math.pi)) for row in shown])
    caption = "Up and left is better. Bar: 95 % interval of the mean test accuracy over seeds. "
    sizes = [f"{row.library} {show_number(memory)} MiB" for row in shown if (memory := row.mean("peak_mib"))]
    caption += f"Area of the disc: peak memory ({', '.join(sizes)})." if sizes else "Memory was not measured."
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} trade-off", title, caption),
        caption=caption + _left_out(missing, "as not both were measured"),
    )


def paired_seeds(result: StudyResult, network: NetworkResult, styles: Mapping[str, int]) -> Plot:
    """Return each seed's test accuracy as dots joined across the libraries: parallel lines are what pairing gains."""
    title = "The same seeds under each library"
    names = [row.library for row in network.rows]
    found: dict[int, dict[str, float]] = {}
    for trial in result.trials:
        value = trial.metrics.get("accuracy")
        if trial.network == network.network and not trial.repeat and trial.status == "ok" and value is not None:
            found.setdefault(trial.seed, {})[trial.library] = value
    if not found:
        return Plot(title=title, svg=None, caption="No trial has finished yet.")
    figure, axes = _axes(right=0.96, left=0.27, grid="x")
    for values in found.values():
        places = [(values[name], i) for i, name in enumerate(names) if name in values]
        axes.plot(*zip(*places, strict=True), color=MUTED, linewidth=0.7, alpha=0.6, zorder=1)
        for value, i in places:
            axes.plot(
                [value],
                [i],
                marker=_marker(styles[names[i]]),
                markersize=4.5,
                color=series_colour(styles[names[i]]),
                zorder=3,
            )
    for i, row in enumerate(network.rows):
        mean, summary = row.mean("accuracy"), row.summaries.get("accuracy")
        if mean is None or summary is None:
            continue
        axes.plot([mean, mean], [i - 0.26, i + 0.26], color=INK, linewidth=1.6, zorder=4)
        if bounds := within(METRICS["accuracy"], summary.interval):
            axes.plot(
                bounds,
                [i, i],
                color=series_colour(styles[row.library]),
                linewidth=7,
                alpha=0.25,
                zorder=2,
                solid_capstyle="butt",
            )
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.xaxis.set_major_formatter(_percent_formatter(axes, "x"))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("test accuracy", color=MUTED, fontsize=8.5)
    caption = "Each thin line is one seed; the upright stroke is the mean, the bar behind it the 95 % interval."
    missing = [name for name in names if not any(name in values for values in found.values())]
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} seeds", title, caption),
        caption=caption + _left_out(missing, "as no run finished"),
    )


def _points(result: StudyResult, network: NetworkResult, library: str, by: str) -> Any:
    """Return `(4, evaluations)`: place, lowest, mean and highest; an evaluation that no seed has reached is left out."""
    by_step: dict[int, list[tuple[float, float]]] = {}
    for point in result.series:
        if (
            (point["network"], point["library"], point["name"]) == (network.network, library, "validation_accuracy")
            and point["value"] is not None
            and point[by] is not None
        ):
            by_step.setdefault(point["step"], []).append((point[by], point["value"]))
    rows = []
    for step in sorted(by_step):
        places, values = zip(*by_step[step], strict=True)
        rows.append((float(np.mean(places)), min(values), float(np.mean(values)), max(values)))
    return np.array(rows).T if rows else np.empty((0, 0))


def _seeds(result: StudyResult, network: NetworkResult, library: str) -> int:
    return len({p["seed"] for p in result.series if (p["network"], p["library"]) == (network.network, library)})


def _axes(right: float, left: float = 0.115, grid: str = "y") -> "tuple[Figure, Axes]":
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


def _marker(index: int) -> str:
    return _MARKERS[index % len(_MARKERS)]


def _stretch(accuracy: Any) -> Any:
    return -np.log10(np.clip(1 - np.asarray(accuracy, dtype=float), 0, None) + _NEAREST)


def _unstretch(place: Any) -> Any:
    return 1 + _NEAREST - 10.0 ** -np.asarray(place, dtype=float)


def _accuracy_ticks(axes: "Axes", least: float, most: float) -> None:
    low, high = float(_stretch(least)), float(_stretch(most))
    room = max(0.06 * (high - low), 0.01)
    low, high = max(low - room, float(_stretch(0.0))), min(high + room, float(_stretch(1.0)))
    axes.set_ylim(float(_unstretch(low)), float(_unstretch(high)))
    ticks: list[float] = []
    for tick in _ACCURACIES:
        place = float(_stretch(tick))
        if low <= place <= high and all(abs(place - float(_stretch(t))) > 0.12 * (high - low) for t in ticks):
            ticks.append(tick)
    if len(ticks) < 2:  # too narrow a range for round figures
        ticks = [float(_unstretch(low + share * (high - low))) for share in (0.1, 0.5, 0.9)]
    axes.set_yticks(ticks, [f"{100 * t:.4g} %" for t in ticks])
    axes.minorticks_off()


def _percent_formatter(axes: "Axes", which: str = "y") -> Callable[[float, int], str]:
    low, high = axes.get_ylim() if which == "y" else axes.get_xlim()
    digits = max(0, min(3, math.ceil(-math.log10(max(high - low, 1e-6) * 100 / 4))))
    return lambda value, _: f"{100 * value:.{digits}f} %"


def _one_two_five(axes: "Axes", low: float, high: float) -> None:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [t for p in powers for s in (1, 2, 5) if low <= (t := s * 10.0**p) <= high]
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.minorticks_off()


def _apart(places: Sequence[float], gap: float, top: float) -> list[float]:
    """Return `places` moved as little as keeps them `gap` apart, in the same order, below `top` where that can be."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    for before, i in zip(order, order[1:], strict=False):
        moved[i] = max(moved[i], moved[before] + gap)
    limit = top
    for i in reversed(order):
        moved[i] = min(moved[i], limit)
        limit = moved[i] - gap
    return moved


def _names_at_right(axes: "Axes", ends: Mapping[str, float], styles: Mapping[str, int]) -> None:
    """Write each library's name beside the end of its line, with the line's look, no two on each other."""
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform((0.0, value))[1]) for value in ends.values()]
    width = axes.get_position().width
    key = [1 + share / width for share in (0.015, 0.05, 0.085)]
    for name, height in zip(ends, _apart(heights, 0.065, 0.985), strict=True):
        axes.plot(
            key, [height] * 3, transform=axes.transAxes, clip_on=False, linewidth=1.5, markersize=4, markevery=[1],
            color=series_colour(styles[name]), linestyle=_DASHES[styles[name] % 8], marker=_marker(styles[name]),
        )  # fmt: skip
        axes.text(1 + 0.1 / width, height, name, transform=axes.transAxes, **_NAME)


def _names_at_points(figure: "Figure", axes: "Axes", shown: Sequence[LibraryRow], radii: Sequence[float]) -> None:
    """Write each library's name where it covers the least of other discs and names; `radii` are in points."""
    scale = 72 / figure.dpi
    centres = [axes.transData.transform((row.mean("latency_p50_ms"), row.mean("accuracy"))) * scale for row in shown]
    frame = axes.get_window_extent()
    inside = np.array([frame.x0, frame.y0, frame.x1, frame.y1]) * scale
    taken = [np.array([*(c - r * 0.8), *(c + r * 0.8)]) for c, r in zip(centres, radii, strict=True)]
    for row, centre, radius in zip(shown, centres, radii, strict=True):
        size = np.array([5.2 * len(row.library), 10.0])
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
            row.library, (float(centre[0]), float(centre[1])), (float(place[0]), float(place[1])),
            xycoords="figure points", textcoords="figure points", ha="center", arrowprops=leader, **_NAME,
        )  # fmt: skip


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Return the area that two boxes `(left, bottom, right, top)` share."""
    return float(np.prod(np.clip(np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2]), 0, None)))


def _left_out(names: Sequence[str], why: str) -> str:
    return f" Not shown, {why}: {', '.join(names)}." if names else ""
