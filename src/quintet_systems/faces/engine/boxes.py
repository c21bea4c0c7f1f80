"""Boxes (left, top, width, height): how much two overlap, and which of many overlapping ones is kept."""

from collections.abc import Sequence

import numpy as np

from quintet_systems.faces.engine.align import PLACES, similarity
from quintet_systems.faces.engine.face import Detection

# The square that stands for a face, in an aligned crop: brows to chin, ear to ear.
FACE_CENTRE, FACE_SIDE = (56.0, 68.0), 84.0


def overlap(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over the union of box `(4,)` with each of `(n, 4)`."""
    left, top = np.maximum(one[:2], others[:, :2]).T
    right, bottom = np.minimum(one[:2] + one[2:], others[:, :2] + others[:, 2:]).T
    shared = np.clip(right - left, 0, None) * np.clip(bottom - top, 0, None)
    return shared / np.maximum(one[2] * one[3] + others[:, 2] * others[:, 3] - shared, 1e-9)


def best_of_overlapping(found: Sequence[Detection], most: float = 0.3, contained: float = 0.7) -> list[Detection]:
    """Return the surest of those that overlap by more than `most`, or one of which lies by more than `contained` in another."""
    left = sorted(found, key=lambda one: -one.score)
    kept: list[Detection] = []
    while left:
        first, *rest = left
        kept.append(first)
        if rest:
            boxes = np.array([one.box for one in rest])
            shared = overlap(np.array(first.box), boxes)
            inside = within(np.array(first.box), boxes)
            rest = [one for one, a, b in zip(rest, shared, inside, strict=True) if a <= most and b <= contained]
        left = rest
    return kept


def within(one: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return the intersection over the smaller of both areas, of box `(4,)` with each of `(n, 4)`."""
    left, top = np.maximum(one[:2], others[:, :2]).T
    right, bottom = np.minimum(one[:2] + one[2:], others[:, :2] + others[:, 2:]).T
    shared = np.clip(right - left, 0, None) * np.clip(bottom - top, 0, None)
    return shared / np.maximum(np.minimum(one[2] * one[3], others[:, 2] * others[:, 3]), 1e-9)


def square_of(landmarks: np.ndarray) -> tuple[float, float, float, float]:
    """Return the upright square that stands for the face with these landmarks."""
    matrix = similarity(PLACES, landmarks)  # from the crop's places to the picture's
    x, y = matrix @ np.array([*FACE_CENTRE, 1.0])
    side = FACE_SIDE * float(np.hypot(matrix[0, 0], matrix[1, 0]))
    return float(x - side / 2), float(y - side / 2), side, side
