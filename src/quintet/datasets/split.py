"""Splits: disjoint, stratified, from a Generator, so that one seed gives one split on every machine.

The share of each class is kept by largest remainders, so the sizes come out exact. Not for the official test split,
which each data set brings with it.
"""

import numpy as np

from quintet.datasets.record import Dataset
from quintet.errors import StudyError


def split(dataset: Dataset, validation: int | float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split the training images into training and validation.

    `validation` is a number of images (int) or a share of them (float between 0 and 1). Returns two disjoint, sorted
    index arrays int64 `(n - v,)` and `(v,)` into `dataset.train_x`. Raises StudyError where either would be empty.
    """
    return stratified(dataset.train_y, validation, rng)


def stratified(labels: np.ndarray, held_out: int | float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Split indices by class: `labels` int `(n,)` gives the sorted indices kept and those held out.

    >>> kept, out = stratified(np.array([0, 0, 0, 0, 1, 1]), 3, np.random.default_rng(0))
    >>> len(kept), np.bincount(np.array([0, 0, 0, 0, 1, 1])[out]).tolist()
    (3, [2, 1])
    """
    total = len(labels)
    count = round(held_out * total) if isinstance(held_out, float) else held_out
    if not 0 < count < total:
        raise StudyError(
            f"validation = {held_out} of {total} images, expected a number from 1 to {total - 1} or a share between "
            "0 and 1; change it in the study"
        )
    classes, sizes = np.unique(labels, return_counts=True)
    exact = sizes * (count / total)
    quota = np.floor(exact).astype(np.int64)
    for place in np.argsort(quota - exact, kind="stable")[: count - int(quota.sum())]:
        quota[place] += 1
    out = np.zeros(total, dtype=bool)
    for label, number in zip(classes, quota, strict=True):
        out[rng.permutation(np.flatnonzero(labels == label))[:number]] = True
    return np.flatnonzero(~out), np.flatnonzero(out)
