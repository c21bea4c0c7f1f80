"""LFW's View 2: 6,000 pairs in ten folds; a threshold from nine folds is applied to the tenth (Huang et al. 2007).

The figure is the mean of the ten folds' accuracies with its standard error, as the field reports it. A pair with a face that
was not found is answered "different people", whatever the threshold. Results are of LFW's category "unrestricted, with labelled
outside data" where the embedder was trained on other people's pictures.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from quintet.statistics import Interval, interval
from quintet_systems.faces.data.lfw import Pair
from quintet_systems.faces.protocols.rates import NOT_COMPARED


@dataclass(frozen=True, slots=True, kw_only=True)
class TenFold:
    """What ten folds came to. `not_compared` counts pairs with a face that was not found; they are in every figure."""

    mean: float
    standard_error: float | None
    interval: Interval
    folds: tuple[float, ...]
    thresholds: tuple[float, ...]
    n_pairs: int
    not_compared: int


def ten_fold(pairs: Sequence[Pair], scores: np.ndarray, only: Sequence[int] | None = None) -> TenFold:
    """Return the accuracy by fold.

    Args:
        pairs: each with its fold, 0 to 9.
        scores: one for each pair, higher for the same person; NOT_COMPARED where a face was missing.
        only: the folds to test (None: all); thresholds always come from the other folds.
    """
    scores, folds = np.asarray(scores, np.float64), np.array([pair.fold for pair in pairs])
    same = np.array([pair.same for pair in pairs])
    accuracies, thresholds = [], []
    for fold in sorted(set(folds.tolist())) if only is None else only:
        tested = folds == fold
        threshold = best_threshold(scores[~tested], same[~tested])
        accuracies.append(float(((scores[tested] >= threshold) == same[tested]).mean()))
        thresholds.append(threshold)
    return summed_up(accuracies, thresholds, len(pairs), int((scores <= NOT_COMPARED).sum()))


def summed_up(accuracies: Sequence[float], thresholds: Sequence[float], n_pairs: int, not_compared: int) -> TenFold:
    """Return the folds' mean with its standard error and interval; of one fold there is neither."""
    values = np.array(accuracies)
    error = float(values.std(ddof=1) / math.sqrt(len(values))) if len(values) > 1 else None
    return TenFold(
        mean=float(values.mean()),
        standard_error=error,
        interval=interval(list(accuracies)),
        folds=tuple(accuracies),
        thresholds=tuple(thresholds),
        n_pairs=n_pairs,
        not_compared=not_compared,
    )


def best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """Return the threshold of the highest accuracy, the middle of its widest gap: a score on the edge decides by chance.

    >>> best_threshold(np.array([0.1, 0.2, 0.6, 0.9]), np.array([False, False, True, True]))
    0.4
    """
    order = np.argsort(scores, kind="stable")
    ordered, truth = scores[order], same[order]
    # Cutting before place i accepts i and all above: right are the different below it and the same from it on.
    right = np.concatenate([[0], np.cumsum(~truth)]) + np.concatenate([np.cumsum(truth[::-1])[::-1], [0]])
    between = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    above = np.concatenate([ordered, [ordered[-1] + 1]])
    below = np.concatenate([[ordered[0] - 1], ordered])
    below = np.maximum(below, -1.0)  # a pair that was not compared is no score to be near to
    best = np.flatnonzero(between & (right == right[between].max()))
    widest = best[np.argmax(above[best] - below[best])]
    return float((above[widest] + below[widest]) / 2)
