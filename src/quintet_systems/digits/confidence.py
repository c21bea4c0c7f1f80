"""How sure: calibrated probabilities over several views of one digit, and their agreement.

A digit is shown to the predictor as it is, turned a little both ways, set upright, and half upright. Probabilities are
softmax of logits divided by a temperature (Guo et al. 2017), averaged over the views. They tell digits apart; whether
a mark is a digit at all they do not tell: see `shape.py` and `familiarity.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import softmax

from quintet.errors import DataError
from quintet_systems.digits.normalise import enlarged, normalise, trimmed
from quintet_systems.digits.straighten import shear, slant, turn

VIEWS = 5
_TURN_DEGREES = 7.0


class Predictor(Protocol):
    """What reads one digit: images uint8 `(n, size, size, 1)`, white on black, to logits float `(n, 10)`."""

    def __call__(self, images: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Opinion:
    """What the predictor makes of one crop: probabilities `(10,)`, the share of views that agree, and the views.

    `shown` is uint8 `(VIEWS, size, size, 1)`.
    """

    probabilities: np.ndarray
    agreement: float
    shown: np.ndarray

    @property
    def digit(self) -> int:
        return int(self.probabilities.argmax())

    @property
    def probability(self) -> float:
        return float(self.probabilities.max())


def views(crop: np.ndarray, size: int) -> np.ndarray:
    """Return the views of a crop, uint8 `(height, width)`, white on black, as uint8 `(VIEWS, size, size, 1)`."""
    tight = trimmed(crop)
    if tight is None:
        return np.zeros((VIEWS, size, size, 1), np.uint8)
    digit = np.pad(enlarged(tight), 2)
    lean = slant(digit)
    shown = (
        digit,
        turn(digit, _TURN_DEGREES),
        turn(digit, -_TURN_DEGREES),
        shear(digit, lean),
        shear(digit, lean / 2),
    )
    return np.stack([normalise(view, size) for view in shown])


def opinions(crops: Sequence[np.ndarray], predict: Predictor, size: int, temperature: float) -> list[Opinion]:
    """Return what the predictor makes of each crop, asked once for all of them.

    Raises DataError where it does not answer with finite logits `(n, 10)`.
    """
    if not crops:
        return []
    shown = np.stack([views(crop, size) for crop in crops])
    logits = np.asarray(predict(shown.reshape(-1, size, size, 1)), dtype=np.float64)
    if logits.shape != (len(crops) * VIEWS, 10) or not np.isfinite(logits).all():
        raise DataError(
            f"the predictor answered {logits.shape} logits, expected finite ones ({len(crops) * VIEWS}, 10); "
            "give one that was trained on digits"
        )
    logits = logits.reshape(len(crops), VIEWS, 10)
    mean = softmax(logits / temperature, axis=2).mean(axis=1)
    agreement = (logits.argmax(axis=2) == mean.argmax(axis=1)[:, None]).mean(axis=1)
    return [
        Opinion(probabilities=p, agreement=float(a), shown=v) for p, a, v in zip(mean, agreement, shown, strict=True)
    ]
