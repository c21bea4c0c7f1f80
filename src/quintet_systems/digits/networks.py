"""The networks of the digits system, each with its training: the survey's, a small fast one, a best one.

Every setting was chosen on the validation split; the test set was opened for the figures in docs/results alone. Each
network has a form for 28x28 images (MNIST) and one for 8x8 (scikit-learn's digits).
"""

from collections.abc import Callable

from quintet.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Flatten,
    Layer,
    MaxPool,
    Rescale,
)
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.recipe import Recipe

Shape = tuple[int, ...]
BYTES = Rescale(scale=1 / 255)


def survey_recipe(shape: Shape, activation: str = "relu") -> Recipe:
    """Return the survey's CNN + softmax.

    The survey gives no sizes, so this is the CNN that its source's field means on MNIST: LeNet-5 (LeCun et al. 1998),
    61,706 weights, with max pooling and any activation. On 8x8 images its kernels shrink to 3x3.
    """
    kernel = (5, 5) if large(shape) else (3, 3)
    layers: tuple[Layer, ...] = (
        BYTES,
        Conv(filters=6, kernel=kernel),
        Activation(kind=activation),
        MaxPool(),
        Conv(filters=16, kernel=kernel, padding="valid" if large(shape) else "same"),
        Activation(kind=activation),
        MaxPool(),
        Flatten(),
        Dense(units=120),
        Activation(kind=activation),
        Dense(units=84),
        Activation(kind=activation),
        Dense(units=10),
    )
    return Recipe(
        net=Net(name="survey", input_shape=shape, layers=layers, loss=SoftmaxCrossEntropy()),
        optimiser=SGD(momentum=0.9),
        rate=0.05,
        schedule="cosine",
        warmup=0.05,
        batch_size=128 if large(shape) else 32,
        epochs=3 if large(shape) else 15,
    )


def block(filters: int, stride: int = 1) -> tuple[Layer, ...]:
    """Return convolution, BatchNorm, relu."""
    return (
        Conv(filters=filters, stride=(stride, stride), bias=False),
        BatchNorm(),
        Activation(kind="relu"),
    )


def fast_recipe(shape: Shape) -> Recipe:
    """Return the small fast network."""
    layers: tuple[Layer, ...] = (BYTES, *block(16), MaxPool(), *block(32), MaxPool(), Flatten(), Dense(units=10))
    return Recipe(
        net=Net(name="fast", input_shape=shape, layers=layers, loss=SoftmaxCrossEntropy()),
        optimiser=SGD(momentum=0.9, nesterov=True),
        rate=0.1,
        schedule="one_cycle",
        batch_size=128 if large(shape) else 32,
        epochs=2 if large(shape) else 15,
    )


def best_recipe(shape: Shape) -> Recipe:
    """Return the most accurate network."""
    return fast_recipe(shape)


NETWORKS: dict[str, Callable[[Shape], Recipe]] = {
    "survey": survey_recipe,
    "fast": fast_recipe,
    "best": best_recipe,
}


def recipe(network: str, shape: Shape) -> Recipe:
    """Return the recipe of `network` for images of `shape`, `(height, width, channels)`."""
    return NETWORKS[network](shape)


def large(shape: Shape) -> bool:
    """Tell MNIST-sized images from 8x8 ones."""
    return shape[0] >= 20
