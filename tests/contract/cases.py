"""The networks, weights and batches that contract.py holds every adapter to.

Small, odd-sided and awkward on purpose. All from fixed seeds, all read-only.
"""

import itertools
from typing import Any

import numpy as np

from quintet.layers import (
    ACTIVATIONS,
    Activation,
    AveragePool,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    MaxPool,
    Normalise,
    Rescale,
    Residual,
)  # fmt: skip
from quintet.losses import BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.weights import initial_weights

BATCH = 6


def frozen(array):
    """Return `array`, read-only: whoever writes to what it was lent is found out."""
    array = np.asarray(array)
    array.flags.writeable = False
    return array


def net_of(*layers, shape, loss=None, name="net"):
    return Net(name=name, input_shape=shape, layers=layers, loss=loss or SoftmaxCrossEntropy())


PADDED = net_of(  # "same" padding with strides 1 and 2, odd and even sides, symmetric and not; both kinds of Residual
    Rescale(scale=(1 / 255, 1 / 128), offset=(-0.1, 0.2)),
    Conv(filters=4, kernel=(3, 2), stride=(2, 2)),
    BatchNorm(momentum=0.6, epsilon=1e-2),
    Activation(kind="relu"),
    Residual(layers=(Conv(filters=4, bias=False), BatchNorm(), Activation(kind="tanh"), Conv(filters=4, kernel=(4, 2)))),
    Residual(layers=(Conv(filters=5, stride=(2, 2)),), shortcut=(Conv(filters=5, kernel=(1, 1), stride=(2, 2)),)),
    Flatten(),
    Dense(units=5),
    shape=(9, 8, 2), loss=SoftmaxCrossEntropy(label_smoothing=0.1), name="padded",
)  # fmt: skip
POOLED = net_of(  # "valid" padding, every pool, overlapping and gappy windows
    Conv(filters=3, kernel=(2, 3), stride=(2, 1), padding="valid"),
    Activation(kind="softsign"),
    AveragePool(size=(2, 2), stride=(1, 1)),
    Conv(filters=4, kernel=(4, 4)),
    MaxPool(size=(3, 2), stride=(2, 1)),
    Conv(filters=5, kernel=(2, 2), padding="valid", bias=False),
    Normalise(epsilon=1e-6),
    GlobalAveragePool(),
    Normalise(),
    shape=(14, 9, 1), loss=CosineMargin(classes=4), name="pooled",
)  # fmt: skip
IMAGE = net_of(  # an image as output; a window smaller than its stride; the plain pools, with a remainder
    Rescale(scale=1 / 255, offset=-0.5),
    Conv(filters=3, kernel=(1, 2), stride=(3, 2)),
    MaxPool(),
    Conv(filters=2, kernel=(5, 3)),
    AveragePool(),
    shape=(17, 20, 1), loss=MeanSquaredError(), name="image",
)  # fmt: skip
ACTIVE = net_of(  # every activation, two side by side
    *itertools.chain.from_iterable(
        (
            Dense(units=6),
            Residual(
                layers=(Activation(kind=a),),
                shortcut=(Activation(kind=b, alpha=0.3) if b == "leaky_relu" else Activation(kind=b),),
            ),
        )
        for a, b in itertools.zip_longest(ACTIVATIONS[:6], ACTIVATIONS[6:], fillvalue="leaky_relu")
    ),
    shape=(4,), loss=MeanSquaredError(), name="active",
)  # fmt: skip
SMALL = net_of(
    Dense(units=6, bias=False),
    BatchNorm(momentum=0.7, epsilon=1e-2),
    Activation(kind="tanh"),
    Dense(units=3),
    shape=(4,),
)
DROPPED = net_of(
    Rescale(scale=1 / 255),
    Conv(filters=3),
    Dropout(rate=0.25),
    Residual(layers=(Dropout(rate=0.4), Conv(filters=3)), shortcut=(Dropout(rate=0.1),)),
    Dropout(rate=0.0),
    Flatten(),
    Dropout(rate=0.5),
    Dense(units=3),
    shape=(5, 4, 1),
)
MIXED = net_of(
    Rescale(scale=1 / 255), Conv(filters=4), BatchNorm(), Activation(kind="relu"), MaxPool(), Dropout(rate=0.2), Flatten(),
    Dense(units=3),
    shape=(6, 6, 1),
)  # fmt: skip
BLIND = net_of(  # of each kernel only the middle meets a pixel
    Conv(filters=64, kernel=(5, 5)), Activation(kind="relu"), Flatten(), Dense(units=3),
    shape=(1, 1, 128),
)  # fmt: skip
NOISE_PAIR = Adversarial(
    name="noise pair",
    generator=net_of(
        Dense(units=8, bias=False), BatchNorm(momentum=0.8), Activation(kind="relu"), Dense(units=5),
        shape=(3,), loss=MeanSquaredError(),
    ),
    discriminator=net_of(
        Dense(units=8), Activation(kind="leaky_relu", alpha=0.2), BatchNorm(momentum=0.6), Dense(units=1),
        shape=(5,), loss=BinaryCrossEntropy(),
    ),
    critic_steps=2,
)  # fmt: skip
DATA_PAIR = Adversarial(
    name="data pair",
    generator=net_of(Dense(units=3), Activation(kind="elu"), Dense(units=5), shape=(5,), loss=MeanSquaredError()),
    discriminator=net_of(
        Dense(units=4), Activation(kind="tanh"), Dense(units=1), shape=(5,), loss=BinaryCrossEntropy()
    ),
    generator_input="data",
    reconstruction_weight=2.5,
)


def weights_of(net, seed=0):
    """Return weights with no zeros and no ones: an ignored bias or scale would be seen."""
    rng = np.random.default_rng(seed)
    weights = initial_weights(net, rng)
    for name, array in weights.items():
        if not name.endswith("kernel"):
            shift = rng.uniform(0.2, 0.6, array.shape)
            weights[name] = array + shift * np.where(rng.random(array.shape) < 0.5, -1, 1)
    return {name: frozen(array) for name, array in weights.items()}


def batches_of(net, steps, seed=1, batch=BATCH) -> tuple[Any, Any, Any]:
    """Return (x, y, extra) with a leading axis of `steps`; bytes for a network that begins with Rescale."""
    rng = np.random.default_rng(seed)
    if isinstance(net, Adversarial):
        many = (steps, net.critic_steps, batch)
        x, z = net.discriminator.input_shape, net.generator.input_shape
        noise = [rng.standard_normal(many + z), rng.standard_normal((steps, batch, *z))]
        return frozen(rng.standard_normal(many + x)), None, noise if net.generator_input == "noise" else []
    shape = (steps, batch, *net.input_shape)
    stored = isinstance(net.layers[0], Rescale)
    x = rng.integers(0, 256, shape, dtype=np.uint8) if stored else rng.standard_normal(shape)
    classes = getattr(net.loss, "classes", net.output_shape[0])
    of_class = isinstance(net.loss, SoftmaxCrossEntropy | CosineMargin)
    y = rng.integers(0, classes, (steps, batch)) if of_class else rng.random((steps, batch, *net.output_shape))
    dropouts = [p for top in net.placed() for p in top.walk() if isinstance(p.layer, Dropout) and p.layer.rate]
    masks = [rng.integers(0, 2, (steps, batch, *p.input_shape), dtype=np.uint8) for p in dropouts]
    return frozen(x), frozen(y), [frozen(mask) for mask in masks]


def batch_of(net, seed=1, batch=BATCH) -> tuple[Any, Any, Any]:
    """Return one batch."""
    x, y, extra = batches_of(net, 1, seed, batch)
    return x[0], None if y is None else y[0], [array[0] for array in extra]


def pieces(batches, count):
    """Yield `batches` cut into runs of `count` steps."""
    x, y, extra = batches
    for first in range(0, len(x), count):
        part = slice(first, first + count)
        yield x[part], None if y is None else y[part], [array[part] for array in extra]
