"""Ruled lines: taken out of a straightened page, and the strokes that cross them mended.

A rule is a thin flat run of ink that, with its continuations, spans much of the page; squared paper has upright ones
too. Where a stroke crosses a rule the ink reaches well above and below it, and stays.
"""

import cv2
import numpy as np

_RUN = 0.08  # of the width: the shortest piece of a rule that is looked for
_SPAN = 0.4  # of the width: the shortest rule, its pieces together
_THICKEST = 0.012  # of the width


def without_rules(mask: np.ndarray) -> np.ndarray:
    """Return the mask, bool `(height, width)`, of a straightened page without its ruled lines, flat and upright."""
    flat = _without_flat(mask)
    return np.ascontiguousarray(_without_flat(np.ascontiguousarray(flat.T)).T)


def _without_flat(mask: np.ndarray) -> np.ndarray:
    width = mask.shape[1]
    run, thickest = max(25, round(_RUN * width)) | 1, max(3, round(_THICKEST * width))
    # Fattened by a pixel up and down first: a rule that is not quite level still has a long run in some row.
    fat = cv2.dilate(mask.astype(np.uint8), np.ones((3, 1), np.uint8))
    runs = cv2.morphologyEx(fat, cv2.MORPH_OPEN, np.ones((1, run), np.uint8))
    if not runs.any():
        return mask
    # Pieces of one rule, parted by digits that cross it, belong together.
    joined = cv2.morphologyEx(
        np.pad(runs, ((0, 0), (2 * run, 2 * run))), cv2.MORPH_CLOSE, np.ones((1, 2 * run + 1), np.uint8)
    )[:, 2 * run : -2 * run]
    count, labels, stats, _ = cv2.connectedComponentsWithStats(joined, connectivity=8)
    spans = stats[:, cv2.CC_STAT_WIDTH]
    rules = np.zeros(count, dtype=bool)
    rules[1:] = (spans[1:] >= _SPAN * width) & (stats[1:, cv2.CC_STAT_AREA] / spans[1:] <= thickest + 2)
    if not rules.any():
        return mask
    rule = rules[np.asarray(labels, np.intp)] & mask
    # A column of the rule's ink that is part of a taller upright run belongs to a stroke.
    tall = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, np.ones((2 * thickest + 1, 1), np.uint8)) > 0
    return mask & ~(rule & ~tall)
