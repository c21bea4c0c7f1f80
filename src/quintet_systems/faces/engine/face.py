"""What the engine passes from stage to stage.

Pictures are `uint8` `(height, width, 3)`, RGB, upright. Places are pixels, x to the right and y down, (0, 0) the centre of the
first pixel. The five landmarks, `(5, 2)` `float32`, stand in this order: the eye on the picture's left, the eye on its right, the
tip of the nose, the corner of the mouth on the picture's left, the corner on its right.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CROP = 112  # pixels: the side of an aligned face


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detection:
    """One face in a picture: `box` is (left, top, width, height), `score` higher is surer, `landmarks` None if not found."""

    box: tuple[float, float, float, float]
    score: float
    landmarks: np.ndarray | None = None

    def centre(self) -> tuple[float, float]:
        """Return the middle of the box, (x, y)."""
        left, top, width, height = self.box
        return left + width / 2, top + height / 2

    def moved(self, scale: float, away: Sequence[float] | np.ndarray) -> "Detection":
        """Return it in a picture that begins `away` (x, y) pixels further right and down, then enlarged by `scale`."""
        left, top, width, height = (scale * (np.array(self.box, float) - [*away, 0, 0])).tolist()
        marks = None if self.landmarks is None else (scale * (self.landmarks - away)).astype(np.float32)
        return Detection(box=(left, top, width, height), score=self.score, landmarks=marks)

    def to_json(self) -> dict[str, Any]:
        """Return plain values, in pixels rounded to a tenth."""
        return {
            "box": [round(float(value), 1) for value in self.box],
            "score": round(float(self.score), 4),
            "landmarks": None if self.landmarks is None else np.round(self.landmarks.astype(float), 1).tolist(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What is measured of a face before it is compared, and why it was refused.

    `components` are 0 to 1, higher is better, under the names of ISO/IEC 29794-5; they are Quintet's own simple measures, not
    those of the standard's reference implementation. `reasons` is empty where the face is fit to be compared.
    """

    components: Mapping[str, float]
    reasons: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values, components rounded to thousandths."""
        return {
            "components": {name: round(float(value), 3) for name, value in self.components.items()},
            "reasons": list(self.reasons),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """A face that went through the engine: `crop` `(112, 112, 3)` `uint8`, `embedding` `(features,)` `float32`, length 1."""

    detection: Detection
    quality: Quality
    crop: np.ndarray
    embedding: np.ndarray
