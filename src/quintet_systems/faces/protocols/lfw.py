"""LFW's View 2 with a whole engine: every picture of the pairs is detected, aligned and embedded once."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from quintet_systems.faces.data.lfw import Lfw, Pair, person
from quintet_systems.faces.engine.align import align_all
from quintet_systems.faces.engine.parts import Detector, Embedder
from quintet_systems.faces.engine.pipeline import Engine, central
from quintet_systems.faces.protocols.pairs import TenFold, best_threshold, summed_up, ten_fold
from quintet_systems.faces.protocols.rates import NOT_COMPARED, threshold_at_fmr
from quintet_systems.faces.training.splits import parts_of

OnPicture = Callable[[int, int], None]
BATCH = 64


def run_view2(engine: Engine, data: Path | None = None, on_picture: OnPicture = lambda *_: None) -> TenFold:
    """Return the engine's accuracy; the person meant is the face nearest to the middle."""
    lfw = Lfw(data)
    pairs = lfw.pairs()
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    crops, found = central_crops(engine.detector, lfw, names, on_picture)
    embeddings = embed_found(engine.embedder, crops, found)
    return ten_fold(pairs, pair_scores(pairs, names, embeddings, found))


def run_own_folds(
    detector: Detector,
    embedders: Sequence[tuple[int, Embedder]],
    data: Path | None = None,
    on_picture: OnPicture = lambda *_: None,
) -> TenFold:
    """Return the accuracy of embedders that learnt from LFW, each on the fold (0 to 9) whose people it does not know.

    The threshold of each is that of pairs of people whom it did not learn from either, of the other nine folds: those that it
    learnt from, it tells apart better than anybody else.
    """
    lfw = Lfw(data)
    tested = [[pair for pair in lfw.pairs() if pair.fold == fold] for fold, _ in embedders]
    known = [held_out_pairs(lfw, fold) for fold, _ in embedders]
    names = sorted({name for pairs in tested + known for pair in pairs for name in (pair.first, pair.second)})
    crops, found = central_crops(detector, lfw, names, on_picture)
    accuracies, thresholds, missing = [], [], 0
    for (_, embedder), own, others in zip(embedders, tested, known, strict=True):
        embeddings = embed_found(embedder, crops, found)
        scores, same = pair_scores(own, names, embeddings, found), np.array([pair.same for pair in own])
        threshold = best_threshold(
            pair_scores(others, names, embeddings, found), np.array([pair.same for pair in others])
        )
        accuracies.append(float(((scores >= threshold) == same).mean()))
        thresholds.append(threshold)
        missing += int((scores <= NOT_COMPARED).sum())
    return summed_up(accuracies, thresholds, sum(map(len, tested)), missing)


def held_out_pairs(lfw: Lfw, fold: int, most: int = 3, seed: int = 1) -> list[Pair]:
    """Return pairs of people of the other folds whom an embedder for `fold` does not learn from.

    At most `most` of one person each, those of consecutive pictures, and as many of two people, at random.
    """
    parts = parts_of(lfw, fold)
    names = [name for name, part in zip(lfw.names(), parts, strict=True) if part in ("validation", "test")]
    same: list[Pair] = []
    for one in sorted({person(name) for name in names}):
        own = [name for name in names if person(name) == one]
        same += [Pair(first=a, second=b, same=True, fold=fold) for a, b in list(pairwise(own))[:most]]
    rng = np.random.default_rng(seed)
    different: list[Pair] = []
    while len(different) < len(same):
        first, second = (names[int(i)] for i in rng.integers(0, len(names), 2))
        if person(first) != person(second):
            different.append(Pair(first=first, second=second, same=False, fold=fold))
    return same + different


def strangers_threshold(
    detector: Detector, embedder: Embedder, fold: int, rate: float, data: Path | None = None
) -> float:
    """Return the cosine that `rate` of the pairs of two people reach, of all whom an embedder for `fold` did not learn from."""
    lfw = Lfw(data)
    parts = parts_of(lfw, fold)
    names = [name for name, part in zip(lfw.names(), parts, strict=True) if part in ("validation", "test")]
    crops, found = central_crops(detector, lfw, names)
    embeddings = embed_found(embedder, crops[found], found[found]).astype(np.float64)
    people = np.array([person(name) for name in names])[found]
    return threshold_at_fmr((embeddings @ embeddings.T)[people[:, None] < people[None, :]], rate)


def central_crops(
    detector: Detector, lfw: Lfw, names: list[str], on_picture: OnPicture = lambda *_: None
) -> tuple[np.ndarray, np.ndarray]:
    """Return (aligned faces `(n, 112, 112, 3)`, whether a face was found `(n,)`); where none was, the crop is black."""
    crops, found = [], []
    for count, name in enumerate(names, 1):
        picture = lfw.archive.read(lfw.members[name])
        face = central(detector(picture), (picture.shape[1], picture.shape[0]))
        crops.append(align_all(picture, [face])[0] if face else np.zeros((112, 112, 3), np.uint8))
        found.append(face is not None)
        on_picture(count, len(names))
    return np.stack(crops), np.array(found)


def embed_found(embedder: Callable[[np.ndarray], np.ndarray], crops: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return embeddings `(n, features)`; zeros where no face was found."""
    pieces = [embedder(crops[i : i + BATCH]) for i in range(0, len(crops), BATCH)]
    return np.concatenate(pieces) * found[:, None]


def pair_scores(pairs: Sequence[Pair], names: list[str], embeddings: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair, NOT_COMPARED where a face is missing."""
    at = {name: i for i, name in enumerate(names)}
    first, second = (np.array([at[getattr(pair, side)] for pair in pairs]) for side in ("first", "second"))
    scores = np.einsum("nf,nf->n", embeddings[first], embeddings[second])
    return np.where(found[first] & found[second], scores, NOT_COMPARED)
