"""Straightening: how far a page is turned, and how far one digit leans.

The skew comes from ruled lines where there are some (Hough), else from the projection profile of the marks: turned
right, the rows of digits are sharpest (Postl 1986). Angles are degrees, positive where the lines descend to the right.
Not for pages on their side or upside down, nor for undoing perspective.
"""

import cv2
import numpy as np

LARGEST_SKEW_DEGREES = 22.0
_LONG_SIDE = 800  # of the copy the angle is measured on
_CLEARLY = 1.04  # a turned profile must be this much sharper than the page as it is
_LARGEST_SLANT = 0.8  # horizontal shift per unit of height; more is not handwriting that leans


def page_skew(mask: np.ndarray) -> float:
    """Return the skew of a page of ink, bool `(height, width)`, in degrees, 0.0 where nothing shows it."""
    scale = min(1.0, _LONG_SIDE / max(mask.shape))
    small = mask.astype(np.uint8) * 255
    if scale < 1:
        small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        small = (small > 100).astype(np.uint8) * 255
    ruled = _skew_of_rules(small)
    return _skew_of_rows(small) if ruled is None else ruled


def _skew_of_rules(small: np.ndarray) -> float | None:
    width = small.shape[1]
    found = cv2.HoughLinesP(
        small, 1, np.pi / 900, threshold=width // 4, minLineLength=0.45 * width, maxLineGap=max(3.0, 0.02 * width)
    )
    if found is None:
        return None
    x1, y1, x2, y2 = found.reshape(-1, 4).T.astype(float)
    angles = np.degrees(np.arctan2(y2 - y1, x2 - x1))
    angles = (angles + 90) % 180 - 90
    flat = angles[np.abs(angles) <= LARGEST_SKEW_DEGREES]
    return float(np.median(flat)) if flat.size else None


def _skew_of_rows(small: np.ndarray) -> float:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(small, connectivity=8)
    heights = stats[1:, cv2.CC_STAT_HEIGHT]
    if (heights >= 5).sum() < 3:
        return 0.0  # one or two marks make no row
    typical = np.median(heights[heights >= 5])
    keep = np.zeros(count, dtype=bool)
    keep[1:] = (heights >= 5) & (heights <= 2.5 * typical)
    y, x = np.nonzero(keep[np.asarray(labels, np.intp)])
    if len(x) > 20_000:
        chosen = np.linspace(0, len(x) - 1, 20_000).astype(int)
        y, x = y[chosen], x[chosen]

    def sharpness(degrees: float) -> float:
        turn = np.radians(degrees)
        rows = y * np.cos(turn) - x * np.sin(turn)
        histogram = np.bincount(((rows - rows.min()) / 2).astype(int)).astype(float)
        return float((histogram**2).sum())

    coarse = np.arange(-LARGEST_SKEW_DEGREES, LARGEST_SKEW_DEGREES + 0.1, 1.0)
    best = float(max(coarse, key=sharpness))
    fine = np.arange(best - 1, best + 1.01, 0.2)
    best = float(max(fine, key=sharpness))
    return best if sharpness(best) > _CLEARLY * sharpness(0.0) else 0.0


def turn_matrix(shape: tuple[int, int], degrees: float) -> tuple[np.ndarray, tuple[int, int]]:
    """Return the affine matrix `(2, 3)` that undoes a skew, and the (width, height) of a canvas that loses nothing."""
    height, width = shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1.0)
    cosine, sine = abs(matrix[0, 0]), abs(matrix[0, 1])
    canvas = (int(np.ceil(height * sine + width * cosine)), int(np.ceil(height * cosine + width * sine)))
    matrix[:, 2] += ((canvas[0] - width) / 2, (canvas[1] - height) / 2)
    return matrix, canvas


def slant(crop: np.ndarray) -> float:
    """Return how far a digit leans, by its moments: shift to the left per unit of height going down.

    `crop` is uint8 `(height, width)`, white on black. 0.0 where it is upright or empty; held to ±0.8.
    """
    moments = cv2.moments(crop)
    if moments["mu02"] < 1e-6:
        return 0.0
    return float(np.clip(-moments["mu11"] / moments["mu02"], -_LARGEST_SLANT, _LARGEST_SLANT))


def shear(crop: np.ndarray, amount: float) -> np.ndarray:
    """Return the crop with each row moved right by `amount` per unit of height going down; nothing is cut off."""
    height, width = crop.shape
    reach = int(np.ceil(abs(amount) * height / 2)) + 1
    matrix = np.array([[1.0, amount, reach - amount * (height - 1) / 2], [0.0, 1.0, 0.0]])
    return cv2.warpAffine(crop, matrix, (width + 2 * reach, height), flags=cv2.INTER_LINEAR)


def turn(crop: np.ndarray, degrees: float) -> np.ndarray:
    """Return the crop turned anticlockwise about its middle; nothing is cut off."""
    matrix, canvas = turn_matrix(crop.shape, degrees)  # type: ignore[arg-type]
    return cv2.warpAffine(crop, matrix, canvas, flags=cv2.INTER_LINEAR)
