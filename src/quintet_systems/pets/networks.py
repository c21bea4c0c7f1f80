"""The networks of the pets system, each with its training: the survey's two, and a ladder of small residual nets.

The ladder's training was chosen on the validation photos, by single seeds of `small` and about 42 minutes of one core each.
Mirror, crop and mild changes of light came to 92.6 %, the training photos by then all but learnt by heart. Turns, sizes and
shears with black corners came to 91 %: the network knew changed training photos better (95 %) than the same photos unchanged
(91 %), and four gentle epochs more brought 92.5 %. So corners repeat the border, and the last fifth of the steps sees photos
hardly changed: 92.9 % (two seeds). Batches of 64 instead of 128, at half the rate: 93.2 %. All of these had 24 filters in the
first stage; 16, with a third more epochs in the same time, came to 92.2 %. In 19 minutes 24 came to 91.8 % and 32 to 92.5 %:
hence 32. Five seeds of it: docs/results/pets.md. `large` has most of its weights in the last stage, where they cost the least.

Every network takes whole pictures squashed to its input; the first layer turns bytes into numbers so that the byte 120, near
the mean of photos, is exactly zero: what "same" padding adds.
"""

from collections.abc import Callable
from dataclasses import dataclass

from quintet.layers import (
    Activation,
    BatchNorm,
    Conv,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePool,
    Layer,
    MaxPool,
    Rescale,
    Residual,
)
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD, Adam
from quintet.recipe import Recipe

Shape = tuple[int, ...]
BYTES = Rescale(scale=1 / 255)
CENTRED = Rescale(scale=1 / 64, offset=-120 / 64)
RELU = Activation(kind="relu")
NORM = BatchNorm(momentum=0.9, epsilon=1e-5)
GEOMETRY = {"flip": 0.5, "shift": 4, "scale": 0.2, "rotation": 10, "shear": 0.08, "border": "repeat"}
GENTLE = {"flip": 0.5, "crop": 3, "contrast": 0.1, "brightness": 10}
AUGMENT = {
    **GEOMETRY,
    "contrast": 0.25,
    "brightness": 20,
    "tint": 8,
    "erase": 12,
    "at_the_end": {"share": 0.2, **GENTLE},
}


def survey2_recipe(shape: Shape, classes: int) -> Recipe:
    """Return the survey's net of two convolutions; see tutorial_recipe."""
    layers = [(32, 2, 2), (64, 2, 2)]
    return tutorial_recipe("survey2", shape, classes, layers)


def survey5_recipe(shape: Shape, classes: int) -> Recipe:
    """Return the survey's net of five convolutions; see tutorial_recipe."""
    layers = [(32, 5, 5), (64, 5, 5), (128, 5, 2), (64, 5, 0), (32, 5, 0)]
    return tutorial_recipe("survey5", shape, classes, layers)


def tutorial_recipe(name: str, shape: Shape, classes: int, convolutions: list[tuple[int, int, int]]) -> Recipe:
    """Return a net of `convolutions`, each (filters, kernel, pooling or 0), then 1,024 units of which one in five is dropped.

    The survey gives no sizes. These are those of the public tutorial that its source almost certainly followed (TFLearn, cats and
    dogs at 50x50, Adam at 0.001): the deeper net pools by 5, so that its last two convolutions see a single place. TFLearn's
    pooling pads, here it does not (12 places for its 13); and the picture keeps its colours.
    """
    body: list[Layer] = [BYTES]
    for filters, kernel, pool in convolutions:
        body += [Conv(filters=filters, kernel=(kernel, kernel)), RELU]
        body += [MaxPool(size=(pool, pool))] if pool else []
    body += [Flatten(), Dense(units=1024), RELU, Dropout(rate=0.2), Dense(units=classes)]
    return Recipe(
        net=Net(name=name, input_shape=shape, layers=tuple(body), loss=SoftmaxCrossEntropy()),
        optimiser=Adam(),
        rate=1e-3,
        batch_size=64,
        epochs=10,
        initial="he",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """A residual net of the ladder: how many filters each stage has, and how many residual blocks."""

    name: str
    filters: tuple[int, ...]
    blocks: tuple[int, ...]
    epochs: int


LADDER = (
    Rung(name="nano", filters=(8, 16, 32), blocks=(2, 2, 1), epochs=40),
    Rung(name="micro", filters=(16, 32, 64), blocks=(2, 2, 1), epochs=40),
    Rung(name="small", filters=(32, 48, 112), blocks=(2, 2, 1), epochs=56),
    Rung(name="large", filters=(32, 64, 256), blocks=(2, 2, 1), epochs=32),
)


def ladder_recipe(shape: Shape, classes: int, rung: Rung) -> Recipe:
    """Return a residual net (He et al. 2016): a convolution that halves the picture, then stages of blocks, each halving it."""
    body: list[Layer] = [CENTRED, Conv(filters=rung.filters[0], stride=(2, 2), bias=False), NORM, RELU]
    before = rung.filters[0]
    for stage, (count, blocks) in enumerate(zip(rung.filters, rung.blocks, strict=True)):
        for block in range(blocks):
            body += [residual(count, 2 if stage and not block else 1, project=before != count), RELU]
            before = count
    body += [GlobalAveragePool(), Dense(units=classes)]
    loss = SoftmaxCrossEntropy(label_smoothing=0.1)
    return Recipe(
        net=Net(name=rung.name, input_shape=shape, layers=tuple(body), loss=loss),
        optimiser=SGD(momentum=0.9, nesterov=True, weight_decay=5e-4),
        rate=0.1,
        schedule="cosine",
        warmup=0.15,
        batch_size=64,
        epochs=rung.epochs,
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


Make = Callable[[Shape, int], Recipe]
NETWORKS: dict[str, Make] = {
    "survey2": survey2_recipe,
    "survey5": survey5_recipe,
    **{rung.name: (lambda shape, classes, rung=rung: ladder_recipe(shape, classes, rung)) for rung in LADDER},
}
