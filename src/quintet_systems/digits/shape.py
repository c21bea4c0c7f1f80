"""Shape: what cannot be a digit, by its outline alone, and why.

Bounds are those that at least 999 of 1,000 MNIST digits meet, with some room for other hands and pens.
"""

import cv2
import numpy as np

from quintet_systems.digits.marks import Mark
from quintet_systems.digits.normalise import enlarged, stroke_width

_LOWEST, _HIGHEST = 0.4, 2.2  # height by the page's typical height
_WIDEST = 1.8  # width by height; a dash is wider
_MOST_HOLES = 2  # an 8 has two
_LEAST_HOLE = 0.002  # of the height squared: less is a nick in the ink
_LONGEST = 4.6  # ink length by the larger side; MNIST's longest is 4.1
_FULLEST = 0.9  # share of a box that is not narrow


def not_a_digit(mark: Mark, typical_height: float) -> str | None:
    """Return why a mark cannot be a digit, or None where it can."""
    if mark.height > _HIGHEST * typical_height:
        return "far larger than the other marks"
    if mark.height < _LOWEST * typical_height:
        return "far smaller than the other marks"
    if mark.width > _WIDEST * mark.height:
        return "too wide for a digit"
    if mark.width > 0.4 * mark.height and (mark.ink > 0).mean() > _FULLEST:
        return "a filled shape"
    digit = enlarged(mark.ink)
    if _holes(digit) > _MOST_HOLES:
        return "more holes than a digit has"
    width = stroke_width(digit)
    if width > 0 and (digit > 127).sum() / width / max(digit.shape) > _LONGEST:
        return "more strokes than a digit has"
    return None


def _holes(digit: np.ndarray) -> int:
    outside = np.pad(digit <= 127, 1, constant_values=True).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(outside, connectivity=4)
    return int((stats[1:count, cv2.CC_STAT_AREA] >= _LEAST_HOLE * digit.shape[0] ** 2).sum()) - 1
