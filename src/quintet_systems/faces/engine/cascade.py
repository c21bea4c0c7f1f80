"""A cascade of three small CNNs, after Li et al. 2015 and Zhang et al. 2016 (MTCNN): propose, refine, place.

`propose` sees 12x12 pixels and runs over the whole picture at several sizes as one convolution; `refine` looks again at what it
proposes, at 24x24, and moves the square; `place` looks at 48x48, says whether it is a face, and where its landmarks lie. The
square is then drawn anew from the landmarks and `place` looks once more. Each net is a Net of Quintet's, trained by its worker
(quintet_systems.faces.training.cascade) and run by numpy alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from quintet.bundle import Bundle
from quintet.layers import Flatten
from quintet.losses import MeanSquaredError
from quintet.runtimes import NumpyPredictor
from quintet_systems.faces.engine.align import PLACES, resized, windows
from quintet_systems.faces.engine.boxes import FACE_CENTRE, FACE_SIDE, best_of_overlapping, square_of
from quintet_systems.faces.engine.face import Detection

PROPOSE, REFINE, PLACE = 12, 24, 48  # pixels
STRIDE = 2  # of `propose`, in its own pixels
STEP = 0.75  # from one size of the picture to the next
LEAST_FACE, LONG = 36, 640  # pixels
BATCH = 128
SHIFT = 0.2  # sides: the unit of `refine`'s moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """What each net must give for a square to go on."""

    propose: float
    refine: float
    place: float


class Cascade:
    """The three nets; see Detector. `nets` has a Bundle for "propose", "refine" and "place"."""

    name = "cascade"

    def __init__(self, nets: Mapping[str, Bundle], thresholds: Thresholds) -> None:
        self._propose = nets["propose"]
        self._refine, self._place = NumpyPredictor(nets["refine"]), NumpyPredictor(nets["place"])
        self.thresholds = thresholds
        self._scans: dict[tuple[int, int], NumpyPredictor] = {}

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Return the faces, the surest first."""
        scale = min(1.0, LONG / max(picture.shape[:2]))
        if scale < 1:
            picture = resized(picture, scale)
        squares = self.proposed(picture)
        squares = self.refined(picture, squares)
        found = self.placed(picture, squares[:, :3])
        again = np.array([square_of(one.landmarks)[:3] for one in found if one.landmarks is not None]).reshape(-1, 3)
        found = best_of_overlapping(self.placed(picture, again))
        return [one.moved(1 / scale, (0, 0)) for one in found]

    def proposed(self, picture: np.ndarray) -> np.ndarray:
        """Return squares `(n, 4)`: left, top, side, logit."""
        scale, found = PROPOSE / LEAST_FACE, []
        while min(picture.shape[:2]) * scale >= PROPOSE:
            small = resized(picture, scale)
            logits = self._scan(small.shape[:2])(small[None])[0, :, :, 0]
            rows, columns = np.nonzero(logits >= self.thresholds.propose)
            at = np.stack([columns * STRIDE, rows * STRIDE], 1) / scale
            side = np.full((len(rows), 1), PROPOSE / scale)
            found.append(np.hstack([at, side, logits[rows, columns][:, None]]))
            scale *= STEP
        squares = np.concatenate(found) if found else np.zeros((0, 4))
        return _distinct(squares, 0.6)

    def refined(self, picture: np.ndarray, squares: np.ndarray) -> np.ndarray:
        """Return those that `refine` keeps, moved, `(n, 4)`."""
        if not len(squares):
            return np.zeros((0, 4))
        out = _run(self._refine, windows(picture, squares, REFINE))
        kept = out[:, 0] >= self.thresholds.refine
        return _distinct(moved(squares[kept, :3], out[kept]), 0.6)

    def placed(self, picture: np.ndarray, squares: np.ndarray) -> list[Detection]:
        """Return the faces that `place` finds in squares `(n, 3)`, with their landmarks."""
        if not len(squares):
            return []
        out = _run(self._place, windows(picture, squares, PLACE))
        found = []
        for square, row in zip(squares, out, strict=True):
            if row[0] >= self.thresholds.place:
                points = landmarks_of(square, row[1:11])
                found.append(Detection(box=square_of(points), score=float(row[0]), landmarks=points))
        return found

    def _scan(self, shape: tuple[int, int]) -> NumpyPredictor:
        """Return `propose` as a net over a picture of that size: the same weights, no flattening at its end."""
        if shape not in self._scans:
            net = self._propose.net
            layers = tuple(layer for layer in net.layers if not isinstance(layer, Flatten))
            wide = replace(net, input_shape=(*shape, 3), layers=layers, loss=MeanSquaredError())
            if len(self._scans) > 32:
                self._scans.clear()  # pictures of many sizes: do not keep a net for each
            self._scans[shape] = NumpyPredictor(replace(self._propose, net=wide))
        return self._scans[shape]


def moved(squares: np.ndarray, out: np.ndarray) -> np.ndarray:
    """Return squares `(n, 4)` moved by what `refine` gives: score, shift right, shift down, log of the growth, in SHIFTs."""
    move = SHIFT * np.clip(out[:, 1:4], -2, 2)
    side = squares[:, 2] * np.exp(move[:, 2])
    x = squares[:, 0] + squares[:, 2] * (0.5 + move[:, 0])
    y = squares[:, 1] + squares[:, 2] * (0.5 + move[:, 1])
    return np.stack([x - side / 2, y - side / 2, side, out[:, 0]], 1)


MEAN = (PLACES - (np.array(FACE_CENTRE) - FACE_SIDE / 2)) / FACE_SIDE - 0.5  # of the landmarks, in a face's square
UNIT = 0.1  # of a side: the nets' numbers are near 1


def landmarks_of(square: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return landmarks `(5, 2)` in pixels of what `place` gives for a square: their distance from the mean face, in UNITs."""
    within = MEAN + UNIT * np.asarray(numbers, np.float64).reshape(5, 2)
    return ((within + 0.5) * square[2] + square[:2]).astype(np.float32)


def numbers_of(square: Sequence[float] | np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Return what `place` is to give `(10,)`; the inverse of landmarks_of."""
    within = (np.asarray(landmarks, np.float64) - np.asarray(square[:2])) / square[2] - 0.5
    return ((within - MEAN) / UNIT).ravel().astype(np.float32)


def _run(net: NumpyPredictor, x: np.ndarray) -> np.ndarray:
    return np.concatenate([net(x[i : i + BATCH]) for i in range(0, len(x), BATCH)])


def _distinct(squares: np.ndarray, most: float) -> np.ndarray:
    """Return the surest squares `(n, 4)` of those that overlap by more than `most`."""
    found = [
        Detection(box=(float(left), float(top), float(side), float(side)), score=float(score))
        for left, top, side, score in squares
    ]
    kept = best_of_overlapping(found, most, contained=1.1)
    return np.array([(*one.box[:3], one.score) for one in kept]).reshape(-1, 4)
