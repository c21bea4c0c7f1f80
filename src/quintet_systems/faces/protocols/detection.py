"""How well detectors find faces: recall on LFW, false alarms on scenes without faces, milliseconds a picture.

LFW's pictures have one person in the middle, but no boxes. Since deep-funneling aligns all pictures, the face is near the middle
of each and about as large as in the others: a detection counts if its centre lies within NEAR of the middle and its side within
a factor of SIZE of the usual one. No detector's own answers have a part in this.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from quintet.statistics import Interval, binomial_interval
from quintet_systems.faces.engine.face import Detection
from quintet_systems.faces.engine.parts import Detector

MIDDLE, USUAL_SIDE = (93.0, 95.0), 92.0  # pixels of the 176x176 crop, which begins at (32, 32) of the 250x250 picture
NEAR, SIZE = 0.35, 1.8
OnPicture = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a detector came to. `false_alarms` is per picture without a face."""

    detector: str
    recall: float
    recall_interval: Interval
    n_faces: int
    false_alarms: float
    pictures_with_alarm: Interval
    n_scenes: int
    p50_ms: float
    p95_ms: float


def measure_detector(
    detector: Detector,
    faces: Sequence[np.ndarray],
    scenes: Sequence[np.ndarray],
    on_picture: OnPicture = lambda *_: None,
) -> Found:
    """Return recall on `faces`, LFW's 176x176 crops, and false alarms on `scenes`; times are of the faces' pictures."""
    total = len(faces) + len(scenes)
    hits, times = 0, []
    for count, picture in enumerate(faces, 1):
        begun = time.perf_counter()
        found = detector(picture)
        times.append(1000 * (time.perf_counter() - begun))
        hits += any(map(is_the_person, found))
        on_picture(count, total)
    alarms = []
    for count, picture in enumerate(scenes, 1):
        alarms.append(len(detector(picture)))
        on_picture(len(faces) + count, total)
    return Found(
        detector=detector.name,
        recall=hits / len(faces),
        recall_interval=binomial_interval(hits, len(faces)),
        n_faces=len(faces),
        false_alarms=float(np.mean(alarms)),
        pictures_with_alarm=binomial_interval(sum(n > 0 for n in alarms), len(scenes)),
        n_scenes=len(scenes),
        p50_ms=float(np.percentile(times, 50)),
        p95_ms=float(np.percentile(times, 95)),
    )


def is_the_person(found: Detection) -> bool:
    """Tell whether a detection in LFW's 176x176 crop is the person in its middle."""
    side = float(np.sqrt(max(found.box[2] * found.box[3], 1e-9)))
    away = float(np.hypot(*(np.array(found.centre()) - MIDDLE)))
    return away <= NEAR * USUAL_SIDE and 1 / SIZE <= side / USUAL_SIDE <= SIZE
