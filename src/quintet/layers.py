"""The layer vocabulary: what a network may be made of, free of any library.

Rules: arrays are NHWC, kernels HWIO, dense kernels (in, out). "same" padding is TensorFlow's: the output has
ceil(input / stride) places and an odd surplus goes to the bottom and the right. Each record knows the shape it
gives and the parameters it holds; nothing here computes.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

from quintet.errors import NetworkError, nearest

Shape = tuple[int, ...]

ACTIVATIONS = (
    "relu", "tanh", "elu", "sigmoid", "softplus", "softsign",
    "leaky_relu", "selu", "gelu", "silu", "mish",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One array that a network holds: its canonical shape, and what initial weights need to know of it."""

    name: str
    shape: Shape
    role: Literal["kernel", "bias", "scale", "offset", "mean", "variance"]
    fan_in: int = 0
    fan_out: int = 0

    @property
    def trainable(self) -> bool:
        """Running statistics are kept, not trained."""
        return self.role not in ("mean", "variance")


class ShapeMismatch(ValueError):
    """A layer's own complaint; Net adds the layer's name and raises NetworkError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescale:
    """`y = x * scale + offset`, one number or one per channel; it turns stored bytes into floats, so it comes first."""

    scale: float | tuple[float, ...] = 1.0
    offset: float | tuple[float, ...] = 0.0
    prefix: ClassVar[str] = "rescale"

    def output_shape(self, shape: Shape) -> Shape:
        for value in (self.scale, self.offset):
            if isinstance(value, tuple) and len(value) != shape[-1]:
                raise ShapeMismatch(f"{len(value)} numbers for an input of shape {shape}, expected {shape[-1]}")
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv:
    """Two-dimensional cross-correlation; kernel `(height, width, in, filters)`."""

    filters: int
    kernel: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    padding: Literal["same", "valid"] = "same"
    bias: bool = True
    prefix: ClassVar[str] = "conv"

    def output_shape(self, shape: Shape) -> Shape:
        if self.filters < 1:
            raise ShapeMismatch(f"{self.filters} filters, expected at least 1")
        height, width = windows(shape, self.kernel, self.stride, self.padding)
        return (height, width, self.filters)

    def parameters(self, name: str, shape: Shape) -> Iterator[Parameter]:
        area = self.kernel[0] * self.kernel[1]
        yield Parameter(
            name=f"{name}.kernel",
            shape=(*self.kernel, shape[-1], self.filters),
            role="kernel",
            fan_in=area * shape[-1],
            fan_out=area * self.filters,
        )
        if self.bias:
            yield Parameter(name=f"{name}.bias", shape=(self.filters,), role="bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense:
    """`y = x @ kernel + bias`; kernel `(in, units)`."""

    units: int
    bias: bool = True
    prefix: ClassVar[str] = "dense"

    def output_shape(self, shape: Shape) -> Shape:
        if len(shape) != 1:
            raise ShapeMismatch(
                f"input of shape {shape}, expected (features,) to give ({self.units},);"
                " put Flatten() or GlobalAveragePool() before it"
            )
        if self.units < 1:
            raise ShapeMismatch(f"{self.units} units, expected at least 1")
        return (self.units,)

    def parameters(self, name: str, shape: Shape) -> Iterator[Parameter]:
        yield Parameter(
            name=f"{name}.kernel", shape=(shape[0], self.units), role="kernel", fan_in=shape[0], fan_out=self.units
        )
        if self.bias:
            yield Parameter(name=f"{name}.bias", shape=(self.units,), role="bias")


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """An elementwise function. `alpha` is elu's scale (default 1) and leaky_relu's slope (default 0.01); gelu is exact."""

    kind: str
    alpha: float | None = None
    prefix: ClassVar[str] = "activation"

    def __post_init__(self) -> None:
        if self.kind not in ACTIVATIONS:
            raise NetworkError(f'received activation "{self.kind}", {nearest(self.kind, ACTIVATIONS)}')
        if self.alpha is not None and self.kind not in ("elu", "leaky_relu"):
            raise NetworkError(
                f"received alpha={self.alpha} for {self.kind}; only elu and leaky_relu have one: leave it out"
            )
        if self.alpha is None and self.kind in ("elu", "leaky_relu"):
            object.__setattr__(self, "alpha", 1.0 if self.kind == "elu" else 0.01)

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool:
    """The largest value of each window, without padding; `stride` is `size` unless given."""

    size: tuple[int, int] = (2, 2)
    stride: tuple[int, int] | None = None
    prefix: ClassVar[str] = "max_pool"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", self.stride or self.size)

    def output_shape(self, shape: Shape) -> Shape:
        return (*windows(shape, self.size, self.stride or self.size, "valid"), shape[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class AveragePool:
    """The mean of each window, without padding; `stride` is `size` unless given."""

    size: tuple[int, int] = (2, 2)
    stride: tuple[int, int] | None = None
    prefix: ClassVar[str] = "average_pool"

    def __post_init__(self) -> None:
        object.__setattr__(self, "stride", self.stride or self.size)

    def output_shape(self, shape: Shape) -> Shape:
        return (*windows(shape, self.size, self.stride or self.size, "valid"), shape[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class GlobalAveragePool:
    """The mean over height and width: `(height, width, channels)` to `(channels,)`."""

    prefix: ClassVar[str] = "global_average_pool"

    def output_shape(self, shape: Shape) -> Shape:
        spatial(shape)
        return (shape[-1],)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchNorm:
    """Normalise each channel over the batch (Ioffe & Szegedy 2015), population variance throughout.

    `momentum` is the share of the old running value that is kept (Keras's sense; PyTorch's is one minus it).
    """

    momentum: float = 0.9
    epsilon: float = 1e-3
    prefix: ClassVar[str] = "bn"

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def parameters(self, name: str, shape: Shape) -> Iterator[Parameter]:
        for role in ("scale", "offset", "mean", "variance"):
            yield Parameter(name=f"{name}.{role}", shape=(shape[-1],), role=role)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropout:
    """Zero each value with probability `rate` in training and divide the rest by `1 - rate`; masks come with the batch."""

    rate: float
    prefix: ClassVar[str] = "dropout"

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise NetworkError(
                f"received dropout rate {self.rate}, expected 0 <= rate < 1; give the share that is dropped"
            )

    def output_shape(self, shape: Shape) -> Shape:
        return shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Flatten:
    """`(height, width, channels)` to `(height * width * channels,)`, channels varying fastest."""

    prefix: ClassVar[str] = "flatten"

    def output_shape(self, shape: Shape) -> Shape:
        size = 1
        for n in shape:
            size *= n
        return (size,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Residual:
    """`layers(x) + shortcut(x)`; an empty shortcut is the input itself. He et al. 2016."""

    layers: tuple["Layer", ...]
    shortcut: tuple["Layer", ...] = ()
    prefix: ClassVar[str] = "residual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Normalise:
    """Divide each sample's features by their Euclidean length: `x / sqrt(sum(x ** 2) + epsilon)` over the last axis."""

    epsilon: float = 1e-12
    prefix: ClassVar[str] = "normalise"

    def output_shape(self, shape: Shape) -> Shape:
        return shape


Layer = (
    Rescale | Conv | Dense | Activation | MaxPool | AveragePool | GlobalAveragePool
    | BatchNorm | Dropout | Flatten | Residual | Normalise
)  # fmt: skip

LAYER_TYPES: dict[str, type] = {
    "rescale": Rescale,
    "conv": Conv,
    "dense": Dense,
    "activation": Activation,
    "max_pool": MaxPool,
    "average_pool": AveragePool,
    "global_average_pool": GlobalAveragePool,
    "batch_norm": BatchNorm,
    "dropout": Dropout,
    "flatten": Flatten,
    "residual": Residual,
    "normalise": Normalise,
}


def spatial(shape: Shape) -> tuple[int, int]:
    """Return `(height, width)` of an image-shaped input, or complain."""
    if len(shape) != 3:
        raise ShapeMismatch(f"input of shape {shape}, expected (height, width, channels)")
    return shape[0], shape[1]


def windows(shape: Shape, size: tuple[int, int], stride: tuple[int, int], padding: str) -> tuple[int, int]:
    """Return how many windows fit down and across an input of `shape`."""
    if not all(isinstance(pair, tuple) and len(pair) == 2 and min(pair) >= 1 for pair in (size, stride)):
        raise ShapeMismatch(f"window {size} and stride {stride}, expected two positive numbers each, such as (3, 3)")
    counts = []
    for length, window, step in zip(spatial(shape), size, stride, strict=True):
        if padding not in ("same", "valid"):
            raise ShapeMismatch(f'padding "{padding}", {nearest(padding, ("same", "valid"))}')
        count = -(-length // step) if padding == "same" else (length - window) // step + 1
        if count < 1:
            raise ShapeMismatch(f"input of shape {shape}, expected at least {size} for a window of {size}")
        counts.append(count)
    return counts[0], counts[1]


def pads(shape: Shape, conv: Conv) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return `((top, bottom), (left, right))`, the rows and columns of zeros that `conv` adds around its input."""
    if conv.padding == "valid":
        return (0, 0), (0, 0)
    out = []
    for length, window, step in zip(spatial(shape), conv.kernel, conv.stride, strict=True):
        total = max((-(-length // step) - 1) * step + window - length, 0)
        out.append((total // 2, total - total // 2))
    return out[0], out[1]
