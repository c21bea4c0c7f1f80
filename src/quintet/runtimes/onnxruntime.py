"""Predicts with onnxruntime on the processor."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.errors import BundleError, EnvironmentUnavailable
from quintet.runtimes.predictor import check

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

BATCH = 64


def session(model: bytes, threads: int, spinning: bool = True) -> "InferenceSession":
    """Return a session of the model's file `model` on `threads` cores.

    `spinning`: threads that are done keep their core busy until the next call, which is then sooner under way. Not where another
    library computes between two calls.

    Raises:
        EnvironmentUnavailable: onnxruntime is not installed.
        BundleError: the file is damaged.
    """
    try:
        import onnxruntime
    except ImportError:
        raise EnvironmentUnavailable(
            "received no onnxruntime, expected it for --runtime onnxruntime; type: pip install onnxruntime"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what is wrong is raised as well
    if not spinning:
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    if _overflows():
        options.add_session_config_entry("session.x64quantprecision", "1")
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no common class but this one
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise BundleError(
            f"received a damaged ONNX file ({first}), expected a whole one; export or copy it again"
        ) from None


class OnnxRuntimePredictor:
    """Predicts with an ONNX file of Quintet's; see Predictor."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        self._session = session(model, threads)
        taken: Any = self._session.get_inputs()[0]
        self._name, self._shape = taken.name, tuple(taken.shape[1:])
        self._takes_bytes = taken.type == "tensor(uint8)"

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of `x`, in batches so that memory stays small."""
        x = np.ascontiguousarray(check(x, self._shape, self._takes_bytes))
        if len(x) <= BATCH:
            return self._session.run(None, {self._name: x})[0]  # pyright: ignore[reportReturnType]
        pieces = [self._session.run(None, {self._name: x[i : i + BATCH]})[0] for i in range(0, len(x), BATCH)]
        return np.concatenate(pieces)  # pyright: ignore[reportArgumentType, reportCallIssue]


def open_onnxruntime(file: Path, threads: int) -> OnnxRuntimePredictor:
    """Open the file of an export."""
    return OnnxRuntimePredictor(file.read_bytes(), threads)


def _overflows() -> bool:
    """Tell whether the fast kernel for uint8 times int8 overflows here: on x86 with AVX2 or AVX-512 but without VNNI.

    onnxruntime's documentation of quantisation says so; its exact kernel is slower (twice, where VNNI could be had).
    """
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return "avx2" in words and not words & {"avx512_vnni", "avx_vnni"}
