"""Training the HOG detector: a linear support vector machine on LFW's faces and on scenes, with hard negatives mined in rounds.

The faces' places are those that YuNet gives on LFW's training people: a teacher, as LFW has no boxes. The threshold is set on
people and scenes for validation; recall and false alarms are then measured on the test part (protocols.detection).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from quintet_systems.faces.engine.boxes import overlap, square_of
from quintet_systems.faces.engine.hog import WINDOW, Hog, descriptor
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.protocols.detection import is_the_person

ROUNDS = 4
PER_SCENE = 12
ALARMS = 1 / 40  # false alarms a scene that the threshold aims at, half of what is asked for
C = 0.005
OnRound = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Place:
    """A picture and the landmarks of its face."""

    picture: np.ndarray
    landmarks: np.ndarray


def train_hog(
    faces: Sequence[Place],
    scenes: Sequence[np.ndarray],
    validation_faces: Sequence[np.ndarray],
    validation_scenes: Sequence[np.ndarray],
    seed: int = 1,
    on_round: OnRound = lambda *_: None,
) -> tuple[np.ndarray, float]:
    """Return (weights `(1765,)`, threshold)."""
    from sklearn.svm import LinearSVC

    rng = np.random.default_rng(seed)
    hog = descriptor()
    good = np.stack([_features(hog, window) for place in faces for window in _windows(place, rng)])
    bad = np.stack(
        [_features(hog, window) for scene in scenes for window in _random_windows(scene, rng, PER_SCENE)]
        + [_features(hog, window) for place in faces[::2] for window in _beside(place, rng)]
    )
    weights = np.zeros(0, np.float32)
    for count in range(1, ROUNDS + 1):
        x = np.concatenate([good, bad])
        y = np.r_[np.ones(len(good)), np.zeros(len(bad))]
        machine = LinearSVC(C=C, class_weight="balanced", dual="auto", tol=1e-3).fit(x, y)
        weights = np.r_[machine.coef_[0], machine.intercept_].astype(np.float32)
        on_round(count, ROUNDS)
        if count < ROUNDS:
            hard = _mined(Hog(weights, -0.3), scenes, faces, hog)
            bad = np.concatenate([bad, hard]) if len(hard) else bad
    return weights, quiet_threshold(Hog(weights, -0.5), validation_faces, validation_scenes, least=-0.5)


def quiet_threshold(scan: Detector, faces: Sequence[np.ndarray], scenes: Sequence[np.ndarray], least: float) -> float:
    """Return the threshold at which the scenes give ALARMS a scene, or the one that loses a hundredth of the faces if higher.

    Between the two lies room that the validation part cannot judge; its middle is taken.

    Args:
        scan: the detector at the threshold `least`.
    """
    alarms = np.sort([one.score for scene in scenes for one in scan(scene)])[::-1]
    allowed = int(ALARMS * len(scenes))
    quiet = float(alarms[allowed]) + 1e-4 if len(alarms) > allowed else least
    best = [max((one.score for one in scan(face) if is_the_person(one)), default=-1.0) for face in faces]
    sure = float(np.quantile(best, 0.01))
    return (quiet + sure) / 2 if sure > quiet else quiet


def _features(hog: cv2.HOGDescriptor, window: np.ndarray) -> np.ndarray:
    return np.ravel(hog.compute(window))


def _cut(grey: np.ndarray, box: Sequence[float] | np.ndarray) -> np.ndarray:
    left, top, side = box[0], box[1], box[2]
    scale = WINDOW / side
    matrix = np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])
    return cv2.warpAffine(grey, matrix, (WINDOW, WINDOW), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def _grey(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)


def _windows(place: Place, rng: np.random.Generator) -> list[np.ndarray]:
    """Return the face's window and a shifted, resized, mirrored one: a scan meets faces between its steps."""
    grey, (left, top, side, _) = _grey(place.picture), square_of(place.landmarks)
    grown = side * float(np.exp(rng.uniform(-0.06, 0.06)))
    moved = rng.uniform(-0.05, 0.05, 2) * side - (grown - side) / 2
    other = _cut(grey, (left + moved[0], top + moved[1], grown))
    return [_cut(grey, (left, top, side)), np.ascontiguousarray(other[:, ::-1])]


def _random_windows(scene: np.ndarray, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    grey = _grey(scene)
    found = []
    for _ in range(count):
        side = rng.uniform(0.25, 1.0) * min(grey.shape)
        left, top = rng.uniform(0, grey.shape[1] - side), rng.uniform(0, grey.shape[0] - side)
        found.append(_cut(grey, (left, top, side)))
    return found


def _beside(place: Place, rng: np.random.Generator) -> list[np.ndarray]:
    """Return two windows of a picture with a face that do not show it whole: shoulders, hair, half faces."""
    grey, face = _grey(place.picture), np.array(square_of(place.landmarks))
    found = []
    for _ in range(20):
        side = rng.uniform(0.25, 0.9) * min(grey.shape)
        box = np.array([rng.uniform(0, grey.shape[1] - side), rng.uniform(0, grey.shape[0] - side), side, side])
        if overlap(box, face[None])[0] < 0.3:
            found.append(_cut(grey, box))
        if len(found) == 2:
            break
    return found


def _mined(scan: Hog, scenes: Sequence[np.ndarray], faces: Sequence[Place], hog: cv2.HOGDescriptor) -> np.ndarray:
    """Return the features of windows that the machine takes for faces and that are none."""
    hard = []
    for scene in scenes:
        hard += [_features(hog, _cut(_grey(scene), one.box)) for one in scan(scene)[:20]]
    for place in faces[::3]:
        true = np.array(square_of(place.landmarks))
        for one in scan(place.picture)[:10]:
            if overlap(true, np.array(one.box)[None])[0] < 0.3:
                hard.append(_features(hog, _cut(_grey(place.picture), one.box)))
    return np.stack(hard) if hard else np.zeros((0, 1764), np.float32)
