"""YuNet (Wu, Peng, Yu 2023): a one-stage detector with landmarks, run by OpenCV in two looks.

The first finds faces. A margin of a sixth, the border repeated, lets faces at the edge be found. YuNet was trained for faces
of about 10 to 300 pixels, and misses one that fills a large picture: the whole is brought to at most LONG pixels a side.

The second brings each face to LOOK_FACE pixels and places its landmarks anew, from the full picture. What it gains was measured
with MobileFaceNet on LFW's View 1, 3,200 pairs, whose faces have some 90 pixels: without it 99.16 % were right; with it at 128
pixels 99.13, at 160 99.31, at 192 99.34 %; and of the pairs of one person, 1.5 instead of 2.6 % fell below what 1 in 1,000 of
others reach.
"""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from quintet.errors import DataError
from quintet_systems.faces.engine.align import resized, windows
from quintet_systems.faces.engine.boxes import square_of
from quintet_systems.faces.engine.face import Detection

LONG = 480  # with the margin: faces of a 36th of a picture's longer side and more are found
MARGIN = 1 / 6
LOOK, LOOK_FACE = 320, 192  # pixels
LOOKS = 16  # faces at most that are looked at again, the surest
NEAR, SIZE = 0.3, 1.6  # sides and times: how far from the first look the second may end up, else the first counts
OVERLAP = 0.3
MOST = 500


class YuNet:
    """YuNet's ONNX file; see Detector. `least` is the least score of a face."""

    name = "yunet"

    def __init__(self, model: Path, least: float = 0.6) -> None:
        try:
            # A net each, as OpenCV lays a net out anew whenever the size of its input changes.
            self._first, self._second = (
                cv2.FaceDetectorYN.create(str(model), "", (LOOK, LOOK), least, OVERLAP, MOST) for _ in range(2)
            )
        except cv2.error as error:
            raise DataError(
                f"{model.name}: received a file that OpenCV does not open as YuNet ({str(error).splitlines()[0][:80]}),"
                " expected face_detection_yunet_2023mar.onnx; get it again"
            ) from None

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Return the faces, the surest first."""
        height, width = picture.shape[:2]
        scale = min(1.0, LONG / (max(height, width) * (1 + 2 * MARGIN)))
        small = resized(picture, scale) if scale < 1 else picture
        edge = round(MARGIN * max(small.shape[:2]))
        framed = cv2.copyMakeBorder(small, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        looks = [one.moved(1 / scale, (edge, edge)) for one in _look(self._first, framed)]
        found = sorted(looks, key=lambda one: -one.score)
        return [self._again(picture, one) for one in found[:LOOKS]] + found[LOOKS:]

    def _again(self, picture: np.ndarray, first: Detection) -> Detection:
        """Return the face as the second look places it, with the first one's score."""
        assert first.landmarks is not None
        left, top, side, _ = square_of(first.landmarks)
        scale = LOOK_FACE / max(side, 1.0)
        wide = LOOK / scale
        corner = np.array([left + side / 2 - wide / 2, top + side / 2 - wide / 2])
        (shown,) = windows(picture, np.array([[*corner, wide]]), LOOK)
        looks = [one.moved(1 / scale, -scale * corner) for one in _look(self._second, shown)]
        near = [one for one in looks if _agree(one, first)]
        return replace(max(near, key=lambda one: one.score), score=first.score) if near else first


def _look(net: cv2.FaceDetectorYN, picture: np.ndarray) -> list[Detection]:
    net.setInputSize((picture.shape[1], picture.shape[0]))
    rows = net.detect(np.ascontiguousarray(picture[:, :, ::-1]))[1]
    return [
        Detection(box=(row[0], row[1], row[2], row[3]), score=float(row[14]), landmarks=row[4:14].reshape(5, 2))
        for row in (() if rows is None else rows)
    ]


def _agree(one: Detection, other: Detection) -> bool:
    assert one.landmarks is not None
    assert other.landmarks is not None
    (left, top, side, _), (x, y, own, _) = square_of(other.landmarks), square_of(one.landmarks)
    away = np.hypot(left + side / 2 - x - own / 2, top + side / 2 - y - own / 2)
    return bool(away <= NEAR * side and 1 / SIZE <= own / max(side, 1e-9) <= SIZE)
