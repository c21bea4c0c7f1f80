"""From seen ranges to int8: one plan that every writer follows, so that the three runtimes compute the same grid.

Activations have one scale and one zero for a whole value, written as 0 to 255 (a writer that wants signed bytes
subtracts 128); weights are symmetric int8 with a scale for each output channel, biases int32 of the product's scale.
Jacob et al. 2018 (arXiv 1712.05877) and the LiteRT 8-bit specification. What has no int8 form is computed in float32
between a dequantisation and a quantisation; `has_int8` says which.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quintet.errors import NetworkError
from quintet.export.graph import (
    INPUT,
    Convolution,
    Flat,
    Function,
    GlobalMean,
    Graph,
    Node,
    Operation,
    Pool,
    Product,
    Sum,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a byte stands for: `scale * (byte - zero)`, byte and zero 0 to 255."""

    scale: float
    zero: int


NOTHING = 1e-9  # a range narrower than this is that of a value which is always 0

# Functions whose range is known: no calibration betters these, and LiteRT takes no others.
FIXED = {"sigmoid": Grid(scale=1 / 256, zero=0), "tanh": Grid(scale=1 / 128, zero=128)}
INT8_FUNCTIONS = ("relu", "leaky_relu", "sigmoid", "tanh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The grid of every value that is kept in bytes; a value that is not here stays float32."""

    grids: Mapping[str, Grid]


def has_int8(operation: Operation) -> bool:
    """Tell whether the runtimes compute `operation` on bytes."""
    if isinstance(operation, Function):
        return operation.kind in INT8_FUNCTIONS
    return isinstance(operation, Convolution | Product | Pool | GlobalMean | Flat | Sum)


def keeps_grid(operation: Operation) -> bool:
    """Tell whether the output's bytes mean what the input's do: nothing is multiplied."""
    return isinstance(operation, Pool | Flat)


def make_plan(graph: Graph, ranges: Mapping[str, tuple[float, float]]) -> Plan:
    """Return the grid of each value, from the `(low, high)` that calibration chose for it.

    Raises:
        NetworkError: a value's range is not finite.
    """
    grids = {INPUT: Grid(scale=1.0, zero=graph.zero) if graph.takes_bytes else grid_of(*ranges[INPUT])}
    for node in graph.nodes:
        operation = node.operation
        if keeps_grid(operation):
            grids[node.output] = grids[node.inputs[0]]
        elif isinstance(operation, Function) and operation.kind in FIXED:
            grids[node.output] = FIXED[operation.kind]
        elif has_int8(operation) or node.output != graph.output:
            low, high = ranges[node.output]
            if not np.isfinite([low, high]).all():
                raise NetworkError(
                    f'network "{graph.name}": received values from {low} to {high} on the calibration samples,'
                    " expected finite ones; train it again, or export float32"
                )
            grids[node.output] = grid_of(low, high, _finest(operation, [grids[value] for value in node.inputs]))
    return Plan(grids=grids)


def _finest(operation: Operation, taken: list[Grid]) -> float:
    """Return the least step that the output can use; kernels refuse, or end the process, where it is finer by far.

    A value that is nearly the same for all samples, such as that of dead units, would otherwise get a step near 0.
    """
    if isinstance(operation, Convolution | Product):
        return float(int8_weights(operation, taken[0]).bias_scales.max()) / 128
    return max(grid.scale for grid in taken) / 256 if has_int8(operation) else 0.0


def grid_of(low: float, high: float, finest: float = 0.0) -> Grid:
    """Return the grid of 256 steps from `low` to `high`; 0 is exactly one of them, as padding needs it.

    No step is smaller than `finest`; a range of nothing gets that of 0 to 1.

    >>> grid_of(0.0, 2.55).zero, grid_of(-1.0, 1.0).zero
    (0, 128)
    """
    low, high = min(low, 0.0), max(high, 0.0)
    if high - low < NOTHING:
        high = 1.0
    scale = max((high - low) / 255, finest)
    return Grid(scale=float(np.float32(scale)), zero=int(np.clip(np.round(-low / scale), 0, 255)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Int8Weights:
    """A kernel int8 in the operation's own layout, its scale for each output channel, and the bias int32."""

    kernel: np.ndarray
    scales: np.ndarray
    bias: np.ndarray
    bias_scales: np.ndarray


def int8_weights(operation: Convolution | Product, taken: Grid) -> Int8Weights:
    """Return the weights of an operation that takes values on the grid `taken`."""
    kernel, bias = operation.kernel.astype(float), operation.bias.astype(float)
    largest = np.abs(kernel).reshape(-1, kernel.shape[-1]).max(0)
    # A channel of tiny weights under a large bias would need a bias beyond int32: its steps are made coarser.
    scales = np.maximum(largest / 127, np.maximum(np.abs(bias) / (taken.scale * 2**30), 1e-20)).astype(np.float32)
    bias_scales = (scales.astype(float) * taken.scale).astype(np.float32)
    return Int8Weights(
        kernel=np.clip(np.round(kernel / scales), -127, 127).astype(np.int8),
        scales=scales,
        bias=np.round(bias / bias_scales.astype(float)).astype(np.int32),
        bias_scales=bias_scales,
    )


def to_calibrate(graph: Graph) -> tuple[str, ...]:
    """Return the values whose ranges must be seen."""
    inputs = () if graph.takes_bytes else (INPUT,)
    return inputs + tuple(node.output for node in graph.nodes if _seen(node))


def _seen(node: Node) -> bool:
    operation = node.operation
    return not keeps_grid(operation) and not (isinstance(operation, Function) and operation.kind in FIXED)
