"""Initial weights from a numpy Generator, in the canonical layouts: the same for every library.

Kernels are normal with the variance that suits the activation behind them (He 2015: 2 / fan_in; Glorot 2010:
2 / (fan_in + fan_out); LeCun 1998: 1 / fan_in). Biases, offsets and running means are 0; scales and variances are 1.
All draws are float64, in the order of Net.parameters(); a float32 run casts them, so both precisions start equal.
"""

import math
from typing import Literal

import numpy as np

from quintet.errors import NetworkError, nearest
from quintet.layers import Activation
from quintet.network import Adversarial, Net

Weights = dict[str, np.ndarray]
Scheme = Literal["matched", "he", "glorot", "lecun"]

# The usual match of initialisation and activation: rectifiers lose half their input (He), self-normalising nets need
# unit gain (LeCun), and functions that are nearly linear around 0 want signal kept both ways (Glorot).
MATCHED: dict[str, str] = {
    "relu": "he", "leaky_relu": "he", "elu": "he", "gelu": "he", "silu": "he", "mish": "he",
    "softplus": "he", "selu": "lecun", "tanh": "glorot", "sigmoid": "glorot", "softsign": "glorot",
}  # fmt: skip


def initial_weights(net: Net | Adversarial, rng: np.random.Generator, scheme: Scheme = "matched") -> Weights:
    """Return `{"conv1.kernel": float64 array, …}` with one array for each of `net.parameters()`.

    Args:
        scheme: "matched" takes for each kernel the scheme of the next activation behind it (Glorot where none follows);
            the other names force one scheme everywhere.

    >>> from quintet.layers import Dense
    >>> from quintet.losses import SoftmaxCrossEntropy
    >>> net = Net(name="linear", input_shape=(64,), layers=(Dense(units=10),), loss=SoftmaxCrossEntropy())
    >>> initial_weights(net, np.random.default_rng(0))["dense1.kernel"].shape
    (64, 10)
    """
    if scheme not in ("matched", "he", "glorot", "lecun"):
        raise NetworkError(
            f'received initialisation "{scheme}", {nearest(scheme, ("matched", "he", "glorot", "lecun"))}'
        )
    if isinstance(net, Adversarial):
        return {
            f"{part}.{name}": array
            for part, one in (("generator", net.generator), ("discriminator", net.discriminator))
            for name, array in initial_weights(one, rng, scheme).items()
        }
    schemes = _schemes(net) if scheme == "matched" else {}
    weights: Weights = {}
    for p in net.parameters():
        if p.role == "kernel":
            chosen = schemes.get(p.name, "glorot") if scheme == "matched" else scheme
            weights[p.name] = rng.standard_normal(p.shape) * _deviation(chosen, p.fan_in, p.fan_out)
        else:
            weights[p.name] = np.full(p.shape, 1.0 if p.role in ("scale", "variance") else 0.0)
    return weights


def _deviation(scheme: str, fan_in: int, fan_out: int) -> float:
    return math.sqrt({"he": 2 / fan_in, "glorot": 2 / (fan_in + fan_out), "lecun": 1 / fan_in}[scheme])


def _schemes(net: Net) -> dict[str, str]:
    """Return for each kernel the scheme of the next activation behind it, depth first."""
    schemes: dict[str, str] = {}
    waiting: list[str] = []
    for top in net.placed():
        for placed in top.walk():
            if isinstance(placed.layer, Activation):
                schemes |= dict.fromkeys(waiting, MATCHED[placed.layer.kind])
                waiting = []
            elif hasattr(placed.layer, "parameters"):
                waiting.append(f"{placed.name}.kernel")
    return schemes
