"""From a picture to a label, or to "unsure": a bundle opened with one runtime, its temperature and its reject threshold.

It reads a bundle's small files itself: opening the whole bundle would bring weights and network, which a board needs not.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.decision import probabilities, read_decision
from quintet.errors import BundleError, DataError
from quintet.images import fit, read_image
from quintet.runtimes import Predictor, check_installed, check_setting, chosen, open_predictor, usual

UNSURE = "unsure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A picture's label or "unsure"; `best` and `probability` are of the likeliest class."""

    label: str
    best: str
    probability: float

    @property
    def unsure(self) -> bool:
        return self.label == UNSURE


class Classifier:
    """A bundle that answers.

    Raises:
        BundleError: the bundle lacks a file, or its export is damaged.
        EnvironmentUnavailable: its runtime is not installed.
    """

    def __init__(self, folder: Path, runtime: str = "auto", precision: str = "auto", threads: int = 1) -> None:
        self.folder = folder
        self.runtime, self.precision = choose(folder, runtime, precision)
        card = _json(folder, "bundle.json")
        size = card.get("preprocessing", {})
        try:
            self.labels: Sequence[str] = [str(label) for label in card["labels"]]
            self.shape = (int(size["height"]), int(size["width"]), int(size["channels"]))
            self.model_version = int(card.get("model_version", 0))
        except (KeyError, TypeError, ValueError) as error:
            raise BundleError(
                f"received {folder} whose bundle.json lacks {error}, expected labels and preprocessing; train it again"
            ) from None
        self.decision = read_decision(folder)
        self._predict: Predictor = open_predictor(folder, self.runtime, self.precision, threads)

    def __call__(self, picture: Path | bytes | np.ndarray) -> Verdict:
        """Return the verdict on a file, a file's bytes, or pixels `(height, width, 3)` `uint8` RGB.

        Raises:
            DataError: it is no picture.
        """
        return self.judge(self.prepared(picture))

    def prepared(self, picture: Path | bytes | np.ndarray) -> np.ndarray:
        """Return the picture as the network takes it, `(height, width, channels)` `uint8`."""
        if not isinstance(picture, np.ndarray):
            return read_image(picture, self.shape)
        from PIL import Image

        return fit(Image.fromarray(picture), self.shape)

    def judge(self, sample: np.ndarray) -> Verdict:
        """Return the verdict on one sample, `(height, width, channels)` `uint8`."""
        share = probabilities(self.outputs(sample[None]), self.decision.temperature)[0]
        if share.shape != (len(self.labels),):
            raise BundleError(
                f"received {len(share)} outputs for {len(self.labels)} labels from {self.folder}; train or copy it again"
            )
        best = int(share.argmax())
        probability = float(share[best])
        sure = probability >= self.decision.threshold
        return Verdict(
            label=self.labels[best] if sure else UNSURE, best=self.labels[best], probability=round(probability, 4)
        )

    def outputs(self, x: np.ndarray) -> np.ndarray:
        """Return the network's outputs, `(batch, classes)` `float32`, of `(batch, height, width, channels)` `uint8`.

        Raises:
            DataError: they are not finite.
        """
        out = self._predict(x)
        if not np.isfinite(out).all():
            raise DataError("received outputs that are not finite, expected numbers; use another bundle or runtime")
        return out


def choose(folder: Path, runtime: str, precision: str) -> tuple[str, str]:
    """Return the runtime and precision to open `folder` with; "auto" for both: what `quintet profile` found fastest here.

    Raises:
        BundleError: nothing fits.
        EnvironmentUnavailable: the runtime is not installed.
    """
    check_setting(runtime, precision)
    check_installed(runtime)
    if runtime == precision == "auto":
        found = chosen(folder)
    else:
        found = usual(folder, None if runtime == "auto" else runtime, None if precision == "auto" else precision)
    return found.runtime, found.precision


def _json(folder: Path, name: str) -> Mapping[str, Any]:
    try:
        record = json.loads((folder / name).read_bytes())
    except OSError as error:
        raise BundleError(f"received {folder} without {name} ({error.strerror}), expected a bundle's folder") from None
    except ValueError as error:
        raise BundleError(f"received {folder} whose {name} is damaged ({error}); copy it again") from None
    if not isinstance(record, dict):
        raise BundleError(f"received {folder} whose {name} is no record; copy it again")
    return record
