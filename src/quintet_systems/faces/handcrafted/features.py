"""Hand-crafted features: Eigenfaces, Fisherfaces, histograms of local binary patterns and of oriented gradients, HOG + SVM.

Each is fitted on training faces where it learns anything (mean, axes), and is then an Embedder like a network: the same aligned
crops go in, a vector of length 1 comes out, and the cosine compares. Sources: Turk & Pentland 1991; Belhumeur, Hespanha &
Kriegman 1997; Ahonen, Hadid & Pietikäinen 2006 (LBP, uniform patterns, square root of the histogram, so that the cosine is
Bhattacharyya's coefficient); Dalal & Triggs 2005; Kumar et al. 2009 (the answers of support vector machines as features).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np

from quintet.errors import DataError

INNER = slice(12, 100), slice(16, 96)  # rows and columns of a crop without most of hair and background
TINY = 1e-12
EIGEN, CELLS, MACHINES = 150, (7, 6), 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Handcrafted:
    """An embedder made of a function of crops; see Embedder. `size_bytes` is that of the numbers that it learnt."""

    name: str
    features: Callable[[np.ndarray], np.ndarray]
    card: Mapping[str, Any] = field(default_factory=dict)
    size_bytes: int = 0

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return `(n, features)` of length 1 for crops `(n, 112, 112, 3)`."""
        y = np.asarray(self.features(crops), np.float32)
        return y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), TINY)


def grey(crops: np.ndarray) -> np.ndarray:
    """Return `(n, 88, 80)` `uint8`: the inner face."""
    return np.stack([cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)[INNER] for crop in crops])


def pixels(crops: np.ndarray) -> np.ndarray:
    """Return `(n, 44 * 40)` `float32`: the inner face at half size, mean 0 and deviation 1, so that light counts less."""
    small = np.stack([cv2.resize(face, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for face in grey(crops)])
    x = small.reshape(len(small), -1).astype(np.float32)
    x -= x.mean(1, keepdims=True)
    return x / np.maximum(x.std(1, keepdims=True), 1.0)


def eigenfaces(crops: np.ndarray, people: np.ndarray) -> Handcrafted:  # noqa: ARG001
    """Return principal components of the training faces, whitened, the first three left out where there are enough.

    The first axes carry light rather than people (Belhumeur et al. 1997). There are at most half as many axes as faces: along all
    of them the training faces, whitened, would be equally far from each other.
    """
    from sklearn.decomposition import PCA

    x = pixels(crops)
    count = min(EIGEN, len(x) // 2)
    if count < 1:
        raise DataError(f"received {len(x)} faces to learn Eigenfaces from, expected at least 2")
    pca = PCA(count, whiten=True, svd_solver="randomized", random_state=0).fit(x)
    skip = 3 if count > 20 else 0
    size = _bytes(pca.components_, pca.mean_)
    features = lambda c: pca.transform(pixels(c))[:, skip:]  # noqa: E731
    return Handcrafted(name="eigenfaces", features=features, size_bytes=size)


def fisherfaces(crops: np.ndarray, people: np.ndarray) -> Handcrafted:
    """Return Fisher's discriminants in the space of the principal components; people with one face teach it nothing.

    Raises:
        DataError: there are not two people with two faces each.
    """
    from sklearn.decomposition import PCA
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.pipeline import make_pipeline

    names, counts = np.unique(people, return_counts=True)
    kept = np.isin(people, names[counts >= 2])
    classes = int((counts >= 2).sum())
    if classes < 2:
        raise DataError(
            f"received {classes} people with two pictures to learn Fisherfaces from, expected at least 2; bring more pictures"
        )
    x, y = pixels(crops[kept]), people[kept]
    count = max(1, min(EIGEN, len(x) - classes))
    pca = PCA(count, svd_solver="randomized", random_state=0)
    lda = LinearDiscriminantAnalysis(solver="eigen", shrinkage="auto")
    made = make_pipeline(pca, lda).fit(x, y)
    size = _bytes(pca.components_, pca.mean_, lda.scalings_)
    return Handcrafted(name="fisherfaces", features=lambda c: made.transform(pixels(c)), size_bytes=size)


def lbp(crops: np.ndarray, people: np.ndarray) -> Handcrafted:  # noqa: ARG001
    """Return histograms of uniform local binary patterns (8 neighbours at 2 pixels) in 7x6 cells; learns nothing."""
    return Handcrafted(name="lbp", features=_lbp)


def hog(crops: np.ndarray, people: np.ndarray) -> Handcrafted:  # noqa: ARG001
    """Return histograms of oriented gradients (cells of 8 pixels, blocks of 2x2, 9 directions); learns nothing."""
    return Handcrafted(name="hog", features=_hog)


def hog_svm(crops: np.ndarray, people: np.ndarray) -> Handcrafted:
    """Return the answers of linear support vector machines on hog's features, one machine for each training person against all.

    In a gallery the people are those searched for; elsewhere a face is described by how far it is like each of them. At most
    MACHINES people have one, those with the most pictures.

    Raises:
        DataError: there are not two people.
    """
    from sklearn.svm import LinearSVC

    names, counts = np.unique(people, return_counts=True)
    if len(names) < 2:
        raise DataError(f"received {len(names)} people to learn HOG + SVM from, expected at least 2; bring more people")
    x = _hog(crops)
    middle = x.mean(0)
    chosen = names[np.argsort(-counts, kind="stable")[:MACHINES]]
    fit = lambda one: LinearSVC(class_weight="balanced", tol=1e-3, max_iter=5000).fit(x - middle, people == one)  # noqa: E731
    machines = [fit(one) for one in chosen]
    weights, offsets = np.concatenate([m.coef_ for m in machines]), np.concatenate([m.intercept_ for m in machines])
    weights, offsets = weights.astype(np.float32), offsets.astype(np.float32)
    return Handcrafted(
        name="hog+svm",
        features=lambda c: (_hog(c) - middle) @ weights.T + offsets,
        size_bytes=_bytes(weights, offsets, middle),
    )


def _bytes(*learnt: Any) -> int:
    return sum(np.asarray(one).nbytes for one in learnt)


def _lbp(crops: np.ndarray) -> np.ndarray:
    from skimage.feature import local_binary_pattern

    rows = []
    for face in grey(crops):
        codes = local_binary_pattern(face, 8, 2, "nri_uniform").astype(np.int64)
        cells = [part for band in np.array_split(codes, CELLS[0]) for part in np.array_split(band, CELLS[1], axis=1)]
        rows.append(np.sqrt(np.concatenate([np.bincount(cell.ravel(), minlength=59) / cell.size for cell in cells])))
    return np.stack(rows)


def _hog(crops: np.ndarray) -> np.ndarray:
    window = grey(crops[:1]).shape[1:] if len(crops) else (88, 80)
    descriptor = cv2.HOGDescriptor((window[1], window[0]), (16, 16), (8, 8), (8, 8), 9)
    return np.stack([np.ravel(descriptor.compute(face)) for face in grey(crops)])


METHODS: Mapping[str, Callable[[np.ndarray, np.ndarray], Handcrafted]] = MappingProxyType(
    {"eigenfaces": eigenfaces, "fisherfaces": fisherfaces, "lbp": lbp, "hog": hog, "hog+svm": hog_svm}
)
