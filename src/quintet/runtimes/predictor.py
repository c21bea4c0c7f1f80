"""The one method that a runtime has, and what every runtime asks of its samples."""

from typing import Protocol

import numpy as np

from quintet.errors import NetworkError


class Predictor(Protocol):
    """Anything that turns samples into outputs."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return the outputs `(batch, …)`, float32, of samples `(batch, height, width, channels)` or `(batch, features)`.

        A network that begins with Rescale takes uint8, another float32. Raises NetworkError for another shape or dtype.
        """
        ...


def check(x: np.ndarray, shape: tuple[int, ...], takes_bytes: bool) -> np.ndarray:
    """Return `x`, `(batch, *shape)`, in the dtype that the network takes; floats of any width become float32.

    Raises:
        NetworkError: another shape, or floats where bytes are expected.
    """
    wanted = np.dtype(np.uint8 if takes_bytes else np.float32)
    if x.shape[1:] != shape or (x.dtype != wanted and (takes_bytes or x.dtype.kind not in "fiu")):
        raise NetworkError(
            f"received samples of shape {x.shape}, {x.dtype}; expected (batch, {', '.join(map(str, shape))}), {wanted};"
            " bring them to the network's shape first, one sample as x[None]"
        )
    return x if x.dtype == wanted else x.astype(wanted)
