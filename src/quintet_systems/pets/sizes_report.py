"""The study of sizes for people: sentences, a table, a plot; as Markdown and SVG."""

from pathlib import Path
from typing import TYPE_CHECKING

from quintet.job import write_whole
from quintet.report.svg import svg_file
from quintet.statistics import Summary
from quintet_systems.pets.sizes import SURVEY, Size, SizeStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SURVEYS, LADDERS = "#D55E00", "#0072B2"  # Okabe & Ito's, told apart by the colour-blind


def write_sizes_report(study: SizeStudy, folder: Path) -> tuple[Path, Path]:
    """Write sizes.md and sizes.svg into `folder`; return their paths."""
    text, plot = folder / "sizes.md", folder / "sizes.svg"
    write_whole(plot, draw(study))
    write_whole(text, (markdown(study) + "\n").encode())
    return text, plot


def markdown(study: SizeStudy) -> str:
    """Return the whole study as Markdown."""
    head = (
        "| network | weights | multiply-adds | test accuracy | 95 % interval | SD | worst seed | minutes a seed | failed |\n"
        "|---|---|---|---|---|---|---|---|---|"
    )
    return "\n\n".join(
        [
            "# Is the larger network the more accurate?",
            *study.claims,
            f"Library: {study.library}, {study.precision}. Data: {study.data}, {study.n_test:,} test photos; {study.seeds} paired"
            " seeds. The intervals are over seeds; the photos themselves add what docs/statistics.md calls test-set noise.",
            "\n".join([head, *map(_row, study.sizes)]),
            "![Test accuracy against weights](sizes.svg)",
            "## Every pair",
            "\n".join(f"- {verdict.sentence}" for verdict in study.verdicts),
        ]
    )


def draw(study: SizeStudy) -> bytes:
    """Return the plot: test accuracy against weights, a bar from the interval's lower to its upper end."""

    def paint(axes: "Axes") -> None:
        for name, colour, style, of_survey in (
            ("the survey's", SURVEYS, "s--", True),
            ("the ladder", LADDERS, "o-", False),
        ):
            sizes = [s for s in study.sizes if (s.network in SURVEY) == of_survey and s.accuracy.mean is not None]
            if not sizes:
                continue
            middle = [100 * (s.accuracy.mean or 0.0) for s in sizes]
            bounds = [s.accuracy.interval for s in sizes]
            below = [m - 100 * b.low if b.low is not None else 0.0 for m, b in zip(middle, bounds, strict=True)]
            above = [100 * b.high - m if b.high is not None else 0.0 for m, b in zip(middle, bounds, strict=True)]
            places = [s.parameters for s in sizes]
            axes.errorbar(places, middle, yerr=[below, above], fmt=style, color=colour, capsize=4, label=name)
            for size, height in zip(sizes, middle, strict=True):
                place, side = ((-6, -12), "right") if of_survey else ((6, -12), "left")
                axes.annotate(
                    size.network, (size.parameters, height), xytext=place, textcoords="offset points", ha=side
                )
        axes.set_xscale("log")
        axes.set_xlabel("weights")
        axes.set_ylabel("test accuracy, %")
        axes.set_title(f"{study.data}: mean and 95 % interval over {study.seeds} seeds")
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right")

    return svg_file((8, 4.6), paint)


def _row(size: Size) -> str:
    s = size.accuracy
    minutes = "-" if size.train_s.mean is None else f"{size.train_s.mean / 60:.1f}"
    return (
        f"| {size.network} | {size.parameters:,} | {size.multiply_adds / 1e6:.1f} M | {_percent(s.mean)} | {_span(s)} |"
        f" {'-' if s.sd is None else f'{100 * s.sd:.2f} points'} | {_percent(s.worst)} | {minutes} | {s.n_failed} |"
    )


def _percent(value: float | None) -> str:
    return "failed" if value is None else f"{100 * value:.2f} %"


def _span(summary: Summary) -> str:
    low, high = summary.interval.low, summary.interval.high
    return "-" if low is None or high is None else f"{100 * low:.2f} to {100 * high:.2f}"
