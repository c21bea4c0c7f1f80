"""The report's four plots: accuracy by step, accuracy by seconds, the trade-off, and the seeds side by side.

Rules: a library has one colour, one marker and one dash in all of them, and its name stands beside its line or point;
what cannot be drawn is said in the caption. Not for tables, and not for choosing what is better.
"""

import math
from collections.abc import Mapping, Sequence
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
        axes.plot(
            x,
            mean,
            color=colour,
            linestyle=dash(styles[name]),
            marker=marker(styles[name]),
            markersize=4,
            linewidth=1.5,
        )
    least = min(points[1].min() for points in curves.values())
    most = max(points[3].max() for points in curves.values())
    accuracy_ticks(axes, float(least), float(most))
    axes.set_xlim(left=0)
    axes.set_xlabel("training step" if by == "step" else "seconds of training", color=MUTED, fontsize=8.5)
    ends = {name: float(points[2][-1]) for name, points in curves.items()}
    names_at_right(axes, ends, styles)
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
    figure, axes = make_axes(right=0.96)
    largest = max((row.mean("peak_mib") or 0.0 for row in shown), default=0.0)
    areas = {row.library: 620 * (row.mean("peak_mib") or 0.0) / (largest or 1.0) for row in shown}
    axes.set_xscale("log")
    for row in shown:
        x, y, colour = row.mean("latency_p50_ms"), row.mean("accuracy"), series_colour(styles[row.library])
        area = areas[row.library]
        if bounds := within(METRICS["accuracy"], row.summaries["accuracy"].interval):
            axes.plot([x, x], bounds, color=colour, linewidth=1.2)
        axes.scatter([x], [y], s=area, color=colour, alpha=0.28, linewidth=0)
        axes.scatter([x], [y], s=22, color=colour, marker=marker(styles[row.library]), linewidth=0)
    xs = [row.mean("latency_p50_ms") or 1.0 for row in shown]
    axes.set_xlim(min(xs) / 1.7, max(xs) * 1.7)
    one_two_five(axes, min(xs) / 1.7, max(xs) * 1.7)
    low, high = axes.get_ylim()
    axes.set_ylim(low - 0.15 * (high - low), high + 0.15 * (high - low))
    axes.yaxis.set_major_formatter(percent(axes))
    axes.set_xlabel("median latency at batch 1, ms (further left is faster)", color=MUTED, fontsize=8.5)
    names_at_points(figure, axes, shown, [max(3.0, math.sqrt(areas[row.library] / math.pi)) for row in shown])
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
    figure, axes = make_axes(right=0.96, left=0.27, grid="x")
    for values in found.values():
        places = [(values[name], i) for i, name in enumerate(names) if name in values]
        axes.plot(*zip(*places, strict=True), color=MUTED, linewidth=0.7, alpha=0.6, zorder=1)
        for value, i in places:
            axes.plot(
                [value],
                [i],
                marker=marker(styles[names[i]]),
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
    axes.xaxis.set_major_formatter(percent(axes, "x"))
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


def _left_out(names: Sequence[str], why: str) -> str:
    return f" Not shown, {why}: {', '.join(names)}." if names else ""
