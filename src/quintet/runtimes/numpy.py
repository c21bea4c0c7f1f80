"""A predictor with nothing but numpy: the reference adapter's forward pass in float32."""

import numpy as np

from quintet.bundle import Bundle
from quintet.layers import Rescale
from quintet.network_json import resolved
from quintet.optimiser import SGD, wire_form
from quintet.runtimes.predictor import check
from quintet_worker.adapters.reference import Reference

BATCH = 256


class NumpyPredictor:
    """Predicts with a bundle's network; see Predictor."""

    def __init__(self, bundle: Bundle) -> None:
        self._shape = bundle.net.input_shape
        self._made = bundle.net.output_shape
        self._takes_bytes = bool(bundle.net.layers) and isinstance(bundle.net.layers[0], Rescale)
        self._model = Reference()
        self._model.build(resolved(bundle.net), wire_form(SGD()), "float32", 1, "cpu")
        self._model.load(bundle.weights)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs of `x`, in batches so that memory stays small."""
        x = check(x, self._shape, self._takes_bytes)
        if not len(x):
            return np.empty((0, *self._made), np.float32)
        pieces = [self._model.predict(x[i : i + BATCH]) for i in range(0, len(x), BATCH)]
        return np.concatenate(pieces)
