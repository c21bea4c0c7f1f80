"""YuNet (Wu, Peng, Yu 2023): a one-stage detector with landmarks, run by OpenCV.

It was trained for faces of about 10 to 300 pixels, so that a face that fills a large picture is missed or its landmarks are off:
pictures are brought to at most LONG pixels a side. A margin of a sixth, the border repeated, lets faces at the edge be found.
"""

from pathlib import Path

import cv2
import numpy as np

from quintet.errors import DataError
from quintet_systems.faces.engine.face import Detection

LONG = 640
MARGIN = 1 / 6
OVERLAP = 0.3
MOST = 500


class YuNet:
    """YuNet's ONNX file; see Detector. `least` is the least score of a face."""

    name = "yunet"

    def __init__(self, model: Path, least: float = 0.6) -> None:
        try:
            self._net = cv2.FaceDetectorYN.create(str(model), "", (320, 320), least, OVERLAP, MOST)
        except cv2.error as error:
            raise DataError(
                f"{model.name}: received a file that OpenCV does not open as YuNet ({str(error).splitlines()[0][:80]}),"
                " expected face_detection_yunet_2023mar.onnx; get it again"
            ) from None

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Return the faces, the surest first."""
        height, width = picture.shape[:2]
        scale = min(1.0, LONG / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        edge = round(MARGIN * max(picture.shape[:2]))
        framed = cv2.copyMakeBorder(picture, edge, edge, edge, edge, cv2.BORDER_REPLICATE)
        self._net.setInputSize((framed.shape[1], framed.shape[0]))
        rows = self._net.detect(framed[:, :, ::-1].copy())[1]
        if rows is None:
            return []
        found = []
        for row in sorted(rows, key=lambda r: -r[14]):
            points = (row[4:14].reshape(5, 2) - edge) / scale
            left, top = (row[:2] - edge) / scale
            box = (float(left), float(top), float(row[2] / scale), float(row[3] / scale))
            found.append(Detection(box=box, score=float(row[14]), landmarks=points.astype(np.float32)))
        return found
