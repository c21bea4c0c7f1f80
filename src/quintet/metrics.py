"""What is measured of a library, in the survey's four words: accuracy, precision, stability, performance.

Each metric carries the one sentence that defines it (shown by the report), its unit, its direction, and the margin
within which two libraries count as equal, fixed here before any run.
Not for computing the numbers: the worker and the systems do that.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One column of the comparison.

    `scale` says how two libraries are compared: by "difference", by "ratio", or not at all ("description": one number
    for each library, with no pairs). `margin` is a difference in the metric's unit, or a share of the ratio (0.05).
    `floor` is the least value that a measurement can tell from 0; `comparison` is the sentence for a ratio.
    """

    name: str
    label: str
    word: Literal["accuracy", "precision", "stability", "performance"]
    unit: Literal["share", "relative", "images/s", "ms", "MiB", "s", "J", "runs"]
    higher_is_better: bool
    scale: Literal["difference", "ratio", "description"]
    definition: str
    margin: float | None = None
    comparison: str = ""
    floor: float | None = None

    def show(self, value: float | None) -> str:
        """Return a value with its unit, such as "99.31 %", "12,345 images/s", "not measured"."""
        if value is None:
            return "not measured"
        if self.unit == "share":
            return f"{100 * value:.2f} %"
        if self.unit == "relative":
            return f"{value:.1e}"
        return f"{show_number(value)} {self.unit}"

    def show_difference(self, value: float, signed: bool = True) -> str:
        """Return a difference without its unit, in `difference_unit`; shares in percentage points."""
        text = f"{100 * abs(value):.2f}" if self.unit == "share" else show_number(abs(value))
        if not signed or not text.strip("0."):
            return text
        return ("+" if value > 0 else "-") + text

    @property
    def difference_unit(self) -> str:
        """Return the unit of a difference: percentage points for shares."""
        return "pp" if self.unit == "share" else self.unit


def show_number(value: float) -> str:
    """Return a number with about three significant digits and no exponent where that is readable.

    >>> [show_number(x) for x in (0.00321, 0.5, 1.844, 18.44, 18_440.3, 0.0)]
    ['0.0032', '0.50', '1.84', '18.4', '18,440', '0']
    """
    size = abs(value)
    if size == 0:
        return "0"
    if size < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if size < 10 else f"{value:.1f}" if size < 100 else f"{value:,.0f}"


_ALL = (
    Metric(
        name="accuracy",
        label="accuracy",
        word="accuracy",
        unit="share",
        higher_is_better=True,
        scale="difference",
        margin=0.002,
        definition="The share of test images whose most probable class is the right one.",
    ),
    Metric(
        name="macro_precision",
        label="macro precision",
        word="precision",
        unit="share",
        higher_is_better=True,
        scale="difference",
        margin=0.002,
        definition="The mean over classes of the share of images called that class which are of that class.",
    ),
    Metric(
        name="macro_recall",
        label="macro recall",
        word="precision",
        unit="share",
        higher_is_better=True,
        scale="difference",
        margin=0.002,
        definition="The mean over classes of the share of that class's images which are called that class.",
    ),
    Metric(
        name="numerical_precision",
        label="numerical precision",
        word="precision",
        unit="relative",
        higher_is_better=False,
        scale="ratio",
        margin=1.0,
        floor=2.0**-53,
        comparison="{subject} strays {ratio} times as far as {other} from the float64 reference",
        definition="The relative L2 distance of the library's outputs from those of the float64 reference at the same "
        "trained weights, over the first 200 test images.",
    ),
    Metric(
        name="seed_sd",
        label="spread over seeds",
        word="stability",
        unit="share",
        higher_is_better=False,
        scale="description",
        definition="The standard deviation of the test accuracy over the seeds.",
    ),
    Metric(
        name="worst_seed",
        label="worst seed",
        word="stability",
        unit="share",
        higher_is_better=True,
        scale="description",
        definition="The lowest test accuracy of any seed; none where a run failed, as that run is the worst.",
    ),
    Metric(
        name="n_failed",
        label="failed runs",
        word="stability",
        unit="runs",
        higher_is_better=False,
        scale="description",
        definition="The runs that crashed, diverged, ran out of memory or out of time.",
    ),
    Metric(
        name="bitwise_repeatable",
        label="bitwise repeatability",
        word="stability",
        unit="share",
        higher_is_better=True,
        scale="description",
        definition="The share of repeated runs whose final weights equal those of the first run bit for bit.",
    ),
    Metric(
        name="training_images_per_s",
        label="training speed",
        word="performance",
        unit="images/s",
        higher_is_better=True,
        scale="ratio",
        margin=0.05,
        comparison="{subject} trains {ratio} times as fast as {other}",
        definition="Images trained on, divided by the seconds of all steps together, after warm-up and compilation.",
    ),
    Metric(
        name="inference_images_per_s",
        label="inference speed",
        word="performance",
        unit="images/s",
        higher_is_better=True,
        scale="ratio",
        margin=0.05,
        comparison="{subject} predicts {ratio} times as fast as {other}",
        definition="Images predicted, divided by the seconds of all batches together, after warm-up and compilation.",
    ),
    Metric(
        name="latency_p50_ms",
        label="median latency",
        word="performance",
        unit="ms",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        comparison="{subject} takes {ratio} times as long as {other} for one image (median)",
        definition="The time from one image to its prediction at batch 1 that half of the calls stay below.",
    ),
    Metric(
        name="latency_p99_ms",
        label="99th-percentile latency",
        word="performance",
        unit="ms",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        comparison="{subject} takes {ratio} times as long as {other} for one image (99th percentile)",
        definition="The time from one image to its prediction at batch 1 that 99 of 100 calls stay below.",
    ),
    Metric(
        name="peak_mib",
        label="peak memory",
        word="performance",
        unit="MiB",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        comparison="{subject} needs {ratio} times the memory of {other}",
        definition="The largest resident memory of the trial's process, its library included.",
    ),
    Metric(
        name="start_up_s",
        label="start-up",
        word="performance",
        unit="s",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        comparison="{subject} takes {ratio} times as long as {other} to start up",
        definition="The seconds from the start of the process to the library imported and the network built.",
    ),
    Metric(
        name="compile_s",
        label="compilation",
        word="performance",
        unit="s",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        floor=1e-3,
        comparison="{subject} takes {ratio} times as long as {other} to compile",
        definition="The seconds of warm-up before the clock starts: loading the weights, tracing, compiling and the first calls.",
    ),
    Metric(
        name="energy_j",
        label="energy",
        word="performance",
        unit="J",
        higher_is_better=False,
        scale="ratio",
        margin=0.05,
        comparison="{subject} uses {ratio} times the energy of {other}",
        definition="The joules of the training steps, labelled measured:rapl, estimated or unavailable.",
    ),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
