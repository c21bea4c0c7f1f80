"""Predicts with OpenVINO on the processor, one sample after another: its kernels are fastest where the shape is fixed."""

import threading
from pathlib import Path

import numpy as np

from quintet.errors import BundleError, EnvironmentUnavailable
from quintet.runtimes.predictor import check


class OpenVINOPredictor:
    """Predicts with an OpenVINO file of Quintet's; see Predictor. Calls from several threads wait for one another."""

    def __init__(self, model: str | bytes, threads: int = 1, weights: bytes = b"") -> None:
        try:
            import openvino
        except ImportError:
            raise EnvironmentUnavailable(
                "received no openvino, expected it for --runtime openvino; type: pip install openvino"
            ) from None
        settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "NUM_STREAMS": 1,
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": "f32",  # else it takes bfloat16 where the processor has it
        }
        core = openvino.Core()
        try:
            read = core.read_model(model, weights) if weights else core.read_model(model)
            compiled = core.compile_model(read, "CPU", settings)
        except RuntimeError as error:
            raise BundleError(
                f"received a damaged OpenVINO file ({str(error).strip().splitlines()[-1]}), expected a whole one;"
                " export or copy it again"
            ) from None
        self._lock = threading.Lock()
        self._request = compiled.create_infer_request()
        taken = compiled.input(0)
        self._shape = tuple(taken.shape)[1:]
        self._takes_bytes = taken.element_type == openvino.Type.u8
        self._made = tuple(compiled.output(0).shape)[1:]
        self._in = self._request.get_input_tensor(0).data  # the model's own memory: nothing is copied twice
        self._out = self._request.get_output_tensor(0).data

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of `x`."""
        x = check(x, self._shape, self._takes_bytes)
        out = np.empty((len(x), *self._made), np.float32)
        with self._lock:
            for i in range(len(x)):
                self._in[0] = x[i]
                self._request.infer()
                out[i] = self._out[0]
        return out


def open_openvino(file: Path, threads: int) -> OpenVINOPredictor:
    """Open the file of an export; its weights lie beside it."""
    return OpenVINOPredictor(file.read_bytes(), threads, file.with_suffix(".bin").read_bytes())
