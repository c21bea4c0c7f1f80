"""The report's four plots: accuracy by step, accuracy by seconds, the trade-off, and the seeds side by side.

Rules: a library has one colour, one marker and one dash in all of them, and its name stands beside its line or point;
what cannot be drawn is said in the caption. Not for tables, and not for choosing what is better.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from quintet.metrics import METRICS, show_number
from quintet.report.axes import (
    accuracy_ticks,
    dash,
    make_axes,
    marker,
    names_at_points,
    names_at_right,
    one_two_five,
    percent,
    stretch,
    unstretch,
)
from quintet.report.svg import INK, MUTED, series_colour, to_svg
from quintet.report.tables import within
from quintet.results import NetworkResult, StudyResult

_DISC = 14.0  # points: the radius of the largest disc


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
    figure, axes = make_axes(right=max(0.5, 0.89 - 0.0165 * longest))
    axes.set_yscale("function", functions=(stretch, unstretch))
    for name, points in curves.items():
        colour, x, low, mean, high = series_colour(styles[name]), *points
        axes.fill_between(x, low, high, color=colour, alpha=0.14, linewidth=0)
        look = {"linestyle": dash(styles[name]), "marker": marker(styles[name])}
        axes.plot(x, mean, color=colour, markersize=4, linewidth=1.5, **look)
    least = min(points[1].min() for points in curves.values())
    most = max(points[3].max() for points in curves.values())
    accuracy_ticks(axes, float(least), float(most))
    axes.set_xlim(left=0)
    axes.set_xlabel("training step" if by == "step" else "seconds of training", color=MUTED, fontsize=8.5)
    ends = {name: float(points[2][-1]) for name, points in curves.items()}
    names_at_right(axes, ends, styles)
    seeds = max(_seeds(result, network, name) for name in curves)
    caption = (
        f"Line: mean over {seeds} seed{'' if seeds == 1 else 's'}; band: from the lowest to the highest seed. "
        "The axis is stretched towards 100 %."
    )
    if by != "step":
        caption += " Seconds of training only; compiling and looking at the validation images are left out."
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} {by}", title, caption),
        caption=caption + _left_out(network, curves, "without a curve"),
    )


def trade_off(network: NetworkResult, styles: Mapping[str, int]) -> Plot:
    """Return accuracy against the median latency, the area of each disc being the peak memory."""
    title = "Accuracy, latency and memory"
    points = {
        row.library: (latency, accuracy)
        for row in network.rows
        if (accuracy := row.mean("accuracy")) is not None and (latency := row.mean("latency_p50_ms"))
    }
    if not points:
        return Plot(title=title, svg=None, caption="Accuracy and latency were not both measured for any library.")
    shown = [row for row in network.rows if row.library in points]
    memory = {row.library: row.mean("peak_mib") or 0.0 for row in shown}
    radii = {name: _DISC * math.sqrt(size / (max(memory.values()) or 1.0)) for name, size in memory.items()}
    figure, axes = make_axes(right=0.96)
    axes.set_xscale("log")
    for row in shown:
        name, (x, y), colour = row.library, points[row.library], series_colour(styles[row.library])
        if bounds := within(METRICS["accuracy"], row.summaries["accuracy"].interval):
            axes.plot([x, x], bounds, color=colour, linewidth=1.2)
        axes.scatter([x], [y], s=math.pi * radii[name] ** 2, color=colour, alpha=0.28, linewidth=0)
        axes.scatter([x], [y], s=22, color=colour, marker=marker(styles[name]), linewidth=0)
    left, right = min(x for x, _ in points.values()) / 1.7, max(x for x, _ in points.values()) * 1.7
    axes.set_xlim(left, right)
    one_two_five(axes, left, right)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes.yaxis.set_major_formatter(percent(axes))
    axes.set_xlabel("median latency at batch 1, ms (further left is faster)", color=MUTED, fontsize=8.5)
    names_at_points(figure, axes, points, list(radii.values()))
    caption = "Up and left is better. Bar: 95 % interval of the mean test accuracy over seeds. "
    sizes = [f"{name} {show_number(size)} MiB" for name, size in memory.items() if size]
    caption += f"Area of the disc: peak memory ({', '.join(sizes)})." if sizes else "Memory was not measured."
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} trade-off", title, caption),
        caption=caption + _left_out(network, points, "as accuracy and latency were not both measured"),
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
    figure, axes = make_axes(right=0.96, left=0.27, grid="x")
    for values in found.values():
        places = [(values[name], i) for i, name in enumerate(names) if name in values]
        axes.plot(*zip(*places, strict=True), color=MUTED, linewidth=0.7, alpha=0.6, zorder=1)
    for i, row in enumerate(network.rows):
        index = styles[row.library]
        dots = [values[row.library] for values in found.values() if row.library in values]
        look = {"marker": marker(index), "markersize": 4.5, "linestyle": "none", "zorder": 3}
        axes.plot(dots, [i] * len(dots), color=series_colour(index), **look)
        mean, summary = row.mean("accuracy"), row.summaries.get("accuracy")
        if mean is None or summary is None:
            continue
        axes.plot([mean, mean], [i - 0.26, i + 0.26], color=INK, linewidth=1.6, zorder=4)
        if bounds := within(METRICS["accuracy"], summary.interval):
            bar = {"linewidth": 7, "alpha": 0.25, "zorder": 2, "solid_capstyle": "butt"}
            axes.plot(bounds, [i, i], color=series_colour(index), **bar)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_yticks(range(len(names)), names, color=INK)
    axes.xaxis.set_major_formatter(percent(axes, "x"))
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("test accuracy", color=MUTED, fontsize=8.5)
    caption = "Each thin line is one seed; the upright stroke is the mean, the bar behind it the 95 % interval."
    return Plot(
        title=title,
        svg=to_svg(figure, f"{network.network} seeds", title, caption),
        caption=caption
        + _left_out(network, {name for values in found.values() for name in values}, "as no run finished"),
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


def _left_out(network: NetworkResult, shown: Collection[str], why: str) -> str:
    names = [row.library for row in network.rows if row.library not in shown]
    return f" Not shown, {why}: {', '.join(names)}." if names else ""
