"""Making the carried detectors again: data, training, measuring, keeping; `quintet faces train-detectors`.

Places of faces come from YuNet on LFW's training people (a teacher); what is reported is measured on people and scenes that no
training has seen: the test parts of quintet_systems.faces.training.splits.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from quintet_systems.faces import defaults
from quintet_systems.faces.data import gallery
from quintet_systems.faces.data.lfw import Lfw
from quintet_systems.faces.engine.cascade import Cascade
from quintet_systems.faces.engine.hog import Hog
from quintet_systems.faces.engine.parts import Detector
from quintet_systems.faces.engine.pipeline import central
from quintet_systems.faces.engine.yunet import YuNet
from quintet_systems.faces.protocols.detection import MIDDLE, Found, found_by, judging_pictures, try_detector
from quintet_systems.faces.training.cascade import train_cascade
from quintet_systems.faces.training.hog_detector import Place, train_hog
from quintet_systems.faces.training.splits import scenes_for, some_for

FACES = {"train": 4000, "validation": 600}
ORIGIN = {
    "licence": "MIT, as Quintet; LFW and the scenes state no licence for what is learnt from them",
    "source": "trained by Quintet: quintet faces train-detectors",
    "trained_on": "LFW's training people, their places given by YuNet, and scenes without faces",
}
OnStage = Callable[[str], None]


def train_detectors(
    data: Path | None,
    work: Path,
    library: str,
    keep_in: Path = defaults.FOLDER,
    seed: int = 1,
    on_stage: OnStage = lambda _: None,
) -> dict[str, Found]:
    """Train both detectors, measure them, keep them in `keep_in`; return what they measured."""
    lfw, scenes = Lfw(data), gallery.negatives(data)
    teacher = _teacher(data)
    on_stage("placing faces")
    places = {part: _places(lfw, teacher, part, seed) for part in ("train", "validation")}
    faces, test_scenes = judging_pictures(data)
    found: dict[str, Found] = {}
    on_stage("hog")
    weights, threshold = train_hog(
        places["train"],
        scenes_for("train", scenes),
        [place.picture for place in places["validation"]],
        scenes_for("validation", scenes),
        seed,
    )
    found["hog"] = _kept(
        "hog", {"weights": weights}, {"threshold": threshold}, Hog(weights, threshold), faces, test_scenes, keep_in
    )
    nets, thresholds = train_cascade(
        places["train"],
        scenes_for("train", scenes),
        places["validation"],
        scenes_for("validation", scenes),
        work,
        library,
        seed,
        on_stage,
    )
    arrays = {f"{name}.{key}": value for name, bundle in nets.items() for key, value in bundle.weights.items()}
    found["cascade"] = _kept(
        "cascade", arrays, {"thresholds": asdict(thresholds)}, Cascade(nets, thresholds), faces, test_scenes, keep_in
    )
    return found


def _kept(
    name: str,
    arrays: Mapping[str, np.ndarray],
    own: Mapping[str, Any],
    detector: Detector,
    faces: Sequence[np.ndarray],
    scenes: Sequence[np.ndarray],
    folder: Path,
) -> Found:
    measured = found_by(try_detector(detector, faces, scenes))
    card = {"name": name, "kind": "detector", **ORIGIN, **own, "measured": measured.told(), "figures": asdict(measured)}
    defaults.keep(name, arrays, card, folder)
    return measured


def _teacher(data: Path | None) -> YuNet:
    from quintet_systems.faces.catalogue import model

    return YuNet(model("yunet").path(data))


def _places(lfw: Lfw, teacher: YuNet, part: str, seed: int) -> list[Place]:
    found = []
    for name in some_for(part, lfw.names(), FACES[part], seed):
        picture = lfw.archive.read(lfw.members[name])
        face = central(teacher(picture), (round(2 * MIDDLE[0]), round(2 * MIDDLE[1])))
        if face and face.landmarks is not None:
            found.append(Place(picture=picture, landmarks=face.landmarks))
    return found
