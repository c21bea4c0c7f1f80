"""A graph as a LiteRT (.tflite) model of batch 1: NHWC throughout, float32 or static int8.

The input of float32 files is the stored bytes (uint8); of int8 files it is the same bytes less 128 (int8), which costs
nothing inside the model. The output is float32. What LiteRT has no int8 kernel for runs in float32 between a
DEQUANTIZE and a QUANTIZE.
"""

import numpy as np

from quintet.export.graph import (
    INPUT,
    Affine,
    Convolution,
    Flat,
    Function,
    GlobalMean,
    Graph,
    Node,
    Pool,
    Product,
    Sum,
    UnitLength,
)
from quintet.export.litert_functions import write_function
from quintet.export.litert_model import LiteRTModel
from quintet.export.quantise import Grid, Plan, has_int8, int8_weights
from quintet.layers import Shape

SAME, VALID = 0, 1
NONE, RELU = 0, 1


def litert_model(graph: Graph, plan: Plan | None = None) -> bytes:
    """Return the model's file: float32, or int8 by `plan`.

    Raises:
        EnvironmentUnavailable: LiteRT or flatbuffers is not installed.
    """
    return _Writer(graph, plan).write()


class _Writer:
    """The model so far, and which tensor holds each value: as bytes, as float32, or both."""

    def __init__(self, graph: Graph, plan: Plan | None) -> None:
        self.graph, self.plan = graph, plan
        self.model = LiteRTModel(graph.name)
        self.bytes: dict[str, int] = {}
        self.floats: dict[str, int] = {}

    def write(self) -> bytes:
        taken = self.take_input()
        for node in self.graph.nodes:
            if self.plan and has_int8(node.operation):
                self.bytes[node.output] = self.node(node, int8=True)
            else:
                self.floats[node.output] = self.node(node, int8=False)
        return self.model.file(taken, self.as_float(self.graph.output))

    def take_input(self) -> int:
        shape, grid = self.graph.input_shape, Grid(scale=1.0, zero=self.graph.zero)
        if not self.graph.takes_bytes:
            self.floats[INPUT] = self.value("input", shape)
            return self.floats[INPUT]
        kind = "INT8" if self.plan else "UINT8"
        self.bytes[INPUT] = self.model.tensor("input", (1, *shape), kind, grid=grid)
        return self.bytes[INPUT]

    def value(self, name: str, shape: Shape, grid: Grid | None = None) -> int:
        return self.model.tensor(name, (1, *shape), "INT8" if grid else "FLOAT32", grid=grid)

    def as_float(self, value: str) -> int:
        if value not in self.floats:
            made = self.value(f"{value}.float", self.graph.shape_of(value))
            self.floats[value] = self.model.operator("DEQUANTIZE", [self.bytes[value]], made, 2 if self.plan else 1)
        return self.floats[value]

    def as_bytes(self, value: str) -> int:
        if value not in self.bytes:
            assert self.plan is not None
            made = self.value(f"{value}.bytes", self.graph.shape_of(value), self.plan.grids[value])
            self.bytes[value] = self.model.operator("QUANTIZE", [self.floats[value]], made, 1, "Quantize")
        return self.bytes[value]

    def node(self, node: Node, int8: bool) -> int:
        """Write one operation and return the tensor of its result."""
        operation, name = node.operation, node.output
        taken = [self.as_bytes(value) if int8 else self.as_float(value) for value in node.inputs]
        made = self.value(name, node.shape, self.plan.grids[name] if int8 and self.plan else None)
        two = 2 if int8 else 1
        match operation:
            case Convolution():
                return self.model.operator(
                    "CONV_2D", [taken[0], *self.weights(node, operation, int8)], made, 3 if int8 else 1, "Conv2D",
                    padding=VALID if operation.pads == ((0, 0), (0, 0)) else SAME,
                    strideH=operation.stride[0], strideW=operation.stride[1],
                    fusedActivationFunction=RELU if operation.relu else NONE,
                )  # fmt: skip
            case Product():
                return self.model.operator(
                    "FULLY_CONNECTED", [taken[0], *self.weights(node, operation, int8)], made, 4 if int8 else 1,
                    "FullyConnected", fusedActivationFunction=RELU if operation.relu else NONE,
                )  # fmt: skip
            case Sum():
                fused = RELU if operation.relu else NONE
                return self.model.operator("ADD", taken, made, two, "Add", fusedActivationFunction=fused)
            case Pool():
                code = "MAX_POOL_2D" if operation.kind == "max" else "AVERAGE_POOL_2D"
                return self.model.operator(
                    code, taken, made, two, "Pool2D", padding=VALID,
                    strideH=operation.stride[0], strideW=operation.stride[1],
                    filterHeight=operation.size[0], filterWidth=operation.size[1],
                )  # fmt: skip
            case GlobalMean():
                axes = self.model.constant(f"{name}.axes", np.array([1, 2], np.int32))
                return self.model.operator("MEAN", [taken[0], axes], made, two, "Reducer", keepDims=False)
            case Flat():
                shape = np.array([1, *node.shape], np.int32)
                new = self.model.constant(f"{name}.shape", shape)
                return self.model.operator("RESHAPE", [taken[0], new], made, 1, "Reshape", newShape=shape)
            case Affine():
                scaled = self.value(f"{name}.scaled", node.shape)
                scale = self.model.constant(f"{name}.scale", operation.scale)
                offset = self.model.constant(f"{name}.offset", operation.offset)
                self.model.operator("MUL", [taken[0], scale], scaled, 1, "Mul")
                return self.model.operator("ADD", [scaled, offset], made, 1, "Add")
            case UnitLength():
                return self.unit_length(node, operation, taken[0], made)
            case Function():
                return write_function(self.model, operation, taken[0], made, (1, *node.shape), int8)

    def weights(self, node: Node, operation: Convolution | Product, int8: bool) -> tuple[int, int]:
        """Return the tensors of kernel, (out, height, width, in) or (out, in), and bias."""
        turned = (3, 0, 1, 2) if isinstance(operation, Convolution) else (1, 0)
        kernel, bias = f"{node.output}.kernel", f"{node.output}.bias"
        if not int8 or not self.plan:
            return (
                self.model.constant(kernel, operation.kernel.transpose(turned)),
                self.model.constant(bias, operation.bias),
            )
        packed = int8_weights(operation, self.plan.grids[node.inputs[0]])
        return (
            self.model.constant(kernel, packed.kernel.transpose(turned), packed.scales),
            self.model.constant(bias, packed.bias, packed.bias_scales),
        )

    def unit_length(self, node: Node, operation: UnitLength, taken: int, made: int) -> int:
        name, alone = node.output, (*node.shape[:-1], 1)
        squares, total, plus, inverse = (
            self.value(f"{name}.{part}", shape)
            for part, shape in (("squares", node.shape), ("sum", alone), ("plus", alone), ("inverse", alone))
        )
        self.model.operator("MUL", [taken, taken], squares, 1, "Mul")
        axes = self.model.constant(f"{name}.axes", np.array([len(node.shape)], np.int32))
        self.model.operator("SUM", [squares, axes], total, 1, "Reducer", keepDims=True)
        epsilon = self.model.constant(f"{name}.epsilon", np.array([operation.epsilon], np.float32))
        self.model.operator("ADD", [total, epsilon], plus, 1, "Add")
        self.model.operator("RSQRT", [plus], inverse)
        return self.model.operator("MUL", [taken, inverse], made, 1, "Mul")
