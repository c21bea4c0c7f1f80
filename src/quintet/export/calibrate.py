"""Which range of each value is worth its 256 steps: seen on real samples, chosen by the squared error it leaves.

The float32 graph runs under onnxruntime and gives out every value; a histogram of each is kept, never the values. Of 80
ranges, from a fifth of what was seen to all of it, the one with the least mean squared error of clipping and rounding is
taken (the criterion of Banner et al. 2019, arXiv 1810.05723, by search). The network's own output keeps its whole range.
"""

from collections.abc import Callable, Iterator

import numpy as np

from quintet.errors import DataError
from quintet.export.graph import INPUT, Graph
from quintet.export.onnx_writer import onnx_model
from quintet.export.quantise import grid_of, to_calibrate
from quintet.runtimes.onnxruntime import session

BINS = 2048
BATCH = 16
SHARES = np.linspace(0.2, 1.0, 81)

Ranges = dict[str, tuple[float, float]]


def calibrate(graph: Graph, x: np.ndarray, threads: int = 1, on_done: Callable[[float], None] | None = None) -> Ranges:
    """Return the `(low, high)` of each value that needs one, from the samples `x` `(samples, …)`.

    `on_done` is told which share of the two passes over them is done.

    Raises:
        DataError: there is no sample.
        EnvironmentUnavailable: onnx or onnxruntime is not installed.
    """
    if not len(x):
        raise DataError("received 0 calibration samples, expected some hundred of the training set; give --data")
    values = to_calibrate(graph)
    inside = tuple(value for value in values if value != INPUT)
    run = session(onnx_model(graph, also=inside), threads)
    names = [f"{value}.float" for value in inside]

    def passes(number: int) -> Iterator[dict[str, np.ndarray]]:
        for first in range(0, len(x), BATCH):
            batch = x[first : first + BATCH]
            outputs = run.run(names, {"input": batch}) if names else []
            found = {value: np.asarray(array) for value, array in zip(inside, outputs, strict=True)}
            if INPUT in values:
                found[INPUT] = batch
            yield found
            if on_done:
                on_done((number + (first + len(batch)) / len(x)) / 2)

    seen: Ranges = {}
    for found in passes(0):
        for value, array in found.items():
            low, high = seen.get(value, (0.0, 0.0))
            seen[value] = (min(low, float(array.min())), max(high, float(array.max())))
    histograms = {value: np.zeros(BINS) for value in values}
    if not all(np.isfinite(bounds).all() for bounds in seen.values()):
        return seen  # make_plan says which network it is
    for found in passes(1):
        for value, array in found.items():
            histograms[value] += np.histogram(array, BINS, seen[value] if seen[value][0] < seen[value][1] else (0, 1))[
                0
            ]
    return {
        value: bounds if value == graph.output else least_error(histograms[value], *bounds)
        for value, bounds in seen.items()
    }


def least_error(histogram: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """Return the part of `low` to `high` on whose grid the values of `histogram` `(bins,)` have the least squared error."""
    edges = np.linspace(low, high, len(histogram) + 1)
    centres = (edges[1:] + edges[:-1]) / 2
    errors = []
    for share in SHARES:
        grid = grid_of(low * share, high * share)
        bytes_ = np.clip(np.round(centres / grid.scale) + grid.zero, 0, 255)
        errors.append(float((histogram * (centres - grid.scale * (bytes_ - grid.zero)) ** 2).sum()))
    best = SHARES[len(errors) - 1 - int(np.argmin(errors[::-1]))]  # of equals the widest
    return low * float(best), high * float(best)
