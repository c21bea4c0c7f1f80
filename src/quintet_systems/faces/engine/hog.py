"""Histograms of oriented gradients with a linear support vector machine (Dalal & Triggs 2005), scanned by OpenCV.

The weights are trained by quintet_systems.faces.training.hog_detector. It gives boxes, no landmarks.
"""

from pathlib import Path

import cv2
import numpy as np

from quintet.errors import DataError
from quintet_systems.faces.engine.boxes import best_of_overlapping
from quintet_systems.faces.engine.face import Detection

WINDOW = 64  # pixels
LENGTH = 1765  # 49 blocks of 36 numbers, and the bias
SCALE = 1.1
LONG = 640
LEAST_FACE = 40  # pixels: a smaller face is found by enlarging the picture first, which costs more than it is worth


def descriptor() -> cv2.HOGDescriptor:
    """Return the descriptor of a window of 64x64: cells of 8, blocks of 2x2 cells, 9 directions."""
    return cv2.HOGDescriptor((WINDOW, WINDOW), (16, 16), (8, 8), (8, 8), 9)


class Hog:
    """The scan; see Detector. `weights` is `(1765,)` `float32`, the bias last; `threshold` the least distance to the plane."""

    name = "hog"

    def __init__(self, weights: np.ndarray, threshold: float = 0.0) -> None:
        if weights.shape != (LENGTH,):
            raise DataError(f"received HOG weights of shape {weights.shape}, expected ({LENGTH},); train them again")
        self._hog, self.threshold = descriptor(), threshold
        self._hog.setSVMDetector(np.ascontiguousarray(weights, np.float32))

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Return the faces, the surest first."""
        height, width = picture.shape[:2]
        scale = min(LONG / max(height, width), WINDOW / LEAST_FACE)
        size = max(1, round(width * scale)), max(1, round(height * scale))
        edge = WINDOW // 4
        grey = cv2.resize(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), size, interpolation=cv2.INTER_LINEAR)
        framed = cv2.copyMakeBorder(grey, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        if min(framed.shape) < WINDOW:
            return []
        boxes, scores = self._hog.detectMultiScale(
            framed, hitThreshold=self.threshold, winStride=(8, 8), padding=(0, 0), scale=SCALE, groupThreshold=0
        )
        found = []
        for box, score in zip(np.asarray(boxes, float).reshape(-1, 4), np.ravel(scores), strict=True):
            left, top, width, height = (*(box[:2] - edge) / scale, *box[2:] / scale)
            found.append(Detection(box=(float(left), float(top), float(width), float(height)), score=float(score)))
        return best_of_overlapping(found)


def open_hog(file: Path) -> Hog:
    """Return the detector whose weights and threshold lie in an .npz file."""
    with np.load(file, allow_pickle=False) as arrays:
        return Hog(arrays["weights"], float(arrays["threshold"]))
