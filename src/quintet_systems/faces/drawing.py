"""Pictures with the faces that were found drawn in."""

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from quintet.job import write_whole
from quintet_systems.faces.engine.face import Detection

BOX, POINT = (0, 158, 115), (213, 94, 0)  # Okabe & Ito's


def draw(picture: np.ndarray, found: Sequence[Detection], file: Path) -> Path:
    """Write `picture` with a box, a score and five points for each face, as a PNG; return where."""
    from PIL import Image

    shown = np.array(picture)  # a copy: what Pillow decodes may be read-only
    thick = max(1, round(max(picture.shape[:2]) / 320))
    dot = max(2, round(max(picture.shape[:2]) / 160))
    for one in found:
        left, top, width, height = (round(value) for value in one.box)
        cv2.rectangle(shown, (left, top), (left + width, top + height), BOX, thick)
        place = (left, max(12, top - 4))
        cv2.putText(shown, f"{one.score:.2f}", place, cv2.FONT_HERSHEY_SIMPLEX, 0.4 * thick, BOX, thick, cv2.LINE_AA)
        for x, y in () if one.landmarks is None else one.landmarks:
            cv2.circle(shown, (round(float(x)), round(float(y))), dot, POINT, -1)
    stream = io.BytesIO()
    Image.fromarray(shown).save(stream, "PNG")
    write_whole(file, stream.getvalue())
    return file
