"""Initial weights: the deviation that the formulas give, matched to the activation, and nothing but the Generator in it."""

import math

import numpy as np
import pytest

from quintet.errors import NetworkError
from quintet.layers import ACTIVATIONS, Activation, BatchNorm, Conv, Dense, Flatten, Residual
from quintet.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net
from quintet.weights import MATCHED, initial_weights


def wide(activation: str) -> Net:
    layers = (Dense(units=300), Activation(kind=activation), Dense(units=200))
    return Net(name="wide", input_shape=(400,), layers=layers, loss=SoftmaxCrossEntropy())


HE, GLOROT, LECUN = math.sqrt(2 / 400), math.sqrt(2 / 700), math.sqrt(1 / 400)


@pytest.mark.parametrize(
    ("scheme", "activation", "expected"),
    [
        ("he", "tanh", HE),
        ("glorot", "relu", GLOROT),
        ("lecun", "relu", LECUN),
        ("matched", "relu", HE),
        ("matched", "gelu", HE),
        ("matched", "tanh", GLOROT),
        ("matched", "selu", LECUN),
    ],
)
def test_the_deviation_of_each_scheme(scheme, activation, expected):
    kernel = initial_weights(wide(activation), np.random.default_rng(1), scheme)["dense1.kernel"]
    assert kernel.dtype == np.float64
    # 120,000 normal draws: the deviation's own deviation is 0.2 %, the mean's 0.3 % of it
    assert kernel.std() == pytest.approx(expected, rel=0.02)
    assert abs(kernel.mean()) < 0.02 * expected


def test_the_last_kernel_has_no_activation_behind_it_and_takes_glorots():
    kernel = initial_weights(wide("relu"), np.random.default_rng(1))["dense2.kernel"]
    assert kernel.std() == pytest.approx(math.sqrt(2 / 500), rel=0.02)


def test_a_kernel_is_matched_through_batch_norm_and_branches():
    layers = (
        Residual(layers=(Conv(filters=60), BatchNorm()), shortcut=(Conv(filters=60, kernel=(1, 1)),)),
        Activation(kind="selu"), Flatten(), Dense(units=2),
    )  # fmt: skip
    net = Net(name="n", input_shape=(2, 2, 50), layers=layers, loss=SoftmaxCrossEntropy())
    weights = initial_weights(net, np.random.default_rng(2))
    assert weights["conv1.kernel"].std() == pytest.approx(math.sqrt(1 / 450), rel=0.03)
    assert weights["conv2.kernel"].std() == pytest.approx(math.sqrt(1 / 50), rel=0.06)


def test_every_activation_has_a_match():
    assert set(MATCHED) == set(ACTIVATIONS)


def test_only_kernels_are_drawn_and_all_from_the_generator():
    net = Net(
        name="n", input_shape=(4, 4, 2), layers=(Conv(filters=3), BatchNorm(), Flatten(), Dense(units=2)),
        loss=SoftmaxCrossEntropy(),
    )  # fmt: skip
    one, same, other = (initial_weights(net, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert {n: a.shape for n, a in one.items()} == {p.name: p.shape for p in net.parameters()}
    for name, array in one.items():
        assert (array == same[name]).all()
        drawn = name.endswith("kernel")
        assert drawn != (array == other[name]).all()
        if not drawn:
            assert (array == (1.0 if name.endswith(("scale", "variance")) else 0.0)).all()


def test_a_pair_draws_the_generator_first_and_names_both():
    generator = Net(name="g", input_shape=(2,), layers=(Dense(units=4),), loss=MeanSquaredError())
    discriminator = Net(name="d", input_shape=(4,), layers=(Dense(units=1),), loss=BinaryCrossEntropy())
    pair = Adversarial(name="p", generator=generator, discriminator=discriminator)
    rng = np.random.default_rng(3)
    apart = [initial_weights(net, rng) for net in (generator, discriminator)]
    both = initial_weights(pair, np.random.default_rng(3))
    assert list(both) == [p.name for p in pair.parameters()]
    assert (both["generator.dense1.kernel"] == apart[0]["dense1.kernel"]).all()
    assert (both["discriminator.dense1.kernel"] == apart[1]["dense1.kernel"]).all()


def test_an_unknown_scheme():
    with pytest.raises(NetworkError, match='"hee", did you mean "he"'):
        initial_weights(wide("relu"), np.random.default_rng(0), "hee")  # pyright: ignore[reportArgumentType]
