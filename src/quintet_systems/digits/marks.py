"""Marks: the connected pieces of ink on a straightened page, the parts of one digit joined, specks dropped.

Sizes are judged against the typical height of the page's own marks, so that the scale of the photo does not matter.
Not for deciding what is a digit, beyond dropping what is far too small to be one.
"""

from dataclasses import dataclass

import cv2
import numpy as np

_SPECK = 0.3  # of the typical height: neither as high nor as wide is dust
_PART = 0.75  # of the typical height: less may be a part of its neighbour
_GAP = 0.22  # of the typical height: the widest gap inside one digit
_TALLEST_WHOLE = 1.5  # of the typical height: joined parts may be no higher, nor wider


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Mark:
    """A mark: its box on the straightened page, and its own ink, uint8 `(height, width)`, 255 for ink."""

    x: int
    y: int
    ink: np.ndarray

    @property
    def width(self) -> int:
        return self.ink.shape[1]

    @property
    def height(self) -> int:
        return self.ink.shape[0]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Marks:
    """The marks of a page, the typical height of one in pixels, and how many specks were dropped."""

    marks: tuple[Mark, ...]
    typical_height: float
    specks: int


def find_marks(mask: np.ndarray) -> Marks:
    """Return the marks in a mask, bool `(height, width)`, of a straightened page."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    boxes = [tuple(int(v) for v in stats[i, :4]) for i in range(1, count)]
    pieces = [_piece(labels, i, box) for i, box in enumerate(boxes, start=1) if _visible(box, stats[i])]
    typical = _typical_height(pieces)
    joined = _join(pieces, typical)
    kept = tuple(mark for mark in joined if max(mark.height, mark.width) >= _SPECK * typical)
    return Marks(marks=kept, typical_height=typical, specks=len(boxes) - len(pieces) + len(joined) - len(kept))


def joined(first: Mark, second: Mark) -> Mark:
    """Return the two as one mark."""
    x, y = min(first.x, second.x), min(first.y, second.y)
    right = max(first.x + first.width, second.x + second.width)
    bottom = max(first.y + first.height, second.y + second.height)
    ink = np.zeros((bottom - y, right - x), np.uint8)
    for mark in (first, second):
        place = ink[mark.y - y : mark.y - y + mark.height, mark.x - x : mark.x - x + mark.width]
        np.maximum(place, mark.ink, out=place)
    return Mark(x=x, y=y, ink=ink)


def _visible(box: tuple[int, ...], stats: np.ndarray) -> bool:
    return max(box[2], box[3]) >= 5 and stats[cv2.CC_STAT_AREA] >= 8


def _piece(labels: np.ndarray, label: int, box: tuple[int, ...]) -> Mark:
    x, y, width, height = box
    return Mark(x=x, y=y, ink=(labels[y : y + height, x : x + width] == label).astype(np.uint8) * 255)


def _typical_height(pieces: list[Mark]) -> float:
    """The median height weighted by height: many specks weigh little, and so does one large blot."""
    if not pieces:
        return 1.0
    heights = np.sort([mark.height for mark in pieces]).astype(float)
    weight = np.cumsum(heights)
    return float(heights[np.searchsorted(weight, weight[-1] / 2)])


def _join(pieces: list[Mark], typical: float) -> list[Mark]:
    """Join each small piece, smallest first, to the nearest mark it stands above, below or in."""
    marks = sorted(pieces, key=lambda mark: max(mark.height, mark.width))
    done: list[Mark] = []
    while marks:
        small = marks.pop(0)
        if max(small.height, small.width) < 0.08 * typical or small.height >= _PART * typical:
            done.append(small)
            continue
        near = [(gap, i) for i, other in enumerate(marks) if (gap := _gap(small, other, typical)) is not None]
        if not near:
            done.append(small)
            continue
        _, place = min(near)
        marks[place] = joined(small, marks[place])
    return done


def _gap(small: Mark, other: Mark, typical: float) -> float | None:
    """The shortest way from one mark's ink to the other's, or None where they cannot be one digit."""
    across = min(small.x + small.width, other.x + other.width) - max(small.x, other.x)
    apart = max(small.y, other.y) - min(small.y + small.height, other.y + other.height)
    whole = joined(small, other) if across >= 0.1 * small.width and apart <= _GAP * typical else None
    if whole is None or max(whole.height, whole.width) > _TALLEST_WHOLE * typical:
        return None
    canvas = np.full(whole.ink.shape, 255, np.uint8)
    y, x = other.y - whole.y, other.x - whole.x
    canvas[y : y + other.height, x : x + other.width][other.ink > 0] = 0
    distance = cv2.distanceTransform(canvas, cv2.DIST_L2, 3)
    y, x = small.y - whole.y, small.x - whole.x
    gap = float(distance[y : y + small.height, x : x + small.width][small.ink > 0].min())
    return gap if gap <= _GAP * typical else None
