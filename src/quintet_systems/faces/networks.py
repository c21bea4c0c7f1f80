"""The networks that Quintet trains for faces: embedders, and the cascade's three nets.

The embedders are residual nets with a cosine margin (Wang et al. 2018), on aligned faces at half size.

Nobody's faces are many: LFW has 13,000 pictures of 5,700 people, most of them with a single one. So the nets are small, the
margin mild, and augmentation strong: a person with one picture is then told apart by what survives it.
"""

from dataclasses import dataclass

from quintet.layers import Activation, BatchNorm, Conv, Dense, Dropout, Flatten, Layer, MaxPool, Rescale, Residual
from quintet.losses import CosineMargin, MeanSquaredError
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.recipe import Recipe
from quintet_systems.faces.engine.cascade import PLACE, PROPOSE, REFINE

SIDE = 56  # pixels: half of an aligned face
FEATURES = 128
CENTRED = Rescale(scale=1 / 64, offset=-120 / 64)
RELU = Activation(kind="relu")
NORM = BatchNorm(momentum=0.9, epsilon=1e-5)
AUGMENT = {
    "flip": 0.5,
    "shift": 2,
    "scale": 0.06,
    "rotation": 4,
    "contrast": 0.4,
    "brightness": 30,
    "tint": 12,
    "erase": 16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How many filters each stage has, and how many residual blocks."""

    filters: tuple[int, ...]
    blocks: tuple[int, ...]
    epochs: int


SIZES = {
    "tiny": Size(filters=(12, 24, 48), blocks=(1, 1, 1), epochs=30),
    "small": Size(filters=(24, 48, 96), blocks=(1, 2, 2), epochs=40),
}


def embedder_recipe(name: str, shape: tuple[int, ...], people: int) -> Recipe:
    """Return the net called `name` for `shape` (height, width, channels), to tell `people` apart, with its training."""
    size = SIZES[name]
    body: list[Layer] = [CENTRED, Conv(filters=size.filters[0], stride=(2, 2), bias=False), NORM, RELU]
    before = size.filters[0]
    for stage, (filters, blocks) in enumerate(zip(size.filters, size.blocks, strict=True)):
        for block in range(blocks):
            body += [residual(filters, 2 if stage and not block else 1, project=before != filters), RELU]
            before = filters
    body += [Flatten(), Dropout(rate=0.3), Dense(units=FEATURES, bias=False), NORM]
    loss = CosineMargin(classes=people, scale=24.0, angular_margin=0.0, cosine_margin=0.15)
    return Recipe(
        net=Net(name=name, input_shape=shape, layers=tuple(body), loss=loss),
        optimiser=SGD(momentum=0.9, nesterov=True, weight_decay=5e-4),
        rate=0.1,
        schedule="cosine",
        warmup=0.1,
        batch_size=128,
        epochs=size.epochs,
        augment=AUGMENT,
        initial="he",
        bfloat16=("torch",),
    )


def residual(filters: int, stride: int, project: bool) -> Residual:
    """Return two 3x3 convolutions beside the input itself, or beside a 1x1 convolution of it."""
    first = Conv(filters=filters, stride=(stride, stride), bias=False)
    return Residual(
        layers=(first, NORM, RELU, Conv(filters=filters, bias=False), NORM),
        shortcut=(Conv(filters=filters, kernel=(1, 1), stride=(stride, stride), bias=False), NORM) if project else (),
    )


def cascade_nets() -> dict[str, Net]:
    """Return the three nets of the cascade, untrained; see quintet_systems.faces.engine.cascade."""

    def conv(filters: int, kernel: int = 3) -> list[Layer]:
        return [Conv(filters=filters, kernel=(kernel, kernel), padding="valid", bias=False), NORM, RELU]

    propose = [CENTRED, *conv(12), MaxPool(), *conv(20), *conv(32), Conv(filters=1, kernel=(1, 1)), Flatten()]
    refine = [
        CENTRED,
        *conv(24),
        MaxPool(),
        *conv(40),
        MaxPool(),
        *conv(56),
        Flatten(),
        Dense(units=96),
        RELU,
        Dense(units=4),
    ]
    place = [
        CENTRED, *conv(24), MaxPool(), *conv(48), MaxPool(), *conv(64), MaxPool(), *conv(96, 2), Flatten(),
        Dense(units=160), RELU, Dense(units=11),
    ]  # fmt: skip
    sides = {"propose": (PROPOSE, propose), "refine": (REFINE, refine), "place": (PLACE, place)}
    return {
        name: Net(name=name, input_shape=(side, side, 3), layers=tuple(layers), loss=MeanSquaredError())
        for name, (side, layers) in sides.items()
    }
