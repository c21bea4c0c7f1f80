"""A graph as an ONNX model: NHWC in, NCHW inside (one transpose of the input's bytes), opset 20, any batch.

int8 is written as QDQ: bytes between a QuantizeLinear and a DequantizeLinear around each operation, which onnxruntime
and OpenVINO turn into integer kernels. Bytes are uint8, weights int8 for each output channel.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from quintet.errors import EnvironmentUnavailable
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
from quintet.export.quantise import Grid, Plan, int8_weights

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

OPSET, IR_VERSION = 20, 9
SELU = {"alpha": 1.6732632423543772, "gamma": 1.0507009873554805}
FUNCTIONS = {
    "relu": "Relu", "tanh": "Tanh", "elu": "Elu", "sigmoid": "Sigmoid", "softplus": "Softplus", "softsign": "Softsign",
    "leaky_relu": "LeakyRelu", "selu": "Selu", "gelu": "Gelu", "mish": "Mish",
}  # fmt: skip


def onnx_model(graph: Graph, plan: Plan | None = None, also: Sequence[str] = ()) -> bytes:
    """Return the model's file: float32, or int8 by `plan`; `also` names values to give out besides, as they are inside.

    The input is "input" `(batch, height, width, channels)` uint8 (float32 for a network without Rescale), the output
    "output" `(batch, …)` float32.

    Raises:
        EnvironmentUnavailable: onnx is not installed.
    """
    try:
        from onnx import TensorProto, helper
    except ImportError:
        raise EnvironmentUnavailable(
            "received no onnx, expected it for an export; type, in"
            ' Quintet\'s folder: python -m pip install -e ".[export]"'
        ) from None
    writer = _Writer(graph=graph, plan=plan)
    writer.write()
    shape = ["batch", *graph.input_shape]
    given = helper.make_tensor_value_info("input", TensorProto.UINT8 if graph.takes_bytes else TensorProto.FLOAT, shape)
    made = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", *graph.output_shape])
    extra = [helper.make_tensor_value_info(f"{value}.float", TensorProto.FLOAT, None) for value in also]
    model = helper.make_model(
        helper.make_graph(writer.nodes, graph.name, [given], [made, *extra], writer.constants),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="quintet",
    )
    return model.SerializeToString()


class _Writer:
    """The nodes and constants so far. A value's tensors: NAME.float as computed, NAME.bytes, and NAME as others take it."""

    def __init__(self, *, graph: Graph, plan: Plan | None) -> None:
        self.graph, self.plan = graph, plan
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def write(self) -> None:
        self.take_input()
        for node in self.graph.nodes:
            self.node(node)
            self.settle(node.output)
        spatial = len(self.graph.output_shape) == 3
        if spatial:
            self.op("Transpose", [self.graph.output], "output", perm=[0, 2, 3, 1])
        else:
            self.nodes[-1].output[0] = "output"

    def op(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output}:{kind}", **attributes))
        return output

    def constant(self, name: str, array: Any) -> str:
        from onnx import numpy_helper

        self.constants.append(numpy_helper.from_array(np.asarray(array, order="C"), name))
        return name

    def take_input(self) -> None:
        value = "input"
        if len(self.graph.input_shape) == 3:
            value = self.op("Transpose", [value], "input.nchw", perm=[0, 3, 1, 2])
        if not self.graph.takes_bytes:
            self.op("Identity", [value], f"{INPUT}.float")
            self.settle(INPUT)
        elif self.plan:
            self.dequantise(value, self.plan.grids[INPUT], "input.value")
        elif self.graph.zero:
            whole = self.op("Cast", [value], "input.cast", to=1)
            zero = self.constant("input.zero", np.float32(self.graph.zero))
            self.op("Sub", [whole, zero], "input.value")
        else:
            self.op("Cast", [value], "input.value", to=1)

    def name(self, value: str) -> str:
        """Return the tensor that users of `value` take; "input" itself is the model's own input."""
        return "input.value" if value == INPUT else value

    def settle(self, value: str) -> None:
        """Lead NAME.float to NAME: through bytes where the plan has a grid for it."""
        grid = self.plan.grids.get(value) if self.plan else None
        if grid is None:
            self.op("Identity", [f"{value}.float"], self.name(value))
            return
        scale, zero = self.grid(grid, value)
        self.op("QuantizeLinear", [f"{value}.float", scale, zero], f"{value}.bytes")
        self.op("DequantizeLinear", [f"{value}.bytes", scale, zero], self.name(value))

    def grid(self, grid: Grid, value: str) -> tuple[str, str]:
        scale = self.constant(f"{value}.scale", np.float32(grid.scale))
        return scale, self.constant(f"{value}.zero", np.uint8(grid.zero))

    def dequantise(self, tensor: str, grid: Grid, output: str) -> None:
        self.op("DequantizeLinear", [tensor, *self.grid(grid, output)], output)

    def node(self, node: Node) -> None:
        """Write one operation; its result is NAME.float."""
        operation, out = node.operation, f"{node.output}.float"
        taken = [self.name(value) for value in node.inputs]
        match operation:
            case Convolution() | Product():
                self.linear(node, operation, taken[0], out)
            case Sum():
                # An Add between bytes becomes onnxruntime's QLinearAdd, which fuses a multiplication and an addition on Arm and
                # not on x86: one picture in some hundred then differed by a step. A Sum is left in float32, exact on both.
                self.op("Sum" if self.plan else "Add", taken, self.before_relu(operation.relu, out))
                self.relu(operation.relu, out)
            case Pool():
                kind = "MaxPool" if operation.kind == "max" else "AveragePool"
                self.op(kind, taken, out, kernel_shape=operation.size, strides=operation.stride)
            case GlobalMean():
                mean = self.op("GlobalAveragePool", taken, f"{out}.mean")
                self.between_bytes(node, mean, out)
            case Flat():
                self.flat(node, taken[0], out)
            case Affine():
                across = (-1, 1, 1) if len(node.shape) == 3 else (-1,)
                scale = self.constant(f"{out}.scale", operation.scale.reshape(across))
                offset = self.constant(f"{out}.offset", operation.offset.reshape(across))
                self.op("Add", [self.op("Mul", [taken[0], scale], f"{out}.scaled"), offset], out)
            case Function():
                self.function(operation, taken[0], out)
            case UnitLength():
                squares = self.op("Mul", [taken[0], taken[0]], f"{out}.squares")
                axes = self.constant(f"{out}.axes", np.array([1], np.int64))
                total = self.op("ReduceSum", [squares, axes], f"{out}.sum", keepdims=1)
                epsilon = self.constant(f"{out}.epsilon", np.float32(operation.epsilon))
                length = self.op("Sqrt", [self.op("Add", [total, epsilon], f"{out}.plus")], f"{out}.length")
                self.op("Div", [taken[0], length], out)

    def between_bytes(self, node: Node, tensor: str, out: str) -> None:
        """Flatten `tensor` on bytes, so that int8 kernels stand on both sides of it."""
        grid = self.plan.grids.get(node.output) if self.plan else None
        if grid:
            scale, zero = (self.constant(f"{out}.{part}", n) for part, n in
                           (("scale", np.float32(grid.scale)), ("zero", np.uint8(grid.zero))))  # fmt: skip
            self.op("QuantizeLinear", [tensor, scale, zero], f"{tensor}.bytes")
            tensor = self.op("DequantizeLinear", [f"{tensor}.bytes", scale, zero], f"{tensor}.back")
        self.op("Flatten", [tensor], out, axis=1)

    def before_relu(self, relu: bool, out: str) -> str:
        return f"{out}.signed" if relu else out

    def relu(self, relu: bool, out: str) -> None:
        if relu:
            self.op("Relu", [f"{out}.signed"], out)

    def linear(self, node: Node, operation: Convolution | Product, taken: str, out: str) -> None:
        kernel, bias = self.weights(node, operation)
        result = self.before_relu(operation.relu, out)
        if isinstance(operation, Convolution):
            (top, bottom), (left, right) = operation.pads
            self.op(
                "Conv", [taken, kernel, bias], result, strides=operation.stride, pads=(top, left, bottom, right),
                kernel_shape=operation.kernel.shape[:2],
            )  # fmt: skip
        else:
            self.op("Gemm", [taken, kernel, bias], result)
        self.relu(operation.relu, out)

    def weights(self, node: Node, operation: Convolution | Product) -> tuple[str, str]:
        """Return the tensors of kernel (OIHW, or in the order of a flattened NCHW) and bias."""
        if not self.plan:
            return self.constant(f"{node.output}.kernel", self.laid_out(node, operation.kernel)), self.constant(
                f"{node.output}.bias", operation.bias
            )
        packed = int8_weights(operation, self.plan.grids[node.inputs[0]])
        axis = 0 if isinstance(operation, Convolution) else 1
        names = []
        for part, array, scales, at in (
            ("kernel", self.laid_out(node, packed.kernel), packed.scales, axis),
            ("bias", packed.bias, packed.bias_scales, 0),
        ):
            name = f"{node.output}.{part}"
            stored = self.constant(f"{name}.stored", array)
            scale = self.constant(f"{name}.scale", scales)
            zero = self.constant(f"{name}.zero", np.zeros(len(scales), array.dtype))
            names.append(self.op("DequantizeLinear", [stored, scale, zero], name, axis=at))
        return names[0], names[1]

    def laid_out(self, node: Node, kernel: np.ndarray) -> np.ndarray:
        if kernel.ndim == 4:
            return kernel.transpose(3, 2, 0, 1)
        before = next((n for n in self.graph.nodes if n.output == node.inputs[0]), None)
        if before and isinstance(before.operation, Flat) and self.in_place(before):
            return kernel.reshape(*before.input_shape, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
        return kernel

    def in_place(self, flat: Node) -> bool:
        """Tell whether an image may be flattened as it lies: whoever takes it is a product, whose rows can be moved."""
        users = self.graph.users(flat.output)
        return (
            len(flat.input_shape) == 3
            and flat.output != self.graph.output
            and all(isinstance(user.operation, Product) for user in users)
        )

    def flat(self, node: Node, taken: str, out: str) -> None:
        if len(node.input_shape) == 3 and not self.in_place(node):
            taken = self.op("Transpose", [taken], f"{out}.nhwc", perm=[0, 2, 3, 1])
        self.op("Flatten", [taken], out, axis=1)

    def function(self, operation: Function, taken: str, out: str) -> None:
        if operation.kind == "silu":
            self.op("Mul", [taken, self.op("Sigmoid", [taken], f"{out}.gate")], out)
            return
        attributes: dict[str, Any] = SELU if operation.kind == "selu" else {}
        if operation.kind in ("elu", "leaky_relu"):
            attributes = {"alpha": operation.alpha}
        self.op(FUNCTIONS[operation.kind], [taken], out, **attributes)
