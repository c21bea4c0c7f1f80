"""Familiarity: whether a mark looks like the digit it was read as, apart from what the network thinks.

A softmax network names a digit for anything, with certainty: letters, zigzags, spirals. So each digit also has a
density: gradient directions on a coarse grid, a Gaussian per digit with few directions of its own (the modified
quadratic discriminant function, Kimura et al. 1987). A mark further from its digit than nearly all real ones is refused.
Not for reading: the network is better at that.
"""

import io
import os
import tempfile
import zipfile
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from quintet.errors import BundleError
from quintet_systems.digits.confidence import VIEWS, views

_DIRECTIONS = 8
_VERSION = 1
_MOST_IMAGES = 16_000  # more change nothing that matters here, and take seconds
_HELD_OUT = 8  # one image in so many sets the bounds, the others the densities
_MOST_HELD_OUT = 2_000
_MINIMUM = 400


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Familiarity:
    """The density of each digit's gradient features, and the distance that most of its images stay within.

    `size` of the images; `centre` `(f,)` and `basis` `(f, m)` reduce features; then per digit `means` `(10, m)`,
    `axes` `(10, m, k)` with `variances` `(10, k)`, `rest` `(10,)` the variance taken elsewhere, `bounds` `(10,)`. float32.
    """

    size: int
    centre: np.ndarray
    basis: np.ndarray
    means: np.ndarray
    axes: np.ndarray
    variances: np.ndarray
    rest: np.ndarray
    bounds: np.ndarray

    def distances(self, images: np.ndarray) -> np.ndarray:
        """Return how far each image, uint8 `(n, size, size, 1)`, is from each digit: float `(n, 10)`."""
        points = (_features(images) - self.centre) @ self.basis
        return np.stack([self._distance(points, digit) for digit in range(10)], axis=1)

    def strangeness(self, shown: np.ndarray, digits: np.ndarray) -> np.ndarray:
        """Return the distance of marks from the digits they were read as, less the bound: above 0 is unlike it.

        `shown` uint8 `(n, VIEWS, size, size, 1)`, `digits` int `(n,)`; float `(n,)`, the mean over the views.
        """
        distances = self.distances(shown.reshape(-1, self.size, self.size, 1)).reshape(len(digits), VIEWS, 10)
        return distances.mean(axis=1)[np.arange(len(digits)), digits] - self.bounds[digits]

    def _distance(self, points: np.ndarray, digit: int) -> np.ndarray:
        away = points - self.means[digit]
        along = away @ self.axes[digit]
        variances, rest = self.variances[digit], self.rest[digit]
        others = self.basis.shape[1] - variances.shape[0]
        outside = (away**2).sum(axis=1) - (along**2).sum(axis=1)
        volume = np.log(variances).sum() + others * np.log(rest)
        return (along**2 / variances).sum(axis=1) + outside / rest + volume


def learn(images: np.ndarray, labels: np.ndarray, *, rejected: float = 0.02) -> Familiarity:
    """Learn the densities from training images, uint8 `(n, size, size, 1)`, and labels, int `(n,)`.

    `rejected` is the share of real digits, held out from the densities, that may lie beyond the bounds. Raises
    BundleError where there are too few images, or one digit is absent.
    """
    images, labels = images[:_MOST_IMAGES], labels[:_MOST_IMAGES]
    if len(labels) < _MINIMUM or len(np.unique(labels)) != 10:
        raise BundleError(
            f"{len(labels)} images of {len(np.unique(labels))} digits, expected at least {_MINIMUM} of all 10 to learn "
            "what a digit looks like; give more of the training set"
        )
    held = np.arange(len(labels)) % _HELD_OUT == 0
    features = _features(images[~held])
    known = labels[~held]
    size = images.shape[1]
    reduced, own = (96, 32) if size >= 20 else (40, 12)
    centre = features.mean(axis=0)
    basis = _principal(features - centre, reduced)[1]
    points = (features - centre) @ basis
    means, axes, variances, rest = [], [], [], []
    for digit in range(10):
        mine = points[known == digit]
        spread, directions = _principal(mine - mine.mean(axis=0), reduced)
        means.append(mine.mean(axis=0))
        axes.append(directions[:, :own])
        variances.append(spread[:own])
        rest.append(spread[own])
    density = Familiarity(
        size=size,
        centre=centre,
        basis=basis,
        means=np.array(means, np.float32),
        axes=np.array(axes, np.float32),
        variances=np.array(variances, np.float32),
        rest=np.array(rest, np.float32),
        bounds=np.zeros(10, np.float32),
    )
    chosen = np.flatnonzero(held)[:_MOST_HELD_OUT]
    shown = np.stack([views(image[..., 0], size) for image in images[chosen]])
    distances = density.strangeness(shown, labels[chosen])
    bounds = [np.quantile(distances[labels[chosen] == digit], 1 - rejected) for digit in range(10)]
    return Familiarity(**{**_arrays(density), "size": size, "bounds": np.array(bounds, np.float32)})


def save_familiarity(path: Path, familiarity: Familiarity) -> None:
    """Write to `path` (.npz), by way of a temporary name."""
    handle, partial = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as stream:
            arrays = {"version": np.array(_VERSION), "size": np.array(familiarity.size), **_arrays(familiarity)}
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def load_familiarity(path: Path) -> Familiarity:
    """Return what `save_familiarity` wrote. Raises BundleError where it is missing, damaged or of another version."""
    try:
        with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as data:
            if int(data["version"]) != _VERSION:
                raise BundleError(f"{path}: version {int(data['version'])}, expected {_VERSION}; train the model again")
            arrays = {field.name: data[field.name] for field in fields(Familiarity) if field.name != "size"}
            return Familiarity(size=int(data["size"]), **arrays)
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise BundleError(
            f"{path}: not a familiarity file ({type(error).__name__}), expected one that training wrote; train again"
        ) from None


def _arrays(familiarity: Familiarity) -> dict[str, np.ndarray]:
    return {f.name: getattr(familiarity, f.name) for f in fields(Familiarity) if f.name != "size"}


def _principal(centred: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The largest `count` variances and their directions, `(f, count)`; no variance is left at zero."""
    spread, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    spread = np.maximum(spread[::-1][:count], 1e-4 * spread[-1])
    return spread.astype(np.float32), np.ascontiguousarray(directions[:, ::-1][:, :count], np.float32)


def _features(images: np.ndarray) -> np.ndarray:
    """Gradient strength by direction, sampled by a Gaussian grid: float32 `(n, directions * cells)`."""
    return np.concatenate([_features_of(images[i : i + 1000]) for i in range(0, len(images), 1000)])


def _features_of(images: np.ndarray) -> np.ndarray:
    margin = 2 if images.shape[1] >= 20 else 1
    grid = 6 if images.shape[1] >= 20 else 4
    grey = np.pad(images[..., 0].astype(np.float32) / 255, ((0, 0), (margin, margin), (margin, margin)))
    right, down = np.zeros_like(grey), np.zeros_like(grey)
    right[:, 1:-1, 1:-1] = _sobel(grey)
    down[:, 1:-1, 1:-1] = _sobel(grey.transpose(0, 2, 1)).transpose(0, 2, 1)
    strength = np.hypot(right, down)
    direction = np.arctan2(down, right) * (_DIRECTIONS / (2 * np.pi))
    side = grey.shape[1]
    centres = (np.arange(grid) + 0.5) * side / grid - 0.5
    window = np.exp(-0.5 * ((np.arange(side) - centres[:, None]) / (0.6 * side / grid)) ** 2)
    window = (window / window.sum(axis=1, keepdims=True)).astype(np.float32)
    planes = []
    for centre in range(_DIRECTIONS):
        away = np.abs((direction - centre + _DIRECTIONS / 2) % _DIRECTIONS - _DIRECTIONS / 2)
        planes.append(window @ (strength * np.maximum(0, 1 - away)) @ window.T)
    return np.sqrt(np.stack(planes, axis=1).reshape(len(images), -1))


def _sobel(grey: np.ndarray) -> np.ndarray:
    across = grey[:, :, 2:] - grey[:, :, :-2]
    return (across[:, 2:] + 2 * across[:, 1:-1] + across[:, :-2]) / 4
