"""Face models that Quintet knows: licence, source, checksum and where their training data came from; none is shipped.

A model's file is found in QUINTET_DATA (folder face-models) or in the cache; it is opened only if its checksum is right.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from quintet.errors import DataError, nearest
from quintet_systems.faces.data.archive import find

FOLDER = "face-models"
THRESHOLD_OF = "reached by 1 in 1,000 pairs of two people in LFW's View 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model of the catalogue. `settings` are what its embedder or detector needs besides the file.

    `threshold` is the cosine that THRESHOLD_OF says, with YuNet's landmarks; `measured` is what Quintet measured of it.
    """

    name: str
    kind: Literal["detector", "embedder"]
    file: str
    sha256: str
    licence: str
    source: str
    trained_on: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    threshold: float | None = None
    measured: str | None = None

    def card(self) -> dict[str, Any]:
        """Return what reports say of it."""
        keys = ("name", "kind", "file", "sha256", "licence", "source", "trained_on")
        own = {key: getattr(self, key) for key in keys}
        if self.measured:
            own["measured"] = self.measured
        return own if self.threshold is None else {**own, "threshold": self.threshold, "threshold_of": THRESHOLD_OF}

    def path(self, data: Path | None = None) -> Path:
        """Return where its file lies, its checksum checked. Raises DataError where it is nowhere, or is another file."""
        return find(FOLDER, self.file, self.sha256, data, self.source)


MODELS = {
    model.name: model
    for model in (
        Model(
            name="yunet",
            kind="detector",
            file="face_detection_yunet_2023mar.onnx",
            sha256="8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
            licence="MIT (opencv_zoo); Apache-2.0 in the training repository",
            source="github.com/opencv/opencv_zoo, models/face_detection_yunet",
            trained_on="WIDER FACE",
            measured="99.87 % of 1,500 faces of LFW found, 0.021 false alarms a scene (146 scenes)",
        ),
        Model(
            name="mobilefacenet",
            kind="embedder",
            file="MobileFaceNet.onnx",
            sha256="b7120c095d60094f28a4a54ba6a8bf51b297a6273fb40ef6350dfec1f63d9507",
            licence="Apache-2.0",
            source="github.com/foamliu/MobileFaceNet, weights",
            trained_on="a refined MS-Celeb-1M, a set of people who were not asked, which its maker has withdrawn",
            threshold=0.336,
            measured="99.30 % of 6,000 pairs of LFW's View 2, with yunet",
            settings={"mean": (123.675, 116.28, 103.53), "deviation": (58.395, 57.12, 57.375)},
        ),
        Model(
            name="sface",
            kind="embedder",
            file="face_recognition_sface_2021dec.onnx",
            sha256="0ba9fbfa01b5270c96627c4ef784da859931e02f04419c829e83484087c34e79",
            licence="Apache-2.0 (opencv_zoo)",
            source="github.com/opencv/opencv_zoo, models/face_recognition_sface",
            trained_on="not stated by opencv_zoo",
            settings={"mean": (0.0, 0.0, 0.0), "deviation": (1.0, 1.0, 1.0)},
        ),
    )
}


def model(name: str) -> Model:
    """Return the model called `name`. Raises DataError, with the nearest name, for an unknown one."""
    if name not in MODELS:
        raise DataError(f'there is no face model "{name}"; {nearest(name, MODELS)}')
    return MODELS[name]
