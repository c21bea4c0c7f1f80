"""The activation study for people: sentences first, then a table, then a plot; as Markdown and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING

from quintet.job import write_whole
from quintet.report.svg import svg_file
from quintet.statistics import Summary
from quintet_systems.digits.activations import Activation, ActivationStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe & Ito's colours, told apart by the colour-blind; styles besides, for print.
COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C564B",
    "#7F7F7F",
    "#BCBD22",
    "#17BECF",
)
STYLES = ("-", "--", "-.", ":")


def write_activation_report(study: ActivationStudy, folder: Path) -> tuple[Path, Path]:
    """Write activations.md and activations.svg into `folder`; return their paths."""
    text, plot = folder / "activations.md", folder / "activations.svg"
    write_whole(plot, draw(study))
    write_whole(text, (markdown(study) + "\n").encode())
    return text, plot


def sentences(study: ActivationStudy) -> list[str]:
    """Return what the study found, in words."""
    best = study.activations[0]
    n = best.accuracy.n
    lines = [
        study.claim.sentence + ("" if study.data == "mnist" else f" (Asked here of {study.data}, not of MNIST.)"),
        f"Highest mean measured: {best.name}, {percent(best.accuracy)} on the test set of {study.data}"
        f" ({n} paired seeds; differences up to {100 * study.margin:.1f} pp count as equal).",
    ]
    firsts = {name: count for name, count in study.control_winners.items() if count}
    total = best.control.n + best.control.n_failed
    told = ", ".join(f"{name} in {count}" for name, count in firsts.items())
    lines.append(
        f"Control, one seed at one fixed rate ({study.control_rate:g}) and Glorot weights for all: of {total} such studies"
        f" the winner would have been {told or 'nobody'} (a tie counts for each)."
        + (" The ranking flips from seed to seed." if len(firsts) > 1 else " The ranking's first place does not flip.")
    )
    edges = [a.name for a in study.activations if a.at_edge]
    if edges:
        lines.append(
            f"The chosen rate lies at the grid's edge for {', '.join(edges)}: a wider grid might serve them better."
        )
    return lines


def markdown(study: ActivationStudy) -> str:
    """Return the whole study as Markdown."""
    head = (
        "| activation | rate | test accuracy | 95 % interval | SD | worst seed | s per epoch | failed | control, mean |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    rows = [head, *(_row(a) for a in study.activations)]
    rates = sorted({rate for a in study.activations for rate in a.tuned})
    grid = [
        "| activation | " + " | ".join(f"{rate:g}" for rate in rates) + " |",
        "|---" * (len(rates) + 1) + "|",
        *(
            f"| {a.name} | " + " | ".join(_share(a.tuned.get(rate)) for rate in rates) + " |"
            for a in sorted(study.activations, key=lambda a: a.name)
        ),
    ]
    machine = study.machine
    where = f"{machine['processor']}, {machine['cores']} cores"
    n = study.activations[0].accuracy.n
    return "\n\n".join(
        [
            f"# {len(study.activations)} activations on handwritten digits",
            *sentences(study),
            f"Network: the survey's CNN + softmax (LeNet-5). Library: {study.library} {study.version}; machine: {where}. Adam,"
            f" {study.epochs:g} epochs, cosine rate, initial weights matched to the activation, rate chosen per activation on"
            f" the validation split from {len(rates)} rates, then {n} fresh paired seeds; the test set was opened once, after"
            " that.",
            "\n".join(rows),
            "Validation accuracy at each rate of the grid (mean over the tuning seeds; the test set was not there):",
            "\n".join(grid),
            "![Validation accuracy against iteration](activations.svg)",
            "## Every pair",
            "\n".join(f"- {verdict.sentence}" for verdict in study.verdicts),
        ]
    )


def draw(study: ActivationStudy) -> bytes:
    """Return the plot: validation accuracy against iteration, a line for the mean and a band from worst to best seed."""

    def paint(axes: "Axes") -> None:
        lowest = 1.0
        for i, a in enumerate(study.activations):
            if a.curve is None:
                continue
            colour, style = COLOURS[i % len(COLOURS)], STYLES[i % len(STYLES)]
            axes.plot(
                a.curve.steps, a.curve.mean, style, color=colour, label=f"{a.name} (rate {a.rate:g})", linewidth=1.8
            )
            axes.fill_between(a.curve.steps, a.curve.low, a.curve.high, color=colour, alpha=0.12, linewidth=0)
            lowest = min(lowest, a.curve.mean[min(1, len(a.curve.mean) - 1)])
        axes.set_ylim(max(0.0, lowest - 0.02), 1.0)
        axes.set_xlabel("iteration (optimiser steps)")
        axes.set_ylabel("validation accuracy")
        axes.set_title(f"{study.data}: mean over {study.activations[0].accuracy.n} seeds, band from worst to best seed")
        axes.grid(alpha=0.3)
        axes.legend(loc="lower right")

    return svg_file((9, 5.2), paint)


def percent(summary: Summary) -> str:
    """Return a mean share in percent."""
    return _share(summary.mean)


def _share(value: float | None) -> str:
    return "failed" if value is None else f"{100 * value:.2f} %"


def _row(a: Activation) -> str:
    s, bounds = a.accuracy, a.accuracy.interval
    span = "-" if bounds.low is None or bounds.high is None else f"{100 * bounds.low:.2f} to {100 * bounds.high:.2f}"
    sd = "-" if s.sd is None else f"{100 * s.sd:.2f} pp"
    seconds = "-" if a.epoch_s.mean is None else f"{a.epoch_s.mean:.1f}"
    return (
        f"| {a.name} | {a.rate:g} | {percent(s)} | {span} | {sd} | {_share(s.worst)} | {seconds} | {s.n_failed} |"
        f" {percent(a.control)} |"
    )
