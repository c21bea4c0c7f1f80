"""An embedder that Quintet trained: a bundle's network on aligned faces at the size that it takes, run by a Predictor."""

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np

from quintet.errors import DataError
from quintet.runtimes.predictor import Predictor

TINY = 1e-12


class NetEmbedder:
    """See Embedder. `side` is the side of the pictures that the network takes; the mirrored face's embedding is added."""

    def __init__(self, predict: Predictor, side: int, name: str, card: Mapping[str, Any]) -> None:
        self.name, self.card = name, card
        self._predict, self._side = predict, side

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
