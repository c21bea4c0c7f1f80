"""The few linear records that a trained network becomes before a file is written: constants inside, nothing to train.

Rules: values have names; each node makes one value from values made before it; shapes are one sample's, NHWC; kernels
are HWIO and (in, out), float32. The first value is `INPUT`: the float32 samples, or, of a network that takes bytes,
`byte - zero`, so that a quantised input needs no operation. fold.py makes graphs, the writers only read them.
"""

from dataclasses import dataclass

import numpy as np

from quintet.layers import Shape

INPUT = "input"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Convolution:
    """Cross-correlation, then max(0, ·) where `relu`; `pads` are ((top, bottom), (left, right)) rows of zeros."""

    kernel: np.ndarray
    bias: np.ndarray
    stride: tuple[int, int]
    pads: tuple[tuple[int, int], tuple[int, int]]
    relu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Product:
    """`x @ kernel + bias`, then max(0, ·) where `relu`."""

    kernel: np.ndarray
    bias: np.ndarray
    relu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Affine:
    """`x * scale + offset`, `(channels,)` each: what could not be folded into a neighbour."""

    scale: np.ndarray
    offset: np.ndarray


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """An activation that stands alone."""

    kind: str
    alpha: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The largest value or the mean of each window, without padding."""

    kind: str
    size: tuple[int, int]
    stride: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalMean:
    """The mean over height and width."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """`(height, width, channels)` to one axis, channels varying fastest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum:
    """The sum of two values, then max(0, ·) where `relu`."""

    relu: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitLength:
    """`x / sqrt(sum(x ** 2) + epsilon)` over the last axis."""

    epsilon: float


Operation = Convolution | Product | Affine | Function | Pool | GlobalMean | Flat | Sum | UnitLength


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One operation: which values it takes and which it makes, with the shapes of one sample."""

    operation: Operation
    inputs: tuple[str, ...]
    output: str
    input_shape: Shape
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Graph:
    """A network ready to be written: nodes in order; `takes_bytes` and `zero` say what the input is."""

    name: str
    input_shape: Shape
    takes_bytes: bool
    zero: int
    nodes: tuple[Node, ...]
    output: str

    @property
    def output_shape(self) -> Shape:
        """One sample's output shape."""
        return self.shape_of(self.output)

    def shape_of(self, value: str) -> Shape:
        """Return one sample's shape of `value`."""
        return next((node.shape for node in self.nodes if node.output == value), self.input_shape)

    def users(self, value: str) -> tuple[Node, ...]:
        """Return the nodes that take `value`."""
        return tuple(node for node in self.nodes if value in node.inputs)
