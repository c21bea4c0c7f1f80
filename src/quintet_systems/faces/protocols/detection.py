"""How well detectors find faces: recall on LFW, false alarms on scenes without faces, milliseconds a picture.

LFW's pictures have one person in the middle, but no boxes. Since deep-funneling aligns all pictures, the face is near the middle
of each and about as large as in the others: a detection counts if its centre lies within NEAR of the middle and its side within
a factor of SIZE of the usual one. No detector's own answers have a part in this. For the same reason a mask or a scarf is put
where the face usually is.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from quintet.statistics import (
    Interval,
    binomial_interval,
    difference_of_accuracies_on_one_test_set,
    paired_p_value,
)
from quintet_systems.faces.conditions import CONDITIONS, LEVELS, Condition
from quintet_systems.faces.data import gallery
from quintet_systems.faces.data.lfw import Lfw
from quintet_systems.faces.engine.boxes import FACE_CENTRE, FACE_SIDE
from quintet_systems.faces.engine.face import CROP, Detection
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.training.splits import scenes_for, some_for

MIDDLE, USUAL_SIDE = (93.0, 95.0), 92.0  # pixels of the 176x176 crop, which begins at (32, 32) of the 250x250 picture
NEAR, SIZE = 0.35, 1.8
SCALE = USUAL_SIDE / FACE_SIDE  # picture pixels in one of an aligned crop
USUAL_PLACE = np.array([[SCALE, 0, MIDDLE[0] - SCALE * FACE_CENTRE[0]], [0, SCALE, MIDDLE[1] - SCALE * FACE_CENTRE[1]]])
FACES, UNDER_CONDITIONS = 1500, 200
ALPHA = 0.05
CASCADE = "A cascade of CNNs improves detection."
OnPicture = Callable[[int, int], None]
Hits = Mapping[tuple[str, int], np.ndarray]  # by condition and level: whether each face was found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """One detector on every picture: whether the face was found `(faces,)`, alarms `(scenes,)`, milliseconds `(faces,)`."""

    detector: str
    hits: np.ndarray
    alarms: np.ndarray
    times_ms: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a detector came to. `false_alarms` is per picture without a face."""

    detector: str
    recall: float
    recall_interval: Interval
    n_faces: int
    false_alarms: float
    with_alarm: float
    with_alarm_interval: Interval
    n_scenes: int
    p50_ms: float
    p95_ms: float

    def told(self) -> str:
        """Return recall and false alarms as words."""
        return (
            f"{100 * self.recall:.2f} % of {self.n_faces:,} faces of LFW found, {self.false_alarms:.3f} false alarms a scene"
            f" ({self.n_scenes} scenes)"
        )


def judging_pictures(data: Path | None = None) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return FACES of LFW's pictures, and the scenes, that no detector of Quintet's learnt from or was tuned on."""
    lfw = Lfw(data)
    names = some_for("test", lfw.names(), FACES)
    return [lfw.archive.read(lfw.members[name]) for name in names], scenes_for("test", gallery.negatives(data))


def try_detector(
    detector: Detector,
    faces: Sequence[np.ndarray],
    scenes: Sequence[np.ndarray],
    on_picture: OnPicture = lambda *_: None,
) -> Trial:
    """Return what a detector does on `faces`, LFW's 176x176 crops, and on `scenes` without faces."""
    total = len(faces) + len(scenes)
    hits, times, alarms = [], [], []
    for count, picture in enumerate(faces, 1):
        begun = time.perf_counter()
        found = detector(picture)
        times.append(1000 * (time.perf_counter() - begun))
        hits.append(any(map(is_the_person, found)))
        on_picture(count, total)
    for count, picture in enumerate(scenes, len(faces) + 1):
        alarms.append(len(detector(picture)))
        on_picture(count, total)
    return Trial(detector=detector.name, hits=np.array(hits), alarms=np.array(alarms), times_ms=np.array(times))


def found_by(trial: Trial) -> Found:
    """Return recall, false alarms and times of a trial."""
    n_faces, n_scenes = len(trial.hits), len(trial.alarms)
    return Found(
        detector=trial.detector,
        recall=float(trial.hits.mean()),
        recall_interval=binomial_interval(int(trial.hits.sum()), n_faces),
        n_faces=n_faces,
        false_alarms=float(trial.alarms.mean()),
        with_alarm=float((trial.alarms > 0).mean()),
        with_alarm_interval=binomial_interval(int((trial.alarms > 0).sum()), n_scenes),
        n_scenes=n_scenes,
        p50_ms=float(np.percentile(trial.times_ms, 50)),
        p95_ms=float(np.percentile(trial.times_ms, 95)),
    )


def try_under(
    detector: Detector,
    faces: Sequence[np.ndarray],
    conditions: Sequence[str],
    on_picture: OnPicture = lambda *_: None,
) -> Hits:
    """Return whether each of `faces` was found `(faces,)`, by condition and level; all but pose, which cannot be drawn in."""
    cells = [(name, level) for name in conditions if CONDITIONS[name].of != "pose" for level in LEVELS]
    hits = {}
    for count, (name, level) in enumerate(cells, 1):
        shown = [changed(face, CONDITIONS[name], level, seed) for seed, face in enumerate(faces)]
        hits[name, level] = np.array([any(map(is_the_person, detector(one))) for one in shown])
        on_picture(count, len(cells))
    return hits


def changed(picture: np.ndarray, condition: Condition, level: int, seed: int) -> np.ndarray:
    """Return LFW's 176x176 crop under a condition: the whole of it, or the face where it usually is."""
    if condition.everywhere:
        return condition(picture[None], level, seed)[0]
    inverse = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(picture, USUAL_PLACE, (CROP, CROP), flags=inverse, borderMode=cv2.BORDER_REPLICATE)
    made = condition(crop[None], level, seed)[0]
    size = (picture.shape[1], picture.shape[0])
    differs = cv2.warpAffine((made != crop).any(2).astype(np.uint8), USUAL_PLACE, size, flags=cv2.INTER_NEAREST)
    return np.where(differs[..., None] > 0, cv2.warpAffine(made, USUAL_PLACE, size), picture)


def judge_cascade(cascade: Trial, other: Trial, under: tuple[Hits, Hits] = ({}, {})) -> str:
    """Say what becomes of the survey's claim against another detector, on the same pictures.

    Asked are the faces found, the scenes without an alarm (each by McNemar's exact test), and, where `under` has the hits of both
    under conditions, each face's share of conditions in which it was found, paired. Reproduced: the cascade is shown to be better
    in one, and worse in none. Each at the level of ALPHA divided by the questions.
    """
    faces = difference_of_accuracies_on_one_test_set(cascade.hits, other.hits)
    quiet = difference_of_accuracies_on_one_test_set(cascade.alarms == 0, other.alarms == 0)
    asked = [(faces.difference, faces.p_value), (quiet.difference, quiet.p_value)]
    figures = (
        f"recall {100 * cascade.hits.mean():.2f} against {100 * other.hits.mean():.2f} % of {len(other.hits):,} faces"
        f" (p {faces.p_value:.3g}), scenes without an alarm {100 * (cascade.alarms == 0).mean():.1f} against"
        f" {100 * (other.alarms == 0).mean():.1f} % of {len(other.alarms):,} (p {quiet.p_value:.3g})"
    )
    own, others = (np.mean(list(hits.values()), axis=0) if hits else np.zeros(0) for hits in under)
    if own.size and (p_value := paired_p_value(own - others)) is not None:
        asked.append((float((own - others).mean()), p_value))
        figures += (
            f", recall under the conditions {100 * own.mean():.1f} against {100 * others.mean():.1f} % of {len(own)} faces"
            f" (p {p_value:.3g})"
        )
    shown = [difference for difference, p_value in asked if p_value <= ALPHA / len(asked)]
    word = "cannot be told" if not shown else "reproduced" if min(shown) > 0 else "not reproduced"
    return f'"{CASCADE}" Against {other.detector}: {word}; {figures}.'


def is_the_person(found: Detection) -> bool:
    """Tell whether a detection in LFW's 176x176 crop is the person in its middle."""
    side = float(np.sqrt(max(found.box[2] * found.box[3], 1e-9)))
    away = float(np.hypot(*(np.array(found.centre()) - MIDDLE)))
    return away <= NEAR * USUAL_SIDE and 1 / SIZE <= side / USUAL_SIDE <= SIZE
