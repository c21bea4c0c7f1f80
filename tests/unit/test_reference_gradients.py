"""The umpire's own gradients against central differences: every layer, activation, loss and pair.

Nothing else in the house checks the reference, so this is where its formulas are proved right.
"""

import numpy as np
import pytest

from quintet.layers import (
    ACTIVATIONS,
    LAYER_TYPES,
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
from quintet.losses import LOSS_TYPES, BinaryCrossEntropy, CosineMargin, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.network_json import resolved
from quintet.weights import initial_weights
from quintet_worker.adapters.reference import Reference

SGD = {"type": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
STEP = 1e-6
BATCH = 6


def check_gradients(net, x, y, extra, rng):
    """Compare each parameter's gradient with (f(w + e d) - f(w - e d)) / 2e along a random direction d."""
    reference = Reference()
    reference.build(resolved(net), SGD, "float64", 1, "cpu")
    weights = initial_weights(net, rng)
    for name, array in weights.items():
        if name.endswith(("bias", "offset", "scale")):
            weights[name] = array + 0.1 * rng.standard_normal(array.shape)
    reference.load(weights)
    _, gradients = reference.gradients((x, y, extra))
    trained = {p.name for p in net.parameters() if p.trainable}
    assert set(gradients) == trained
    for name, gradient in gradients.items():
        direction = rng.standard_normal(gradient.shape)
        losses = []
        for sign in (1, -1):
            reference.load({**weights, name: weights[name] + sign * STEP * direction})
            losses.append(np.ravel(reference.gradients((x, y, extra))[0]))
        # A pair's losses are (generator, discriminator); a single network's is one number.
        which = -1 if name.startswith("discriminator.") else 0
        numerical = (losses[0][which] - losses[1][which]) / (2 * STEP)
        assert np.sum(gradient * direction) == pytest.approx(numerical, rel=2e-6, abs=2e-8), name


def outputs_of(net, seed):
    """Return (x, y) that suit the network and its loss."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((BATCH, *net.input_shape))
    if isinstance(net.loss, SoftmaxCrossEntropy | CosineMargin):
        return x, rng.integers(0, getattr(net.loss, "classes", net.output_shape[0]), BATCH)
    return x, rng.random((BATCH, *net.output_shape))


LAYERS = {
    "rescale": (Dense(units=3), Rescale(scale=(0.5, 2.0, -1.0), offset=0.3)),
    "conv": (
        Conv(filters=3, kernel=(3, 2), stride=(2, 1)),
        Conv(filters=2, kernel=(2, 2), padding="valid", bias=False),
    ),
    "dense": (Flatten(), Dense(units=4), Dense(units=3, bias=False)),
    "activation": (Conv(filters=2), Activation(kind="tanh")),
    "max_pool": (Conv(filters=2), MaxPool(size=(3, 2), stride=(2, 1))),
    "average_pool": (Conv(filters=2), AveragePool(size=(2, 3), stride=(1, 2))),
    "global_average_pool": (Conv(filters=3), GlobalAveragePool()),
    "batch_norm": (Conv(filters=2, bias=False), BatchNorm(momentum=0.5, epsilon=1e-2), Conv(filters=2, kernel=(1, 1))),
    "dropout": (Conv(filters=2), Dropout(rate=0.3)),
    "flatten": (Conv(filters=2), Flatten(), Dense(units=2)),
    "residual": (
        Conv(filters=2),
        Residual(layers=(Conv(filters=3), Activation(kind="tanh")), shortcut=(Conv(filters=3, kernel=(1, 1)),)),
        Residual(layers=(Conv(filters=3),)),
    ),
    "normalise": (Conv(filters=3), Normalise(epsilon=1e-3)),
}
LOSSES = {
    "softmax_cross_entropy": [SoftmaxCrossEntropy(), SoftmaxCrossEntropy(label_smoothing=0.1)],
    "binary_cross_entropy": [BinaryCrossEntropy(), BinaryCrossEntropy(label_smoothing=0.1)],
    "mean_squared_error": [MeanSquaredError()],
    "cosine_margin": [
        CosineMargin(classes=5, scale=4.0),
        CosineMargin(classes=5, scale=4.0, angular_margin=2.5),
        CosineMargin(classes=5, scale=4.0, angular_margin=0.0, cosine_margin=0.35),
    ],
}


@pytest.mark.parametrize("kind", LAYER_TYPES)
def test_layer(kind):
    shape = (4,) if kind == "rescale" else (6, 5, 2)
    net = Net(name=kind, input_shape=shape, layers=LAYERS[kind], loss=MeanSquaredError())
    x, y = outputs_of(net, 1)
    rng = np.random.default_rng(2)
    masks = [rng.integers(0, 2, (BATCH, 6, 5, 2), dtype=np.uint8)] if kind == "dropout" else []
    check_gradients(net, x, y, masks, rng)


@pytest.mark.parametrize("kind", ACTIVATIONS)
def test_activation(kind):
    layers = (Dense(units=6), Activation(kind=kind), Dense(units=3))
    net = Net(name=kind, input_shape=(4,), layers=layers, loss=MeanSquaredError())
    x, y = outputs_of(net, 3)
    check_gradients(net, x, y, [], np.random.default_rng(4))


@pytest.mark.parametrize("loss", [one for kind in LOSS_TYPES for one in LOSSES[kind]], ids=repr)
def test_loss(loss):
    net = Net(name=loss.type, input_shape=(4,), layers=(Dense(units=3),), loss=loss)
    x, y = outputs_of(net, 5)
    check_gradients(net, x, y, [], np.random.default_rng(6))


@pytest.mark.parametrize("reconstruction", [False, True])
def test_pair(reconstruction):
    rng = np.random.default_rng(7)
    features = 5 if reconstruction else 3
    generator = Net(
        name="generator",
        input_shape=(features,),
        layers=(Dense(units=8), BatchNorm(), Activation(kind="softplus"), Dense(units=5)),
        loss=MeanSquaredError(),
    )
    discriminator = Net(
        name="discriminator",
        input_shape=(5,),
        layers=(Dense(units=8), Activation(kind="leaky_relu", alpha=0.2), BatchNorm(), Dense(units=1)),
        loss=BinaryCrossEntropy(),
    )
    net = Adversarial(
        name="pair",
        generator=generator,
        discriminator=discriminator,
        generator_input="data" if reconstruction else "noise",
        reconstruction_weight=0.7 if reconstruction else 0.0,
    )
    noise = [] if reconstruction else [rng.standard_normal((1, BATCH, 3)), rng.standard_normal((BATCH, 3))]
    check_gradients(net, rng.standard_normal((1, BATCH, 5)), None, noise, rng)
