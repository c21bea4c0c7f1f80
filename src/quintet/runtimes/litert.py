"""Predicts with LiteRT (ai-edge-litert), one sample after another: its files are of batch 1, as a board needs."""

import threading
from pathlib import Path

import numpy as np

from quintet.errors import BundleError, EnvironmentUnavailable
from quintet.runtimes.predictor import check


class LiteRTPredictor:
    """Predicts with a LiteRT file of Quintet's; see Predictor. Calls from several threads wait for one another."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError:
            raise EnvironmentUnavailable(
                "received no ai-edge-litert, expected it for --runtime litert; type: pip install ai-edge-litert"
            ) from None
        try:
            self._interpreter = Interpreter(model_content=model, num_threads=threads)
            self._interpreter.allocate_tensors()
            taken, made = self._interpreter.get_input_details()[0], self._interpreter.get_output_details()[0]
        except (ValueError, RuntimeError, IndexError) as error:
            raise BundleError(
                f"received a damaged LiteRT file ({str(error).splitlines()[0]}), expected a whole one;"
                " export or copy it again"
            ) from None
        self._lock = threading.Lock()
        self._in, self._out = taken["index"], made["index"]
        self._shape, self._made = tuple(map(int, taken["shape"][1:])), tuple(map(int, made["shape"][1:]))
        self._signed = taken["dtype"] is np.int8
        self._takes_bytes = self._signed or taken["dtype"] is np.uint8
        # A small network takes 40 us, so each array that is not made anew counts.
        self._middle, self._bytes = np.full((2, 1, *self._shape), 128, np.uint8)
        self._less_128 = self._bytes.view(np.int8)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of `x`."""
        x = check(x, self._shape, self._takes_bytes)
        with self._lock:
            if len(x) == 1:
                return self._one(x)
            out = np.empty((len(x), *self._made), np.float32)
            for i in range(len(x)):
                out[i] = self._one(x[i : i + 1])[0]
        return out

    def _one(self, x: np.ndarray) -> np.ndarray:
        """Return the output `(1, …)`, an array of its own, of one sample."""
        if self._signed:
            np.bitwise_xor(x, self._middle, out=self._bytes)  # the same bytes less 128
            x = self._less_128
        self._interpreter.set_tensor(self._in, x)
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._out)


def open_litert(file: Path, threads: int) -> LiteRTPredictor:
    """Open the file of an export."""
    return LiteRTPredictor(file.read_bytes(), threads)
