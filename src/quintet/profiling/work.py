"""How much a network computes for one sample, counted from its layers; no library is asked."""

from dataclasses import dataclass
from math import prod

from quintet.layers import Conv, Dense
from quintet.network import Net

BYTES = {"float32": 4, "int8": 1}
BIAS_BYTES = 4  # float32, or int32 beside int8 kernels


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one prediction takes.

    Args:
        multiply_adds: of convolutions and dense layers, as if nothing were padded; what others count is some percent of it.
        kernel_values: how many numbers their kernels hold; `bias_values`: one for each of their outputs' channels, where an
            export keeps what is left of BatchNorm.
        layers: how many such layers there are.
    """

    multiply_adds: int
    kernel_values: int
    bias_values: int
    layers: int

    def weight_bytes(self, precision: str) -> int:
        """Return the bytes of the weights that each prediction reads."""
        return self.kernel_values * BYTES[precision] + self.bias_values * BIAS_BYTES


def work_of(net: Net) -> Work:
    """Return the work of one sample; a convolution's is places x kernel area x channels in x filters.

    >>> from quintet.losses import SoftmaxCrossEntropy
    >>> from quintet.layers import Flatten
    >>> layers = (Conv(filters=4, stride=(2, 2)), Flatten(), Dense(units=10))
    >>> work_of(Net(name="n", input_shape=(8, 8, 3), layers=layers, loss=SoftmaxCrossEntropy())).multiply_adds
    2368
    """
    total = kernels = biases = count = 0
    for top in net.placed():
        for placed in top.walk():
            layer, taken, made = placed.layer, placed.input_shape, placed.output_shape
            if isinstance(layer, Conv):
                values = layer.kernel[0] * layer.kernel[1] * taken[-1] * layer.filters
                total += prod(made[:-1]) * values
            elif isinstance(layer, Dense):
                values = taken[0] * layer.units
                total += values
            else:
                continue
            kernels, biases, count = kernels + values, biases + made[-1], count + 1
    return Work(multiply_adds=total, kernel_values=kernels, bias_values=biases, layers=count)
