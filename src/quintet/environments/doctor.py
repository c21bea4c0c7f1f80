"""Whether a library that is here works: it trains a small network in its own process, held to the reference."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from quintet.environments import library
from quintet.launch import Local
from quintet.layers import Activation, Conv, Dense, Flatten, MaxPool, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.parity import check_parity

STEPS = {"float64": 3, "float32": 3}
SMALL = Net(
    name="small",
    input_shape=(8, 8, 1),
    layers=(Rescale(scale=1 / 255), Conv(filters=3), Activation(kind="tanh"), MaxPool(), Flatten(), Dense(units=3)),
    loss=SoftmaxCrossEntropy(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What came of looking at one library."""

    library: str
    healthy: bool
    sentence: str


def examine(name: str) -> Finding:
    """Train a small network for three steps in both precisions and compare it with the reference.

    Raises:
        StudyError: no such library.
    """
    if why := library(name).unavailable:
        return Finding(library=name, healthy=False, sentence=why)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (32, 8, 8, 1), dtype=np.uint8), rng.integers(0, 3, 32)
    with tempfile.TemporaryDirectory(prefix="quintet-doctor-") as folder:
        networks = [(SMALL, SGD(momentum=0.9), 0.01)]
        (found,) = check_parity([name], networks, x, y, Path(folder), Local(), 1, rng, steps=STEPS, batch_size=8)
    if found.passed:
        largest = max(o.max_relative_difference or 0.0 for o in found.float64)
        return Finding(
            library=name,
            healthy=True,
            sentence=f"{name} {found.version} is well: it trains, and computes what the formulas say (to {largest:.0e})",
        )
    return Finding(library=name, healthy=False, sentence=f"{name} {found.version} is ill: {found.first_failure}")
