"""The one method that a runtime has."""

from typing import Protocol

import numpy as np


class Predictor(Protocol):
    """Anything that turns samples into outputs."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(batch, …)`, float32, of samples `(batch, height, width, channels)` or `(batch, features)`."""
        ...
