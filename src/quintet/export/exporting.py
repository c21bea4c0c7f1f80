"""From a bundle to files for other runtimes, each judged again with its own runtime before it is kept.

The float32 network is the measure: onnxruntime computes it, checked against numpy on some samples first. One
calibration serves all int8 files. A file that is worse than the margin is refused and never written.
"""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from quintet.bundle import Bundle, read_bundle
from quintet.errors import BundleError, NetworkError, nearest
from quintet.export.calibrate import calibrate
from quintet.export.fold import fold
from quintet.export.graph import Graph
from quintet.export.onnx_writer import onnx_model
from quintet.export.quantise import Plan, make_plan
from quintet.export.record import Export, read_exports, write_exports
from quintet.job import write_whole
from quintet.runtimes import PRECISIONS, Predictor, export_file
from quintet.schedule import Event, OnEvent, silent
from quintet.statistics import difference_of_accuracies_on_one_test_set

TARGETS = {"onnx": "onnxruntime", "litert": "litert", "openvino": "openvino"}
MARGIN = 0.01
BATCH = 64
CHECKED = 32  # samples on which the measure itself is held against numpy
AGREEMENT = (
    1e-3  # float32 sums in another order differ by some 1e-6 of the largest output; a wrong operation by far more
)


def export_bundle(
    folder: Path,
    targets: Sequence[str],
    precisions: Sequence[str],
    calibration_x: np.ndarray,
    judge_x: np.ndarray,
    judge_y: np.ndarray,
    margin: float = MARGIN,
    threads: int = 1,
    on_event: OnEvent = silent,
) -> tuple[Export, ...]:
    """Write the exports of the bundle in `folder` into its `exports/`, with their figures in `exports.json`.

    Args:
        targets: of "onnx", "litert", "openvino".
        precisions: of "float32", "int8".
        calibration_x: `(samples, …)`, as the network takes them, some hundred of the training set; only int8 looks at them.
        judge_x: `(samples, …)`, and `judge_y` `(samples,)` int64: the test set.
        margin: how much lower the accuracy may be than the float32 network's (0.01 is one point).

    Returns:
        every export, kept or refused, in the order asked for.

    Raises:
        BundleError: no such target or precision, no samples, or the export computes another function than the network.
        EnvironmentUnavailable: onnx, onnxruntime or a target's package is not installed.
        NetworkError: the network is no classifier.
    """
    for received, known in ((targets, TARGETS), (precisions, PRECISIONS)):
        for word in received:
            if word not in known:
                raise BundleError(f'received "{word}" to export, {nearest(word, known)}')
    if not len(judge_x) or len(judge_x) != len(judge_y):
        raise BundleError(
            f"received {len(judge_x)} samples and {len(judge_y)} labels to judge by, expected as many, not 0"
        )
    bundle = read_bundle(folder)
    graph = fold(bundle.net, bundle.weights)
    write, open_model = _tools(targets)
    jobs = [(precision, target) for precision in precisions for target in targets]
    measure = _measure(bundle, graph, judge_x, threads)
    reference = answers(measure, judge_x, _telling(on_event, "judging", 0, len(jobs) + 1, "the float32 network"))
    right = decisions(reference) == judge_y
    plan = None
    if "int8" in precisions:
        told = _telling(on_event, "calibrating", 0, 1, "")
        plan = make_plan(graph, calibrate(graph, calibration_x, threads, told))
    earlier = set(read_exports(folder))
    exports = []
    for number, (precision, target) in enumerate(jobs, 1):
        parts = write[target](graph, plan if precision == "int8" else None)
        told = _telling(on_event, "judging", number, len(jobs) + 1, f"{target}-{precision}")
        found = answers(open_model[target](parts, threads), judge_x, told)
        exports.append(_judge(target, precision, parts, reference, found, right, judge_y, margin))
        _keep(folder, exports[-1], parts)
    for target, precision in itertools.product(TARGETS, PRECISIONS):
        if f"{target}-{precision}" not in earlier | {export.name for export in exports}:
            _remove(folder, target, precision)  # it was made of other weights
    write_exports(folder, exports)
    return tuple(exports)


def _telling(on_event: OnEvent, phase: str, part: int, parts: int, text: str) -> Callable[[float], None]:
    """Return what turns the share done of part `part` (from 0) of `parts` into percents of the phase."""
    return lambda share: on_event(Event(phase=phase, done=int(100 * (part + share) / parts), total=100, text=text))


def answers(predict: Predictor, x: np.ndarray, on_done: Callable[[float], None]) -> np.ndarray:
    """Return the outputs of `x`, telling which share of the samples is done."""
    found = []
    for first in range(0, len(x), BATCH):
        found.append(predict(x[first : first + BATCH]))
        on_done(min(first + BATCH, len(x)) / len(x))
    return np.concatenate(found)


def decisions(outputs: np.ndarray) -> np.ndarray:
    """Return the classes `(samples,)` of outputs `(samples, classes)`; of one output, 1 where the logit is above 0.

    Raises:
        NetworkError: outputs of another shape.
    """
    if outputs.ndim != 2:
        raise NetworkError(
            f"received outputs of shape {outputs.shape}, expected (samples, classes): only a classifier can be judged"
        )
    return outputs.argmax(1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(np.int64)


def _measure(bundle: Bundle, graph: Graph, x: np.ndarray, threads: int) -> Predictor:
    """Return the float32 network under onnxruntime, once it has agreed with numpy."""
    from quintet.runtimes import NumpyPredictor
    from quintet.runtimes.onnxruntime import OnnxRuntimePredictor

    predict = OnnxRuntimePredictor(onnx_model(graph), threads)
    found, expected = predict(x[:CHECKED]), NumpyPredictor(bundle)(x[:CHECKED])
    worst = float(np.abs(found - expected).max() / max(float(np.abs(expected).max()), 1e-12))
    if not worst <= AGREEMENT:
        raise BundleError(
            f"received an export that differs from the network by {worst:.1e} of its largest output,"
            f" expected at most {AGREEMENT:.0e}; tell the makers of Quintet, with network.json"
        )
    return predict


def _tools(targets: Sequence[str]) -> tuple[dict, dict]:
    """Return for each target what writes its parts from a graph, and what opens them; what is missing is found here."""
    write: dict[str, Callable[[Graph, Plan | None], tuple[bytes, ...]]] = {}
    open_model: dict[str, Callable[[tuple[bytes, ...], int], Predictor]] = {}
    for target in targets:
        if target == "onnx":
            from quintet.runtimes.onnxruntime import OnnxRuntimePredictor

            write[target] = lambda graph, plan: (onnx_model(graph, plan),)
            open_model[target] = lambda parts, threads: OnnxRuntimePredictor(parts[0], threads)
        elif target == "litert":
            from quintet.export.litert_model import schema
            from quintet.export.litert_writer import litert_model
            from quintet.runtimes.litert import LiteRTPredictor

            schema()
            write[target] = lambda graph, plan: (litert_model(graph, plan),)
            open_model[target] = lambda parts, threads: LiteRTPredictor(parts[0], threads)
        else:
            from quintet.export.openvino_writer import openvino_model, require
            from quintet.runtimes.openvino import OpenVINOPredictor

            require()
            write[target] = openvino_model
            open_model[target] = lambda parts, threads: OpenVINOPredictor(parts[0], threads, parts[1])
    return write, open_model


def _judge(
    target: str,
    precision: str,
    parts: Sequence[bytes],
    reference: np.ndarray,
    found: np.ndarray,
    right: np.ndarray,
    y: np.ndarray,
    margin: float,
) -> Export:
    decided = decisions(found)
    compared = difference_of_accuracies_on_one_test_set(decided == y, right)
    finite = bool(np.isfinite(found).all())
    kept = finite and compared.difference >= -max(margin, 1 / compared.n_images)  # one sample is no evidence
    low = compared.interval.low
    return Export(
        target=target,
        runtime=TARGETS[target],
        precision=precision,
        kept=kept,
        files=tuple(path.name for path in _paths(Path(), target, precision)) if kept else (),
        size_bytes=sum(map(len, parts)),
        n=len(y),
        accuracy=float((decided == y).mean()),
        reference_accuracy=float(right.mean()),
        difference=compared.difference,
        interval=compared.interval,
        agreement=float((decided == decisions(reference)).mean()),
        margin=margin,
        shown=finite and low is not None and low >= -margin,
    )


def _paths(folder: Path, target: str, precision: str) -> tuple[Path, ...]:
    file = export_file(folder, TARGETS[target], precision)
    return (file, file.with_suffix(".bin")) if target == "openvino" else (file,)


def _keep(folder: Path, export: Export, parts: Sequence[bytes]) -> None:
    if not export.kept:
        _remove(folder, export.target, export.precision)
        return
    # The file that is opened first is written last: a half-written pair does not open.
    for path, part in reversed(list(zip(_paths(folder, export.target, export.precision), parts, strict=True))):
        write_whole(path, part)


def _remove(folder: Path, target: str, precision: str) -> None:
    for path in _paths(folder, target, precision):
        path.unlink(missing_ok=True)
