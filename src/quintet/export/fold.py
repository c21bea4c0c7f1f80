"""From a network and its weights to a graph: constants folded, dropout gone, relu joined to what it follows.

BatchNorm goes into the convolution or product before it, also back through a pool (through MaxPool only where no scale
is negative); else, like Rescale, forward into the one behind it. An offset goes forward into a convolution only where
that pads nothing, since padding is zeros *after* the offset. Arithmetic is float64, the graph's constants are float32.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from quintet.errors import NetworkError
from quintet.export.graph import (
    INPUT,
    Affine,
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
    UnitLength,
)
from quintet.layers import (
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Normalise,
    Rescale,
    Residual,
    Shape,
    pads,
)
from quintet.network import Net, PlacedLayer
from quintet.weights import Weights

WHOLE = 1e-4  # of a byte: an input's zero as near as this to a whole byte is that byte


def fold(net: Net, weights: Weights) -> Graph:
    """Return the graph that computes `net`'s prediction with `weights`.

    Raises:
        NetworkError: a layer that no export knows, or weights that are not finite.
    """
    for name, array in weights.items():
        if not np.isfinite(array).all():
            raise NetworkError(f'network "{net.name}": received {name} with values that are not finite; train it again')
    placed = net.placed()
    takes_bytes = bool(placed) and isinstance(placed[0].layer, Rescale)
    build = _Build(weights=weights)
    zero, value = 0, INPUT
    if takes_bytes:
        zero, value = _first(build, placed)
        placed = placed[1:]
    output = build.chain(placed, value)
    if output == INPUT:  # a graph has at least one operation
        one = np.ones(net.input_shape[-1])
        output = build.add(Affine(scale=one, offset=one * 0), (INPUT,), net.input_shape, net.input_shape)
    nodes = tuple(replace(node, operation=_single(node.operation)) for node in build.nodes.values())
    return Graph(
        name=net.name, input_shape=net.input_shape, takes_bytes=takes_bytes, zero=zero, nodes=nodes, output=output
    )


def _first(build: "_Build", placed: tuple[PlacedLayer, ...]) -> tuple[int, str]:
    """Return the byte that stands for 0, and the value behind the first Rescale."""
    layer, shape = placed[0].layer, placed[0].input_shape
    assert isinstance(layer, Rescale)
    scale, offset = (np.broadcast_to(np.asarray(n, float), shape[-1:]) for n in (layer.scale, layer.offset))
    zeros = np.divide(-offset, scale, out=np.full(shape[-1:], np.nan), where=scale != 0)
    byte = float(np.round(zeros[0])) if np.isfinite(zeros[0]) else -1.0
    zero = int(byte) if 0 <= byte <= 255 and (abs(zeros - byte) <= WHOLE).all() else 0
    if zero:
        offset = np.zeros_like(offset)
    return zero, build.add(Affine(scale=scale, offset=offset), (INPUT,), shape, shape)


@dataclass(slots=True, kw_only=True)
class _Build:
    """The nodes so far, by the value each makes; `shared` values have more than one user and are not touched again."""

    weights: Weights
    nodes: dict[str, Node] = field(default_factory=dict)
    shared: set[str] = field(default_factory=set)
    made: int = 0

    def add(self, operation: Operation, inputs: tuple[str, ...], before: Shape, after: Shape) -> str:
        self.made += 1
        name = f"value{self.made}"
        self.nodes[name] = Node(operation=operation, inputs=inputs, output=name, input_shape=before, shape=after)
        return name

    def chain(self, layers: Iterable[PlacedLayer], value: str) -> str:
        for placed in layers:
            value = self.layer(placed, value)
        return value

    def own(self, value: str) -> Node | None:
        """Return the node that makes `value` for one user only."""
        return None if value in self.shared else self.nodes.get(value)

    def layer(self, placed: PlacedLayer, value: str) -> str:
        layer, before, after = placed.layer, placed.input_shape, placed.output_shape
        match layer:
            case Dropout():
                return value
            case Conv() | Dense():
                return self.linear(placed, layer, value)
            case Rescale():
                scale, offset = (
                    np.broadcast_to(np.asarray(n, float), before[-1:]) for n in (layer.scale, layer.offset)
                )
                return self.affine(scale, offset, value, before)
            case BatchNorm():
                gain, shift, mean, variance = (
                    self.weights[f"{placed.name}.{role}"].astype(float)
                    for role in ("scale", "offset", "mean", "variance")
                )
                gain = gain / np.sqrt(variance + layer.epsilon)
                return self.affine(gain, shift - mean * gain, value, before)
            case Activation(kind="relu"):
                return self.relu(value, before)
            case Residual():
                self.shared.add(value)
                ends = tuple(self.chain(branch, value) for branch in placed.branches)
                self.shared.update(ends if ends[0] == ends[1] else ())
                return self.add(Sum(), ends, after, after)
            case _:
                return self.add(_plain(layer, placed.name), (value,), before, after)

    def affine(self, scale: np.ndarray, offset: np.ndarray, value: str, shape: Shape) -> str:
        """Put `x * scale + offset` into the operation before it, or let it stand."""
        node, seen = self.own(value), []
        while node and isinstance(node.operation, Pool) and (node.operation.kind == "mean" or (scale >= 0).all()):
            seen.append(node)
            node = self.own(node.inputs[0])
        if node and isinstance(node.operation, Convolution | Product) and not node.operation.relu:
            linear = node.operation
            folded = replace(linear, kernel=linear.kernel * scale, bias=linear.bias * scale + offset)
        elif node and isinstance(node.operation, Affine):
            folded = Affine(scale=node.operation.scale * scale, offset=node.operation.offset * scale + offset)
        else:
            return self.add(Affine(scale=scale, offset=offset), (value,), shape, shape)
        self.nodes[node.output] = replace(node, operation=folded)
        return value

    def relu(self, value: str, shape: Shape) -> str:
        """Join max(0, ·) to the operation before it, back through MaxPool, which it commutes with."""
        node = self.own(value)
        while node and isinstance(node.operation, Pool) and node.operation.kind == "max":
            node = self.own(node.inputs[0])
        if node and isinstance(node.operation, Convolution | Product | Sum):
            self.nodes[node.output] = replace(node, operation=replace(node.operation, relu=True))
            return value
        return self.add(Function(kind="relu"), (value,), shape, shape)

    def linear(self, placed: PlacedLayer, layer: Conv | Dense, value: str) -> str:
        kernel = self.weights[f"{placed.name}.kernel"].astype(float)
        bias = self.weights[f"{placed.name}.bias"].astype(float) if layer.bias else np.zeros(kernel.shape[-1])
        around = pads(placed.input_shape, layer) if isinstance(layer, Conv) else ((0, 0), (0, 0))
        kernel, bias, value = self.absorb(kernel, bias, value, padded=around != ((0, 0), (0, 0)))
        operation = (
            Convolution(kernel=kernel, bias=bias, stride=layer.stride, pads=around)
            if isinstance(layer, Conv)
            else Product(kernel=kernel, bias=bias)
        )
        return self.add(operation, (value,), placed.input_shape, placed.output_shape)

    def absorb(
        self, kernel: np.ndarray, bias: np.ndarray, value: str, padded: bool
    ) -> tuple[np.ndarray, np.ndarray, str]:
        """Take an affine before this kernel (also before a Flat) into it; return kernel, bias and the value to take."""
        flat = node = self.own(value)
        if node and isinstance(node.operation, Flat):
            node = self.own(node.inputs[0])
        if not node or not isinstance(node.operation, Affine) or (padded and node.operation.offset.any()):
            return kernel, bias, value
        repeats = kernel.shape[-2] // len(node.operation.scale)
        scale, offset = (np.tile(n, repeats) for n in (node.operation.scale, node.operation.offset))
        bias = bias + (kernel * offset[:, None]).reshape(-1, kernel.shape[-1]).sum(0)
        del self.nodes[node.output]
        source = node.inputs[0]
        if flat and flat is not node:
            self.nodes[flat.output] = replace(flat, inputs=(source,))
            source = flat.output
        return kernel * scale[:, None], bias, source


def _plain(layer: Layer, name: str) -> Operation:
    """Return the operation of a layer that folds with nothing."""
    match layer:
        case Activation():
            return Function(kind=layer.kind, alpha=layer.alpha or 0.0)
        case MaxPool():
            return Pool(kind="max", size=layer.size, stride=layer.stride or layer.size)
        case AveragePool():
            return Pool(kind="mean", size=layer.size, stride=layer.stride or layer.size)
        case GlobalAveragePool():
            return GlobalMean()
        case Flatten():
            return Flat()
        case Normalise():
            return UnitLength(epsilon=layer.epsilon)
    raise NetworkError(
        f"layer {name}: received {type(layer).__name__}, which no export knows;"
        " use the layers of quintet.layers, or predict with --runtime numpy"
    )


def _single(operation: Operation) -> Operation:
    """Return `operation` with float32 constants."""
    arrays = {
        name: np.ascontiguousarray(getattr(operation, name), np.float32)
        for name in ("kernel", "bias", "scale", "offset")
        if isinstance(getattr(operation, name, None), np.ndarray)
    }
    return replace(operation, **arrays)  # pyright: ignore[reportArgumentType]
