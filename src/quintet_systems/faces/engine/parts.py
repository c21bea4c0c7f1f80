"""The engine's boundaries. Each has several forms; the fakes are in tests/unit/test_faces_engine.py."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from quintet_systems.faces.engine.face import Detection


class Detector(Protocol):
    """Finds faces in a picture."""

    name: str

    def __call__(self, picture: np.ndarray) -> Sequence[Detection]:
        """Return the faces of `picture`, `uint8` `(height, width, 3)`, the surest first."""
        ...


class Embedder(Protocol):
    """Turns aligned faces into vectors whose cosine says how alike two faces are.

    `card` says where it comes from: source, licence, provenance, sha256, and what it measured, for the command line and reports;
    `size_bytes` is the size of what was learnt.
    """

    @property
    def name(self) -> str: ...

    @property
    def card(self) -> Mapping[str, Any]: ...

    @property
    def size_bytes(self) -> int: ...

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """Return `(n, features)` `float32` of length 1 for `crops`, `uint8` `(n, 112, 112, 3)`."""
        ...
