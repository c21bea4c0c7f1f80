"""Alignment: the similarity (turn, size, place; no mirror, no shear) that brings five landmarks onto fixed places of a crop.

The places are those that ArcFace's training data have, which every embedder of that family expects (Deng et al. 2019).
"""

from collections.abc import Sequence

import cv2
import numpy as np

from quintet_systems.faces.engine.face import CROP, Detection

PLACES = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]], np.float32
)


def similarity(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the `(2, 3)` matrix that brings `points` `(n, 2)` closest to `places` `(n, 2)` in least squares, `float64`.

    With turn and size written as the complex number a + ib, both coordinates are linear in (a, b, x, y).

    >>> similarity(np.array([[0.0, 0], [1, 0]]), np.array([[0.0, 0], [0, 2]])).round(6).tolist()
    [[0.0, -2.0, 0.0], [2.0, 0.0, 0.0]]
    """
    points, places = np.asarray(points, np.float64), np.asarray(places, np.float64)
    middle, target = points.mean(0), places.mean(0)
    p, q = points - middle, places - target
    size = max(float((p**2).sum()), 1e-9)
    a = float((p * q).sum()) / size
    b = float((p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum()) / size
    turn = np.array([[a, -b], [b, a]])
    return np.hstack([turn, (target - turn @ middle)[:, None]])


def align(picture: np.ndarray, landmarks: np.ndarray, places: np.ndarray = PLACES, side: int = CROP) -> np.ndarray:
    """Return the aligned face, `uint8` `(side, side, 3)`; what lies outside the picture is black.

    A face much larger than the crop is first averaged down, as bilinear sampling alone would skip pixels.
    """
    matrix = similarity(landmarks, places)
    shrink = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    if shrink < 0.5:
        picture, landmarks, matrix = _smaller(picture, np.asarray(landmarks), shrink, places)
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def covered(size: tuple[int, int], landmarks: np.ndarray) -> np.ndarray:
    """Return which pixels of the aligned face lie in a picture of `size` (width, height), `bool` `(112, 112)`."""
    places = cv2.invertAffineTransform(similarity(landmarks, PLACES))
    across, down = np.meshgrid(np.arange(CROP), np.arange(CROP))
    x, y = places @ np.stack([across.ravel(), down.ravel(), np.ones(CROP * CROP)])
    return ((x >= 0) & (y >= 0) & (x <= size[0] - 1) & (y <= size[1] - 1)).reshape(CROP, CROP)


def align_all(picture: np.ndarray, found: Sequence[Detection]) -> np.ndarray:
    """Return the aligned faces `(n, 112, 112, 3)`; a face without landmarks is cut by its box."""
    crops = [align(picture, d.landmarks if d.landmarks is not None else box_landmarks(d.box)) for d in found]
    return np.stack(crops) if crops else np.zeros((0, CROP, CROP, 3), np.uint8)


def box_landmarks(box: tuple[float, float, float, float]) -> np.ndarray:
    """Return where landmarks lie on average in a box from the eyebrows' top to the chin: for detectors that give none."""
    left, top, width, height = box
    share = np.array([[0.30, 0.40], [0.70, 0.40], [0.50, 0.60], [0.34, 0.80], [0.66, 0.80]], np.float32)
    return share * np.array([width, height], np.float32) + np.array([left, top], np.float32)


def _smaller(
    picture: np.ndarray, landmarks: np.ndarray, shrink: float, places: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the picture averaged down so that the rest of the way is less than a half, with its landmarks and matrix."""
    height, width = picture.shape[:2]
    small = resized(picture, shrink)
    ratio = np.array([small.shape[1] / width, small.shape[0] / height])
    moved = (landmarks + 0.5) * ratio - 0.5
    return small, moved, similarity(moved, places)


def windows(picture: np.ndarray, squares: np.ndarray, side: int) -> np.ndarray:
    """Return the squares (left, top, side, …) of a picture at `side` pixels, `uint8` `(n, side, side, 3)`; edges repeated."""
    return np.stack([_window(picture, left, top, size, side) for left, top, size in squares[:, :3]])


def resized(picture: np.ndarray, scale: float) -> np.ndarray:
    """Return a smaller picture, averaged."""
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def _window(picture: np.ndarray, left: float, top: float, size: float, side: int) -> np.ndarray:
    scale = side / size
    if scale < 0.5:  # averaged down first, as bilinear sampling alone skips pixels
        x, y = max(0, int(left) - 2), max(0, int(top) - 2)
        part = picture[y : max(0, int(top + size) + 3), x : max(0, int(left + size) + 3)]
        if part.size:
            picture = resized(part, 2 * scale)
            ratio = picture.shape[1] / part.shape[1]
            left, top, scale = (left - x) * ratio, (top - y) * ratio, scale / ratio
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return cv2.warpAffine(picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
