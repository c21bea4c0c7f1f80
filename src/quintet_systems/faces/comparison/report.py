"""The comparison for people: sentences, tables, one plot a set with a curve for each method; as Markdown and SVG."""

import io
from collections.abc import Sequence
from pathlib import Path

from quintet.job import write_whole
from quintet.statistics import Interval, Summary
from quintet_systems.faces.comparison.measuring import UNCHANGED
from quintet_systems.faces.comparison.study import DETECTION, Cell, Comparison, Difference
from quintet_systems.faces.conditions import CONDITIONS
from quintet_systems.faces.protocols.detection import Found

COLOURS = ("#0072B2", "#009E73", "#56B4E9", "#D55E00", "#E69F00", "#CC79A7", "#000000")  # Okabe & Ito's
STYLES = ("-", "--", "-.", ":")
COLUMNS = 4
OWN = "each split's own people, where it learns"


def write_report(comparison: Comparison, folder: Path, run: str = "") -> list[Path]:
    """Write faces-conditions.md and a faces-SET.svg for each set and for detection; return their paths, the text first.

    `run` says how it was run: command, date, machine, versions.
    """
    plots = []
    for about in comparison.sets:
        place = folder / f"faces-{_file(about['data'])}.svg"
        write_whole(place, _plot([c for c in comparison.cells if c.data == about["data"]]))
        plots.append(place)
    if comparison.under_conditions:
        plots.append(folder / f"faces-{DETECTION}.svg")
        write_whole(plots[-1], _plot(comparison.under_conditions, "recall, %"))
    text = folder / "faces-conditions.md"
    write_whole(text, (markdown(comparison, run) + "\n").encode())
    return [text, *plots]


def markdown(comparison: Comparison, run: str = "") -> str:
    """Return the whole comparison as Markdown."""
    parts = [
        "# Faces: which features hold under which condition?",
        *comparison.claims,
        f"Faces were found by {comparison.detector['name']}, the same for all methods; changes are made to the aligned face,"
        " of searches only, so the figures speak of features alone. Intervals are 95 %, over people, on LFW over its ten folds.",
        "A p value is that of the paired differences' mean (a sign-flip test, or t where values are few), after Holm over all"
        " rows of the table of differences; a difference is the mean over a condition's strengths. A figure without an interval"
        " had no spread to judge by: all values were equal.",
        *([run] if run else []),
        "## Who was compared",
        _table(
            ("method", "kind", "source", "licence", "learnt from", "measured"),
            [
                (
                    m["name"],
                    m["kind"],
                    m.get("source", ""),
                    m.get("licence", "free"),
                    m.get("trained_on", OWN),
                    "; ".join(m[key] for key in ("measured", "use") if m.get(key)) or "below",
                )
                for m in comparison.methods
            ],
        ),
        "## What a face costs",
        _table(
            ("method", "ms a face, median", "95th percentile", "model, MiB", "numbers a face"),
            [
                (c["method"], f"{c['p50_ms']:.2f}", f"{c['p95_ms']:.2f}", f"{c['model_mib']:.2f}", f"{c['features']:,}")
                for c in comparison.costs
            ],
        ),
        "One face at a time, detection not counted, as many threads as there are cores where a method uses any; a description,"
        " other work may have shared the machine.",
    ]
    for about in comparison.sets:
        parts += _of_set(about["data"], dict(about), comparison)
    parts += ["## Learned against hand-crafted, condition by condition", _differences(comparison.differences)]
    if comparison.detection:
        parts += ["## Finding faces", _detection(comparison.detection)]
    if comparison.under_conditions:
        n = min(cell.accuracy.n for cell in comparison.under_conditions)
        parts += [
            f"Under the conditions, drawn into the first {n} of these pictures: recall in %.",
            f"![Recall of each detector under each condition](faces-{DETECTION}.svg)",
            _grid(comparison.under_conditions),
        ]
    return "\n\n".join(parts)


def _of_set(data: str, about: dict, comparison: Comparison) -> list[str]:
    cells = [c for c in comparison.cells if c.data == data]
    what = (
        "rank-1 identification" if about["question"] == "who is it?" else "accuracy, the threshold from unchanged pairs"
    )
    size = (
        f"{about['pairs']:,} pairs"
        if "pairs" in about
        else f"{about['pictures']:,} pictures of {about['people']} people"
    )
    view2 = about.get("view2", {})
    whole = [
        "All 6,000 pairs of View 2, unchanged, a face that was not found an error, mean of ten folds:",
        _table(("method", "accuracy, % (95 % interval)"), [(m, _figure(v, 2)) for m, v in view2.items()]),
    ]
    return [
        f"## {data}: {about['question']}",
        *(whole if view2 else []),
        f"{what}; {size}; the detector found {100 * about['detected']:.1f} % of the faces by itself.",
        f"![Accuracy of each method under each condition](faces-{_file(data)}.svg)",
        _grid(cells),
    ]


def _grid(cells: Sequence[Cell]) -> str:
    """Return the table of conditions and levels, a column for each method."""
    methods = list(dict.fromkeys(c.method for c in cells))
    conditions = [c for c in dict.fromkeys(c.condition for c in cells) if c != UNCHANGED]
    rows = []
    for condition in (UNCHANGED, *conditions):
        for level in sorted({c.level for c in cells if c.condition == condition}):
            found = {c.method: c.accuracy for c in cells if (c.condition, c.level) == (condition, level)}
            rows.append((_strength(condition, level), *(_figure(found[m]) for m in methods)))
    return _table(("condition", *methods), rows)


def _strength(condition: str, level: int) -> str:
    if condition == UNCHANGED:
        return UNCHANGED
    known = CONDITIONS.get(condition)
    return f"{condition}, {known.unit}: {known.strengths[level - 1]:g}" if known else f"{condition}: subset {level + 1}"


def _figure(summary: Summary, digits: int = 1) -> str:
    return "-" if summary.mean is None else _share(summary.mean, summary.interval, digits)


def _share(value: float, bounds: Interval, digits: int = 1) -> str:
    low, high = bounds.low, bounds.high
    span = "" if low is None or high is None else f" ({100 * max(low, 0):.{digits}f}–{100 * min(high, 1):.{digits}f})"
    return f"{100 * value:.{digits}f}{span}"


def _differences(differences: Sequence[Difference]) -> str:
    words = {1: "learned is better", 0: "not shown", -1: "hand-crafted is better"}
    rows = [
        (
            one.data, one.condition, f"{one.learned} − {one.handcrafted}", f"{100 * one.mean:+.1f}",
            "-" if one.low is None or one.high is None else f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
            "-" if one.p_adjusted is None else f"{one.p_adjusted:.3g}", words[one.shown],
        )
        for one in differences
    ]  # fmt: skip
    return _table(("set", "condition", "difference", "points", "95 % interval", "p after Holm", "verdict"), rows)


def _detection(found: Sequence[Found]) -> str:
    rows = [
        (
            one.detector, _share(one.recall, one.recall_interval), f"{one.false_alarms:.3f}",
            _share(one.with_alarm, one.with_alarm_interval), f"{one.p50_ms:.1f}", f"{one.p95_ms:.1f}",
        )
        for one in found
    ]  # fmt: skip
    head = (
        "detector",
        "recall, %",
        "false alarms a scene",
        "scenes with one, %",
        "ms a picture, median",
        "95th percentile",
    )
    size = f"{found[0].n_faces:,} pictures of LFW, of people whom no detector of Quintet's learnt from"
    return f"{size}, and {found[0].n_scenes} scenes.\n\n{_table(head, rows)}"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(map(str, row)) + " |" for row in rows])


def _plot(cells: Sequence[Cell], what: str = "accuracy, %") -> bytes:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    conditions = [c for c in dict.fromkeys(c.condition for c in cells) if c != UNCHANGED]
    methods = list(dict.fromkeys(c.method for c in cells))
    rows = -(-len(conditions) // COLUMNS)
    with rc_context({"svg.hashsalt": "quintet", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(3.1 * COLUMNS, 2.5 * rows + 0.6), layout="constrained")
        panels = figure.subplots(rows, COLUMNS, sharey=True, squeeze=False)
        for panel, condition in zip(panels.flat, conditions, strict=False):
            for i, method in enumerate(methods):
                line = sorted(
                    (c for c in cells if c.method == method and (c.condition == condition or c.condition == UNCHANGED)),
                    key=lambda c: c.level,
                )
                levels, middle = [c.level for c in line], [100 * (c.accuracy.mean or 0) for c in line]
                low, high = zip(*(_band(c.accuracy) for c in line), strict=True)
                colour = COLOURS[i % len(COLOURS)]
                panel.plot(levels, middle, STYLES[i % len(STYLES)], color=colour, marker=".", label=method)
                panel.fill_between(levels, low, high, color=colour, alpha=0.08, linewidth=0)
            known = CONDITIONS.get(condition)
            marks = ["0", *(f"{s:g}" for s in known.strengths)] if known else [f"{k + 1}" for k in range(5)]
            panel.set_xticks(range(len(marks)), marks)
            panel.set_title(condition)
            panel.set_xlabel(known.unit if known else "subset by the light's angle", fontsize=7)
            panel.grid(alpha=0.3)
        for panel in panels.flat[len(conditions) :]:
            panel.set_axis_off()
        for row in panels:
            row[0].set_ylabel(what)
        handles, names = panels.flat[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside lower center", ncols=len(names))
        stream = io.BytesIO()
        FigureCanvasSVG(figure).print_svg(stream, metadata={"Date": None})
    return stream.getvalue()


def _band(summary: Summary) -> tuple[float, float]:
    """Return the interval in %, within what a share can be; of none, the mean."""
    mean = summary.mean or 0.0
    low, high = (bound if bound is not None else mean for bound in (summary.interval.low, summary.interval.high))
    return 100 * max(low, 0.0), 100 * min(high, 1.0)


def _file(data: str) -> str:
    return Path(data).name.replace(" ", "-")
