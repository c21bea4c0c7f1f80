"""Opening a bundle for one runtime, which alone is imported; an export is opened without the weights it was made of."""

import importlib
from pathlib import Path

from quintet.errors import BundleError, nearest
from quintet.runtimes.predictor import Predictor

PRECISIONS = ("float32", "int8")
# runtime: (how exports and `quintet export --to` call its files, the file's ending)
FILES = {"onnxruntime": ("onnx", ".onnx"), "litert": ("litert", ".tflite"), "openvino": ("openvino", ".xml")}
RUNTIMES = ("numpy", *FILES)


def export_file(folder: Path, runtime: str, precision: str) -> Path:
    """Return where a bundle keeps the export that `runtime` opens, whether it is there or not.

    >>> export_file(Path("bundle"), "litert", "int8").as_posix()
    'bundle/exports/litert-int8.tflite'
    """
    target, ending = FILES[runtime]
    return folder / "exports" / f"{target}-{precision}{ending}"


def open_predictor(folder: Path, runtime: str = "numpy", precision: str = "float32", threads: int = 1) -> Predictor:
    """Return a predictor of the bundle in `folder`.

    Args:
        runtime: "numpy" (float32, any bundle, no export needed, threads as numpy was built), "onnxruntime", "litert",
            "openvino".
        precision: "float32" or "int8"; the output is float32 in both.
        threads: how many cores one prediction may use.

    Raises:
        BundleError: no such runtime, precision or export, or a damaged file.
        EnvironmentUnavailable: the runtime is not installed; the message says what to type.
    """
    if runtime not in RUNTIMES:
        raise BundleError(f'received runtime "{runtime}", {nearest(runtime, RUNTIMES)}')
    if precision not in PRECISIONS:
        raise BundleError(f'received precision "{precision}", {nearest(precision, PRECISIONS)}')
    if threads < 1:
        raise BundleError(f"received {threads} threads, expected at least 1")
    if runtime == "numpy":
        if precision != "float32":
            raise BundleError(f"received {precision} for numpy, which computes float32 only; take another runtime")
        from quintet.bundle import read_bundle
        from quintet.runtimes.numpy import NumpyPredictor

        return NumpyPredictor(read_bundle(folder))
    module = importlib.import_module(f"quintet.runtimes.{runtime}")
    file = export_file(folder, runtime, precision)
    try:
        return getattr(module, f"open_{runtime}")(file, threads)
    except OSError as error:
        command = f"quintet export {folder} --to {FILES[runtime][0]} --precision {precision}"
        raise BundleError(
            f"received {folder} without {Path(error.filename or file).name} ({error.strerror}),"
            f" expected that export to be there; make it with: {command}"
        ) from None
    except BundleError as error:
        raise BundleError(f"{file.name}: {error}") from None
