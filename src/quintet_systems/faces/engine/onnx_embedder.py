"""An embedder of the catalogue: any ONNX file that turns an aligned face into a vector, run by onnxruntime."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from quintet.errors import BundleError, DataError
from quintet.runtimes.onnxruntime import session
from quintet_systems.faces.engine.face import CROP

FEATURES = (16, 4096)
TINY = 1e-12


class OnnxEmbedder:
    """One file; see Embedder.

    Args:
        mean, deviation: of each channel, in grey levels: the net takes (crop - mean) / deviation, channels first.
        order: "RGB" or "BGR".
        mirrored: add the embedding of the mirrored face, at twice the cost.
    """

    def __init__(
        self,
        model: Path,
        *,
        name: str,
        mean: tuple[float, ...],
        deviation: tuple[float, ...],
        order: str = "RGB",
        mirrored: bool = True,
        threads: int = 1,
        card: Mapping[str, Any],
    ) -> None:
        self.name, self.card = name, card
        self._mean, self._deviation = np.array(mean, np.float32), np.array(deviation, np.float32)
        self._reversed, self._mirrored = order == "BGR", mirrored
        try:
            content = model.read_bytes()
            self.size_bytes = len(content)
            self._session = session(content, threads, spinning=False)
        except OSError as error:
            raise DataError(f"{model}: cannot be read ({error.strerror}); name an ONNX file") from None
        except BundleError as error:
            raise DataError(f"{model}: {error}") from None
        taken, given = self._session.get_inputs(), self._session.get_outputs()
        shape = list(taken[0].shape) if len(taken) == 1 else []
        if len(shape) != 4 or shape[1:] != [3, CROP, CROP] or taken[0].type != "tensor(float)" or not given:
            asks = ", ".join(f"{one.type} {one.shape}" for one in taken)
            raise DataError(
                f"{model.name}: received an ONNX file that takes {asks}, expected a face embedder that takes float"
                f" (n, 3, {CROP}, {CROP}); name another file"
            )
        self._batches = not isinstance(shape[0], int)
        self._input = taken[0].name
        received = self._run(np.zeros((1, 3, CROP, CROP), np.float32))
        if received.ndim != 2 or not FEATURES[0] <= received.shape[1] <= FEATURES[1]:
            raise DataError(
                f"{model.name}: received an ONNX file that gives {received.shape}, expected a face embedder that gives"
                f" (n, features) with {FEATURES[0]} to {FEATURES[1]} features; name another file"
            )

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return `(n, features)`, of length 1."""
        x = crops[..., ::-1] if self._reversed else crops
        x = ((x.astype(np.float32) - self._mean) / self._deviation).transpose(0, 3, 1, 2)
        y = self._run(np.ascontiguousarray(x))
        if self._mirrored:
            y = y + self._run(np.ascontiguousarray(x[..., ::-1]))
        return (y / np.maximum(np.linalg.norm(y, axis=1, keepdims=True), TINY)).astype(np.float32)

    def _run(self, x: np.ndarray) -> np.ndarray:
        pieces = [x] if self._batches else list(x[:, None])
        return np.concatenate([np.asarray(self._session.run(None, {self._input: piece})[0]) for piece in pieces])
