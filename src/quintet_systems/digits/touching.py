"""Touching digits: the ways in which one wide mark may be two or three digits.

Candidates only: upright cuts through the thinnest places near the expected borders. The reader asks its predictor about
each and keeps the mark whole unless the parts are read with more certainty.
"""

from itertools import combinations, pairwise

import numpy as np

from quintet_systems.digits.marks import Mark

_WIDE = 1.02  # width by height from which a mark may be two digits
_NARROWEST = 0.16  # of the height: a "1" is seldom narrower
_MOST_CUTS = 4  # candidate places; three parts choose two of them


def partitions(mark: Mark) -> list[tuple[Mark, ...]]:
    """Return the plausible ways to cut the mark into two or three, none where it is not wide."""
    if mark.width < _WIDE * mark.height:
        return []
    places = _places(mark)
    ways = [(place,) for place in places]
    if mark.width >= 1.6 * mark.height:
        ways += [pair for pair in combinations(sorted(places), 2) if pair[1] - pair[0] >= _NARROWEST * mark.height]
    parts = [_cut(mark, way) for way in ways]
    return [way for way in parts if all(part.height >= 0.5 * mark.height for part in way)]


def _places(mark: Mark) -> list[int]:
    """The columns with least ink, apart from each other, away from both ends."""
    ink = (mark.ink > 0).sum(axis=0).astype(float)
    margin = max(2, round(_NARROWEST * mark.height))
    ends = np.flatnonzero(ink)
    # The middle of the mark is a likelier border than its ends, at equal ink.
    column = np.arange(mark.width)
    cost = ink / mark.height + 0.15 * np.abs(column / mark.width - 0.5)
    cost[: ends[0] + margin], cost[ends[-1] + 1 - margin :] = np.inf, np.inf
    places: list[int] = []
    while len(places) < _MOST_CUTS and np.isfinite(cost).any():
        best = int(cost.argmin())
        if ink[best] > 0.45 * mark.height:
            break
        places.append(best)
        cost[max(0, best - margin // 2) : best + margin // 2 + 1] = np.inf
    return places


def _cut(mark: Mark, places: tuple[int, ...]) -> tuple[Mark, ...]:
    edges = [0, *places, mark.width]
    return tuple(_tight(mark, left, right) for left, right in pairwise(edges))


def _tight(mark: Mark, left: int, right: int) -> Mark:
    ink = mark.ink[:, left:right]
    ys, xs = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not len(ys):
        return Mark(x=mark.x + left, y=mark.y, ink=ink[:0, :0])
    return Mark(
        x=mark.x + left + int(xs[0]), y=mark.y + int(ys[0]), ink=ink[ys[0] : ys[-1] + 1, xs[0] : xs[-1] + 1].copy()
    )
