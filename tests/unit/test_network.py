"""A Net checks its shapes when it is made; what does not fit is told by layer, with both shapes."""

from typing import Any

import pytest

from quintet.errors import NetworkError
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
    pads,
)
from quintet.losses import BinaryCrossEntropy, CosineMargin, Loss, MeanSquaredError, SoftmaxCrossEntropy
from quintet.network import Adversarial, Net

SOFTMAX = SoftmaxCrossEntropy()


def net(*layers: Layer, shape: tuple[int, ...] = (8, 8, 3), loss: Loss = SOFTMAX, name: str = "n") -> Net:
    return Net(name=name, input_shape=shape, layers=layers, loss=loss)


@pytest.mark.parametrize(
    ("layers", "words"),
    [
        ((Conv(filters=4), Dense(units=10)), ("dense1 (Dense)", "(8, 8, 4)", "(10,)", "Flatten()")),
        ((Flatten(), Dense(units=4), Conv(filters=4)), ("conv1 (Conv)", "(4,)", "(height, width, channels)")),
        ((Residual(layers=(Conv(filters=4),)),), ("residual1 (Residual)", "(8, 8, 4)", "(8, 8, 3)")),
        (
            (Residual(layers=(Conv(filters=4),), shortcut=(Conv(filters=4, stride=(2, 2)),)),),
            ("residual1", "(8, 8, 4)", "(4, 4, 4)"),
        ),
        ((MaxPool(), MaxPool(), MaxPool(), MaxPool()), ("max_pool4 (MaxPool)", "(1, 1, 3)", "(2, 2)")),
        ((AveragePool(size=(9, 1)),), ("average_pool1", "(8, 8, 3)", "(9, 1)")),
        ((Conv(filters=4, kernel=(9, 9), padding="valid"),), ("conv1", "(8, 8, 3)", "(9, 9)")),
        ((Rescale(scale=(1.0, 2.0)),), ("rescale1 (Rescale)", "2 numbers", "(8, 8, 3)", "expected 3")),
        ((Flatten(), GlobalAveragePool()), ("global_average_pool1", "(192,)")),
        ((Conv(filters=4, kernel=3),), ("conv1", "window 3", "(3, 3)")),  # pyright: ignore[reportArgumentType]
        ((Conv(filters=4, stride=(0, 1)),), ("conv1", "stride (0, 1)")),
        ((Conv(filters=0),), ("conv1", "0 filters")),
        ((Flatten(), Dense(units=0)), ("dense1", "0 units")),
        ((Conv(filters=4, padding="smae"),), ('"smae"', 'did you mean "same"?')),  # pyright: ignore[reportArgumentType]
        ((Residual(layers=(Flatten(), Dense(units=2), Conv(filters=1))),), ("conv1 (Conv)", "(2,)")),
    ],
)
def test_shapes_that_do_not_fit_name_the_layer_and_both_shapes(layers, words):
    with pytest.raises(NetworkError) as error:
        net(*layers)
    message = str(error.value)
    assert "\n" not in message
    assert 'network "n"' in message
    for word in words:
        assert word in message


@pytest.mark.parametrize("shape", [(8, 8), (0, 8, 1), (), (8, 8, 1, 1)])
def test_an_input_shape_that_cannot_be(shape):
    with pytest.raises(NetworkError, match="input_shape"):
        net(shape=shape)


@pytest.mark.parametrize("loss", [SOFTMAX, BinaryCrossEntropy(), CosineMargin(classes=4)])
def test_a_loss_that_wants_features_refuses_an_image(loss):
    with pytest.raises(NetworkError) as error:
        net(Conv(filters=4), loss=loss)
    assert loss.type in str(error.value)
    assert "(8, 8, 4)" in str(error.value)


def test_mean_squared_error_takes_an_image():
    assert net(Conv(filters=4), loss=MeanSquaredError()).output_shape == (8, 8, 4)


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (lambda: Activation(kind="rleu"), 'did you mean "relu"'),
        (lambda: Activation(kind="relu", alpha=0.1), "only elu and leaky_relu"),
        (lambda: Dropout(rate=1.0), "0 <= rate < 1"),
        (lambda: Dropout(rate=-0.1), "0 <= rate < 1"),
    ],
)
def test_settings_that_cannot_be(make, word):
    with pytest.raises(NetworkError, match=word):
        make()


def test_parameters_are_numbered_by_kind_depth_first_and_the_loss_comes_last():
    inner = (Conv(filters=4, bias=False), BatchNorm())
    made = net(
        Conv(filters=4), Residual(layers=inner, shortcut=(Conv(filters=4, kernel=(1, 1)),)), Flatten(), Dense(units=5),
        Normalise(), loss=CosineMargin(classes=7),
    )  # fmt: skip
    shapes = {p.name: p.shape for p in made.parameters()}
    assert list(shapes) == [
        "conv1.kernel", "conv1.bias", "conv2.kernel", "bn1.scale", "bn1.offset", "bn1.mean", "bn1.variance",
        "conv3.kernel", "conv3.bias", "dense1.kernel", "dense1.bias", "loss.kernel",
    ]  # fmt: skip
    assert shapes["conv1.kernel"] == (3, 3, 3, 4)
    assert shapes["dense1.kernel"] == (256, 5)
    assert shapes["loss.kernel"] == (5, 7)
    trained = 112 + 144 + 8 + 20 + 1285 + 35  # the running mean and variance are kept, not trained
    assert made.parameter_count() == trained


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "expected", "output"),
    [
        ((8, 8, 1), (3, 3), (1, 1), ((1, 1), (1, 1)), (8, 8)),
        ((8, 8, 1), (3, 3), (2, 2), ((0, 1), (0, 1)), (4, 4)),  # an odd surplus goes to the bottom and the right
        ((7, 9, 1), (3, 3), (2, 2), ((1, 1), (1, 1)), (4, 5)),
        ((7, 7, 1), (4, 2), (1, 1), ((1, 2), (0, 1)), (7, 7)),
        ((5, 5, 1), (1, 1), (2, 2), ((0, 0), (0, 0)), (3, 3)),  # no padding can be negative
        ((28, 28, 1), (5, 5), (3, 3), ((2, 2), (2, 2)), (10, 10)),
    ],
)
def test_same_padding_is_tensorflows(shape, kernel, stride, expected, output):
    conv = Conv(filters=1, kernel=kernel, stride=stride)
    assert pads(shape, conv) == expected
    assert conv.output_shape(shape)[:2] == output


@pytest.mark.parametrize(("length", "expected"), [(8, 3), (9, 4), (7, 3)])
def test_valid_padding_takes_whole_windows_only(length, expected):
    conv = Conv(filters=1, kernel=(3, 3), stride=(2, 2), padding="valid")
    assert pads((length, length, 1), conv) == ((0, 0), (0, 0))
    assert conv.output_shape((length, length, 1)) == (expected, expected, 1)


def dense(inputs: int, outputs: int, loss: Loss, *before: Layer) -> Net:
    return net(*before, Dense(units=outputs), shape=(inputs,), loss=loss)


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"generator": dense(2, 5, MeanSquaredError())}, r"generator gives \(5,\), the discriminator expects \(4,\)"),
        ({"discriminator": dense(4, 2, BinaryCrossEntropy())}, r"output \(2,\)"),
        ({"discriminator": dense(4, 1, MeanSquaredError())}, "mean_squared_error, expected one logit"),
        ({"discriminator": dense(4, 1, BinaryCrossEntropy(), Dropout(rate=0.5))}, "Dropout"),
        ({"generator_input": "data"}, r"takes \(2,\), expected \(4,\)"),
        ({"critic_steps": 0}, "critic_steps=0"),
        ({"reconstruction_weight": 1.0}, "reconstruction"),
    ],
)
def test_a_pair_that_does_not_fit(settings, word):
    usual: dict[str, Any] = {
        "generator": dense(2, 4, MeanSquaredError()),
        "discriminator": dense(4, 1, BinaryCrossEntropy()),
    }
    Adversarial(name="fits", **usual)
    with pytest.raises(NetworkError, match=word):
        Adversarial(name="pair", **(usual | settings))
