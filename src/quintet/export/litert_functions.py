"""The activations in LiteRT's operators; those it has not are put together from those it has, exactly."""

import numpy as np

from quintet.export.graph import Function
from quintet.export.litert_model import LiteRTModel

SELU_ALPHA, SELU_SCALE = 1.6732632423543772, 1.0507009873554805
ONE_OPERATOR = {"relu": "RELU", "tanh": "TANH", "sigmoid": "LOGISTIC", "leaky_relu": "LEAKY_RELU", "gelu": "GELU"}


def write_function(
    model: LiteRTModel, operation: Function, taken: int, made: int, shape: tuple[int, ...], int8: bool
) -> int:
    """Write `operation` from tensor `taken` to tensor `made`, which it returns; int8 only for those with a kernel."""
    kind = operation.kind
    if kind in ONE_OPERATOR:
        code, version = ONE_OPERATOR[kind], 2 if int8 else 1
        if kind == "leaky_relu":
            return model.operator(code, [taken], made, version, "LeakyRelu", alpha=operation.alpha)
        if kind == "gelu":
            return model.operator(code, [taken], made, version, "Gelu", approximate=False)
        return model.operator(code, [taken], made, version)
    write = _Steps(model, shape)
    x = taken
    match kind:
        case "elu":
            return write.elu(x, operation.alpha, 1.0, made)
        case "selu":
            return write.elu(x, SELU_ALPHA, SELU_SCALE, made)
        case "softplus":
            return write.softplus(x, made)
        case "softsign":
            return write("DIV", [x, write("ADD", [write("ABS", [x]), write.number(1.0)])], made)
        case "silu":
            return write("MUL", [x, write("LOGISTIC", [x])], made)
        case "mish":
            return write("MUL", [x, write("TANH", [write.softplus(x)])], made)
    raise AssertionError(kind)


class _Steps:
    """Writes one float32 operator after another; a tensor between two is made where none is given."""

    OPTIONS = {"MUL": "Mul", "ADD": "Add", "DIV": "Div", "ABS": "Abs", "NEG": "Neg", "EXP": "Exp"}  # noqa: RUF012

    def __init__(self, model: LiteRTModel, shape: tuple[int, ...]) -> None:
        self.model, self.shape = model, shape

    def __call__(self, code: str, inputs: list[int], made: int | None = None) -> int:
        if made is None:
            made = self.model.tensor(f"step{len(self.model.tensors)}", self.shape, "FLOAT32")
        return self.model.operator(code, inputs, made, 1, self.OPTIONS.get(code, ""))

    def number(self, n: float) -> int:
        return self.model.constant(f"number{len(self.model.tensors)}", np.array([n], np.float32))

    def elu(self, x: int, alpha: float, scale: float, made: int) -> int:
        """Return scale · (x for x > 0, else alpha · (eˣ − 1)) = scale · (alpha · ELU(x) + (1 − alpha) · RELU(x))."""
        if alpha == 1.0 and scale == 1.0:
            return self("ELU", [x], made)
        below = self("MUL", [self("ELU", [x]), self.number(scale * alpha)])
        above = self("MUL", [self("RELU", [x]), self.number(scale * (1 - alpha))])
        return self("ADD", [below, above], made)

    def softplus(self, x: int, made: int | None = None) -> int:
        """Return log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|), which cannot overflow."""
        small = self("EXP", [self("NEG", [self("ABS", [x])])])
        return self("ADD", [self("RELU", [x]), self("LOG", [self("ADD", [small, self.number(1.0)])])], made)
