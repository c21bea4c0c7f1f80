"""An embedder that Quintet trained: a bundle's network on aligned faces at the size that it takes, run by numpy."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from quintet.bundle import Bundle
from quintet.errors import DataError
from quintet.runtimes import NumpyPredictor

TINY = 1e-12


class NetEmbedder:
    """See Embedder. The mirrored face's embedding is added.

    Raises:
        DataError: the bundle's network does not take square colour pictures, or does not give vectors.
    """

    def __init__(self, bundle: Bundle, name: str, card: Mapping[str, Any]) -> None:
        taken, given = bundle.net.input_shape, bundle.net.output_shape
        if len(taken) != 3 or taken[0] != taken[1] or taken[2] != 3 or len(given) != 1:
            raise DataError(
                f"received a bundle that takes {taken} and gives {given}, expected an embedder of square colour pictures;"
                " train one with: quintet train faces"
            )
        self.name, self.card = name, card
        self.size_bytes = sum(weights.nbytes for weights in bundle.weights.values())
        self._predict, self._side = NumpyPredictor(bundle), taken[0]

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return `(n, features)` of length 1 for crops `(n, 112, 112, 3)`."""
        if not len(crops):
            raise DataError("received no face to embed, expected at least one")
        small = np.stack([halved(crop, self._side) for crop in crops])
        y = self._predict(small) + self._predict(np.ascontiguousarray(small[:, :, ::-1]))
        return (y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), TINY)).astype(np.float32)


def halved(crop: np.ndarray, side: int) -> np.ndarray:
    """Return an aligned face `(112, 112, 3)` averaged down to `(side, side, 3)`."""
    return cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)
