"""The three sets as aligned faces, detected once with one detector for all methods."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from quintet_systems.faces.data.gallery import Gallery
from quintet_systems.faces.data.lfw import Lfw, person
from quintet_systems.faces.engine.align import align_all
from quintet_systems.faces.engine.boxes import square_of
from quintet_systems.faces.engine.face import CROP, Detection
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.engine.pipeline import central

OnPicture = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Crops:
    """A gallery's aligned faces `(n, 112, 112, 3)`; where `found` is false the crop is black, and every comparison fails."""

    name: str
    crops: np.ndarray
    found: np.ndarray
    detected: np.ndarray
    people: np.ndarray
    conditions: np.ndarray


def aligned(
    pictures: Gallery, detector: Detector, *, still: bool = False, on_picture: OnPicture = lambda *_: None
) -> Crops:
    """Return the faces of a gallery, in each picture the one nearest to the middle.

    `still`: each person's head stays in its place from picture to picture, as in Extended Yale B, whose frames of one person
    were taken within seconds. Every picture is then aligned by the median of the person's landmarks, so that light changes
    the features alone and not also their places; `detected` says in how many the detector found the face by itself.
    """
    faces = []
    for count, picture in enumerate(pictures.pictures, 1):
        faces.append(central(detector(picture), (picture.shape[1], picture.shape[0])))
        on_picture(count, len(pictures))
    detected = np.array([face is not None for face in faces])
    if still:
        faces = _held_still(faces, pictures.people)
    crops = np.zeros((len(pictures), CROP, CROP, 3), np.uint8)
    for i, (picture, face) in enumerate(zip(pictures.pictures, faces, strict=True)):
        if face:
            crops[i] = align_all(picture, [face])[0]
    return Crops(
        name=pictures.name,
        crops=crops,
        found=np.array([face is not None for face in faces]),
        detected=detected,
        people=pictures.people,
        conditions=np.array(pictures.conditions),
    )


def of_lfw(lfw: Lfw, detector: Detector, on_picture: OnPicture = lambda *_: None) -> tuple[tuple[str, ...], Crops]:
    """Return LFW's names and its faces, in each picture the one nearest to the middle."""
    names = lfw.names()
    crops = np.zeros((len(names), CROP, CROP, 3), np.uint8)
    found = np.zeros(len(names), bool)
    for i, name in enumerate(names):
        picture = lfw.archive.read(lfw.members[name])
        face = central(detector(picture), (picture.shape[1], picture.shape[0]))
        if face:
            crops[i], found[i] = align_all(picture, [face])[0], True
        on_picture(i + 1, len(names))
    people = np.array([person(name) for name in names])
    return names, Crops(
        name="lfw", crops=crops, found=found, detected=found, people=people, conditions=np.array([""] * len(names))
    )


def _held_still(faces: list[Detection | None], people: np.ndarray) -> list[Detection | None]:
    """Return a detection with the person's median landmarks for each picture of a person who was found at all."""
    held: list[Detection | None] = [None] * len(faces)
    for one in np.unique(people):
        own = np.flatnonzero(people == one)
        marks = [face.landmarks for i in own if (face := faces[i]) and face.landmarks is not None]
        if not marks:
            continue
        middle = np.median(marks, axis=0).astype(np.float32)
        for i in own:
            held[i] = Detection(box=square_of(middle), score=1.0, landmarks=middle)
    return held
