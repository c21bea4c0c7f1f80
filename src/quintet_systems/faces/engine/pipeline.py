"""Detect, align, judge the quality, embed; every stage timed."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from quintet_systems.faces.engine.align import align_all
from quintet_systems.faces.engine.face import Detection, Face
from quintet_systems.faces.engine.parts import Detector, Embedder
from quintet_systems.faces.engine.quality import REASONS, judge_quality

STAGES = ("detect", "align", "quality", "embed")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Seen:
    """What the engine saw in a picture: the faces, the surest first, and the milliseconds of each stage."""

    faces: tuple[Face, ...]
    stage_ms: dict[str, float]


class Engine:
    """One detector and one embedder."""

    def __init__(self, detector: Detector, embedder: Embedder) -> None:
        self.detector, self.embedder = detector, embedder

    def __call__(self, picture: np.ndarray, most: int | None = None) -> Seen:
        """Return the faces of `picture`, `uint8` `(height, width, 3)`; `most`: only so many, the surest."""
        marks = [time.perf_counter()]

        def mark() -> None:
            marks.append(time.perf_counter())

        found = list(self.detector(picture))[:most]
        mark()
        crops = align_all(picture, found)
        mark()
        qualities = [judge_quality(picture, one, crop) for one, crop in zip(found, crops, strict=True)]
        mark()
        embeddings = self.embedder(crops) if found else np.zeros((0, 1), np.float32)
        mark()
        faces = tuple(
            Face(detection=d, quality=q, crop=c, embedding=e)
            for d, q, c, e in zip(found, qualities, crops, embeddings, strict=True)
        )
        spans = (1000 * (after - before) for before, after in pairwise(marks))
        return Seen(faces=faces, stage_ms=dict(zip(STAGES, spans, strict=True)))


def by_prominence(faces: Sequence[Face]) -> list[Face]:
    """Return a picture's faces, the one meant first: of those that the picture's edge does not cut off the largest."""
    cut = REASONS["MarginOfTheCrop"]
    return sorted(faces, key=lambda one: (cut in one.quality.reasons, -one.detection.box[2] * one.detection.box[3]))


def central(found: Sequence[Detection], size: tuple[int, int]) -> Detection | None:
    """Return the face nearest to the middle of a picture of `size` (width, height): in LFW, the person named."""
    middle = np.array(size) / 2
    return min(found, key=lambda one: float(np.hypot(*(np.array(one.centre()) - middle))), default=None)
