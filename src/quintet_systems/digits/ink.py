"""Ink: how strongly each pixel differs from the paper around it, whatever the light, the paper or the polarity.

The paper's brightness is estimated everywhere (closing and median of a small copy) and divided out; light marks on a
dark board are turned round first. The threshold follows the ink that is there: faint pencil is found, noise is not.
Not for deciding what is a digit.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_SMALL = 256  # long side of the copy the paper is estimated on
_FAINTEST = 0.08  # contrast below which nothing is ink
_OF_LEVEL = 0.4  # ink is what has at least this share of the strong ink's contrast
_DECIDED = 0.15  # of 1: how far the polarity must lean to be taken from a small window
_NOISE = 6.0  # and at least this many standard deviations of the paper's noise


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ink:
    """The ink of a page.

    `strength` float32 `(height, width)`, 0 paper to 1; `threshold` is where ink begins; `level` is the contrast of
    strong ink. `dark_on_light` is False for light marks on a dark board.
    """

    strength: np.ndarray
    threshold: float
    level: float
    dark_on_light: bool


def find_ink(grey: np.ndarray) -> Ink | None:
    """Return the ink of `grey`, uint8 `(height, width)`, or None where there is only paper."""
    small = _smaller(grey)
    dark_on_light = _is_dark_on_light(small)
    if not dark_on_light:
        grey, small = 255 - grey, 255 - small
    paper = cv2.resize(_paper(small), grey.shape[::-1], interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(grey.astype(np.float32), (3, 3), 0)
    contrast = 1 - smooth / np.maximum(paper, 16)
    sample = contrast[:: max(1, grey.shape[0] // 500), :: max(1, grey.shape[1] // 500)]
    middle = float(np.median(sample))
    below = sample[sample <= middle]
    noise = 1.4826 * float(np.median(middle - below))  # ink lies on the other side, so this is the paper's alone
    contrast = np.clip(contrast - middle, 0, 1)
    strong = contrast[contrast > max(_FAINTEST, _NOISE * noise)]
    if strong.size < 12:
        return None
    level = float(np.percentile(strong, 85))
    threshold = max(_FAINTEST, _NOISE * noise, _OF_LEVEL * level)
    return Ink(strength=contrast, threshold=threshold, level=level, dark_on_light=dark_on_light)


def _smaller(grey: np.ndarray) -> np.ndarray:
    factor = _SMALL / max(grey.shape)
    size = (max(1, round(grey.shape[1] * factor)), max(1, round(grey.shape[0] * factor)))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _is_dark_on_light(small: np.ndarray) -> bool:
    """Marks are the rarer side: the third moment about the local median has their sign.

    A small window is asked first, so that a page on a dark table is not taken for a light mark; a larger one only where
    that is undecided, as within the strokes of one digit that fills the image. Strong contrasts are clipped: a table's
    edge must not outweigh thin ink.
    """
    lean = 0.0
    for window in (31, 61, 121):
        difference = np.clip(small.astype(np.float64) - cv2.medianBlur(small, window), -50, 50) ** 3
        lean = float(difference.sum()) / (float(np.abs(difference).sum()) + 1e-9)
        if abs(lean) >= _DECIDED:
            break
    return lean <= 0


def _paper(small: np.ndarray) -> np.ndarray:
    """The brightness without the marks: closing takes out strokes, the median what is broader (one digit, near)."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
    closed = cv2.morphologyEx(cv2.GaussianBlur(small, (3, 3), 0), cv2.MORPH_CLOSE, disc)
    paper = np.maximum(closed, cv2.medianBlur(small, 61)).astype(np.float32)
    return cv2.GaussianBlur(paper, (0, 0), 5)
