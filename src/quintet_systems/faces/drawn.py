"""Faces that nobody has: ovals with eyes, nose and mouth, drawn from a number for the person and one for the picture.

For the demo and the tests. Not for any figure: what finds and tells real faces knows nothing of these, nor the other way round.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from quintet_systems.faces.data.gallery import Gallery
from quintet_systems.faces.engine.align import PLACES
from quintet_systems.faces.engine.boxes import square_of
from quintet_systems.faces.engine.face import Detection


class Told:
    """A detector that was told where the faces of some pictures are; see Detector."""

    name = "told"

    def __init__(self) -> None:
        self._places: dict[bytes, np.ndarray] = {}

    def tell(self, picture: np.ndarray, landmarks: np.ndarray) -> None:
        """Remember the face of one picture."""
        self._places[picture.tobytes()] = landmarks

    def __call__(self, picture: np.ndarray) -> list[Detection]:
        """Return the face of a picture that was told of."""
        landmarks = self._places.get(picture.tobytes())
        return [] if landmarks is None else [Detection(box=square_of(landmarks), score=1.0, landmarks=landmarks)]


def draw_gallery(people: Iterable[int], shots: int, size: int = 112) -> tuple[Gallery, Told]:
    """Return `shots` drawn pictures of each person, and the detector that knows them."""
    told = Told()
    pictures, names = [], []
    for person in people:
        for shot in range(shots):
            picture, landmarks = draw_face(person, size, shot=shot)
            told.tell(picture, landmarks)
            pictures.append(picture)
            names.append((f"p{person}", f"p{person}-{shot}"))
    gallery = Gallery(
        name="drawn",
        pictures=tuple(pictures),
        people=np.array([person for person, _ in names]),
        names=tuple(name for _, name in names),
        conditions=("",) * len(names),
    )
    return gallery, told


def draw_face(person: int, size: int = 112, angle: float = 0.0, shot: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return a square picture `(size, size, 3)` `uint8` of a drawn face, and its landmarks `(5, 2)`."""
    own, now = np.random.default_rng(person), np.random.default_rng([person, shot])
    skin = own.integers(120, 230, 3)
    canvas = np.full((448, 448, 3), own.integers(20, 90, 3), np.uint8)
    points = PLACES * 4 + own.normal(0, 6, (5, 2)) * [1, 0.6]
    middle = points.mean(0)
    axes = (int(own.uniform(120, 160)), int(own.uniform(165, 205)))
    cv2.ellipse(canvas, (int(middle[0]), int(middle[1])), axes, 0, 0, 360, skin.tolist(), -1)
    hair = int(own.uniform(40, 90))
    cv2.ellipse(
        canvas,
        (int(middle[0]), int(middle[1] - 120)),
        (axes[0], hair),
        0,
        180,
        360,
        own.integers(0, 120, 3).tolist(),
        -1,
    )
    for eye in points[:2]:
        at = (int(eye[0]), int(eye[1]))
        cv2.ellipse(canvas, at, (int(own.uniform(18, 30)), int(own.uniform(9, 16))), 0, 0, 360, (245, 245, 245), -1)
        cv2.circle(canvas, at, int(own.uniform(6, 11)), own.integers(0, 120, 3).tolist(), -1)
        cv2.line(canvas, (at[0] - 28, at[1] - 28), (at[0] + 28, at[1] - int(own.uniform(20, 38))), (40, 25, 20), 7)
    nose = (int(points[2][0]), int(points[2][1]))
    cv2.line(canvas, (nose[0], nose[1] - int(own.uniform(30, 60))), nose, (skin * 0.7).astype(int).tolist(), 8)
    left, right = points[3:].astype(int)
    cv2.line(
        canvas,
        tuple(map(int, left)),
        tuple(map(int, right)),
        own.integers(90, 190, 3).tolist(),
        int(own.uniform(6, 18)),
    )
    turn = cv2.getRotationMatrix2D((224, 224), float(np.degrees(-angle)) + float(now.normal(0, 2)), 1.0)
    canvas = cv2.warpAffine(canvas, turn, (448, 448), borderMode=cv2.BORDER_REPLICATE)
    points = points @ turn[:, :2].T + turn[:, 2]
    light = np.clip(canvas * now.uniform(0.8, 1.15) + now.normal(0, 4, canvas.shape), 0, 255).astype(np.uint8)
    shown = cv2.resize(light, (size, size), interpolation=cv2.INTER_AREA if size < 448 else cv2.INTER_LINEAR)
    return shown, ((points + 0.5) * size / 448 - 0.5).astype(np.float32)
