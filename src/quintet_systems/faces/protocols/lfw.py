"""LFW's View 2 with a whole engine: every picture of the pairs is detected, aligned and embedded once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from quintet_systems.faces.data.lfw import Lfw, Pair
from quintet_systems.faces.engine.align import align_all
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.engine.pipeline import Engine, central
from quintet_systems.faces.protocols.pairs import TenFold, ten_fold
from quintet_systems.faces.protocols.rates import NOT_COMPARED

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


def pair_scores(pairs: tuple[Pair, ...], names: list[str], embeddings: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Return the cosine of each pair, NOT_COMPARED where a face is missing."""
    at = {name: i for i, name in enumerate(names)}
    first, second = (np.array([at[getattr(pair, side)] for pair in pairs]) for side in ("first", "second"))
    scores = np.einsum("nf,nf->n", embeddings[first], embeddings[second])
    return np.where(found[first] & found[second], scores, NOT_COMPARED)
