"""Normalising: one digit's ink to the form its network was trained on.

Size 28 is MNIST's: fitted into 20x20 with its proportions kept, antialiased, its centre of mass at the middle of
28x28 (LeCun et al. 1998, section III.A). Size 8 is that of UCI's optical digits: a 32x32 bitmap, counted in 4x4 blocks
(Alpaydin & Kaynak 1998). Pens are brought to the stroke width of those sets; white on black.
"""

import cv2
import numpy as np

from quintet.errors import StudyError

_LONG_SIDE = 80  # of the copy on which strokes are measured and mended: four times MNIST's 20
_THINNEST, _THICKEST = 1.6 * 4, 3.2 * 4  # stroke widths on that copy; MNIST's middle half is 1.8 to 2.6 of 20
_USUAL = 2.2 * 4


def normalise(crop: np.ndarray, size: int) -> np.ndarray:
    """Return the digit in `crop`, uint8 `(height, width)`, white on black, as uint8 `(size, size, 1)`.

    `size` is 28 or 8. An empty crop gives an empty image. Raises StudyError for another size.
    """
    if size not in (8, 28):
        raise StudyError(f"a digit cannot be normalised to size {size}, expected 28 (MNIST) or 8 (digits8x8)")
    tight = trimmed(crop)
    if tight is None:
        return np.zeros((size, size, 1), np.uint8)
    digit = usual_stroke(enlarged(tight))
    return (_mnist(digit) if size == 28 else _optical(digit))[..., None]


def trimmed(crop: np.ndarray) -> np.ndarray | None:
    """Return the crop without its empty borders, or None where it is all empty."""
    ys, xs = np.flatnonzero((crop > 127).any(axis=1)), np.flatnonzero((crop > 127).any(axis=0))
    if not len(ys):
        return None
    return crop[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1]


def enlarged(tight: np.ndarray) -> np.ndarray:
    """Return the crop at the scale at which strokes are measured: its long side 80 pixels."""
    return _scaled(tight, _LONG_SIDE / max(tight.shape))


def stroke_width(digit: np.ndarray) -> float:
    """Return the mean width of the strokes in `digit`, uint8 `(height, width)`, in its pixels."""
    ink = np.pad(digit > 127, 1).astype(np.uint8)
    depth = cv2.distanceTransform(ink, cv2.DIST_L2, 5)
    ridge = (depth >= cv2.dilate(depth, np.ones((3, 3), np.uint8)) - 1e-6) & (ink > 0)
    return float(2 * depth[ridge].mean() - 1) if ridge.any() else 0.0


def usual_stroke(digit: np.ndarray) -> np.ndarray:
    """Thicken a fine pen's strokes, thin a marker's, to the width usual in the training sets."""
    width = stroke_width(digit)
    if _THINNEST <= width <= _THICKEST:
        return digit
    change = round(_USUAL - width) if width < _THINNEST else round(width - _THICKEST)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (change + 1, change + 1))
    if width < _THINNEST:
        return cv2.dilate(np.pad(digit, change), disc)
    thinner = cv2.erode(np.pad(digit, 1), disc)
    return thinner if (thinner > 127).any() else digit


def _mnist(digit: np.ndarray) -> np.ndarray:
    tight = trimmed(digit)
    assert tight is not None
    small = _scaled(tight, 20 / max(tight.shape))
    height, width = small.shape
    ys, xs = np.mgrid[:height, :width]
    mass = float(small.sum()) or 1.0
    top = int(np.clip(round(13.5 - float((ys * small).sum()) / mass), 0, 28 - height))
    left = int(np.clip(round(13.5 - float((xs * small).sum()) / mass), 0, 28 - width))
    image = np.zeros((28, 28), np.uint8)
    image[top : top + height, left : left + width] = small
    return image


def _optical(digit: np.ndarray) -> np.ndarray:
    tight = trimmed(digit)
    assert tight is not None
    small = _scaled(tight, 32 / max(tight.shape)) > 127
    height, width = small.shape
    bitmap = np.zeros((32, 32), bool)
    top, left = (32 - height) // 2, (32 - width) // 2
    bitmap[top : top + height, left : left + width] = small
    counts = bitmap.reshape(8, 4, 8, 4).sum(axis=(1, 3))
    return np.rint(counts * (255 / 16)).astype(np.uint8)


def _scaled(image: np.ndarray, factor: float) -> np.ndarray:
    size = (max(1, round(image.shape[1] * factor)), max(1, round(image.shape[0] * factor)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC)
