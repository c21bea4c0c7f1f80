"""What is computed, free of any library: Net (layers and a loss) and Adversarial (a pair of Nets).

A Net checks its shapes when it is made. Its parameters have names that every adapter, weights file and error uses:
"conv1.kernel", "bn2.mean", "dense1.bias"; the number counts the layers of that kind, depth first.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from quintet.errors import NetworkError
from quintet.layers import Dropout, Layer, Parameter, Residual, Shape, ShapeMismatch
from quintet.losses import BinaryCrossEntropy, CosineMargin, Loss


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedLayer:
    """A layer in its place: its name, the shapes it joins, and (Residual) the placed layers of its two branches."""

    name: str
    layer: Layer
    input_shape: Shape
    output_shape: Shape
    branches: tuple[tuple["PlacedLayer", ...], tuple["PlacedLayer", ...]] = ((), ())

    def walk(self) -> Iterator["PlacedLayer"]:
        """Yield this layer, then those of its branches, depth first."""
        yield self
        for branch in self.branches:
            for placed in branch:
                yield from placed.walk()


@dataclass(frozen=True, slots=True, kw_only=True)
class Net:
    """A feed-forward network.

    Args:
        name: how reports call it.
        input_shape: one sample's shape, `(height, width, channels)` or `(features,)`.
        layers: from input to output; the loss's softmax or sigmoid is not one of them.
        loss: what training makes small.

    Raises:
        NetworkError: the shapes do not fit; it names the layer, the shape received and the one expected.

    >>> from quintet.layers import Dense
    >>> from quintet.losses import SoftmaxCrossEntropy
    >>> net = Net(name="linear", input_shape=(64,), layers=(Dense(units=10),), loss=SoftmaxCrossEntropy())
    >>> [p.name for p in net.parameters()], net.output_shape
    (['dense1.kernel', 'dense1.bias'], (10,))
    """

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]
    loss: Loss

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "layers", tuple(self.layers))
        if len(self.input_shape) not in (1, 3) or min(self.input_shape) < 1:
            raise NetworkError(
                f'network "{self.name}": received input_shape {self.input_shape},'
                " expected (height, width, channels) or (features,) with positive numbers"
            )
        self.loss.check(self.output_shape)

    def placed(self) -> tuple[PlacedLayer, ...]:
        """Return the layers with their names and shapes."""
        return _place(self.layers, self.input_shape, {}, self.name)

    @property
    def output_shape(self) -> Shape:
        """One sample's output shape."""
        placed = self.placed()
        return placed[-1].output_shape if placed else self.input_shape

    def parameters(self) -> tuple[Parameter, ...]:
        """Return every array the network holds, in the order of its layers; the loss's own come last."""
        found = [
            parameter
            for top in self.placed()
            for placed in top.walk()
            if hasattr(placed.layer, "parameters")
            for parameter in placed.layer.parameters(placed.name, placed.input_shape)  # pyright: ignore
        ]
        if isinstance(self.loss, CosineMargin):
            found += self.loss.parameters(self.output_shape)
        return tuple(found)

    def parameter_count(self) -> int:
        """Return how many trainable numbers the network holds."""
        total = 0
        for parameter in self.parameters():
            size = 1
            for n in parameter.shape:
                size *= n
            total += size if parameter.trainable else 0
        return total


@dataclass(frozen=True, slots=True, kw_only=True)
class Adversarial:
    """A generator and a discriminator trained against each other (Goodfellow et al. 2014, non-saturating form).

    One step is `critic_steps` updates of the discriminator, then one of the generator. With D the discriminator's
    logit and BCE the binary cross-entropy: the discriminator makes BCE(D(x), 1) + BCE(D(G(z)), 0) small, the generator
    BCE(D(G(z)), 1) + reconstruction_weight * mean((G(z) - x) ** 2).

    Args:
        generator_input: "noise", then z is standard normal noise that the job carries; "data", then z is x itself
            and the generator reconstructs (an adversarial autoencoder).
        reconstruction_weight: only with "data".

    A network's running statistics move only in the updates of that network; while the other one is updated its
    BatchNorm uses the batch's own statistics. The reported loss is the generator's, then the discriminator's last.
    """

    name: str
    generator: Net
    discriminator: Net
    critic_steps: int = 1
    generator_input: Literal["noise", "data"] = "noise"
    reconstruction_weight: float = 0.0

    def __post_init__(self) -> None:
        made, wanted = self.generator.output_shape, self.discriminator.input_shape
        if made != wanted:
            raise NetworkError(
                f'adversarial "{self.name}": the generator gives {made}, the discriminator expects {wanted}; make them equal'
            )
        if self.discriminator.output_shape != (1,) or not isinstance(self.discriminator.loss, BinaryCrossEntropy):
            raise NetworkError(
                f'adversarial "{self.name}": received a discriminator with output {self.discriminator.output_shape} and loss'
                f" {self.discriminator.loss.type}, expected one logit (1,) and binary_cross_entropy; end it in Dense(units=1)"
            )
        if self.generator_input == "data" and self.generator.input_shape != wanted:
            raise NetworkError(
                f'adversarial "{self.name}": a generator that reconstructs takes {self.generator.input_shape},'
                f" expected {wanted}, the data's shape"
            )
        if any(
            isinstance(p.layer, Dropout)
            for net in (self.generator, self.discriminator)
            for t in net.placed()
            for p in t.walk()
        ):
            raise NetworkError(
                f'adversarial "{self.name}": received a Dropout layer, expected none in a pair; take it out'
            )
        if self.critic_steps < 1 or (self.reconstruction_weight and self.generator_input != "data"):
            raise NetworkError(
                f'adversarial "{self.name}": received critic_steps={self.critic_steps},'
                f' reconstruction_weight={self.reconstruction_weight}, generator_input="{self.generator_input}";'
                ' expected critic_steps >= 1, and reconstruction only with generator_input="data"'
            )

    def parameters(self) -> tuple[Parameter, ...]:
        """Return both networks' parameters; names begin with "generator." or "discriminator."."""
        return tuple(
            Parameter(name=f"{part}.{p.name}", shape=p.shape, role=p.role, fan_in=p.fan_in, fan_out=p.fan_out)
            for part, net in (("generator", self.generator), ("discriminator", self.discriminator))
            for p in net.parameters()
        )


def _place(layers: tuple[Layer, ...], shape: Shape, counts: dict[str, int], net: str) -> tuple[PlacedLayer, ...]:
    placed = []
    for layer in layers:
        counts[layer.prefix] = counts.get(layer.prefix, 0) + 1
        name = f"{layer.prefix}{counts[layer.prefix]}"
        branches = ((), ())
        try:
            if isinstance(layer, Residual):
                branches = (
                    _place(layer.layers, shape, counts, net),
                    _place(layer.shortcut, shape, counts, net),
                )
                main, short = (branch[-1].output_shape if branch else shape for branch in branches)
                if main != short:
                    raise ShapeMismatch(
                        f"layers that give {main} and a shortcut that gives {short}, expected equal shapes"
                    )
                output = main
            else:
                output = layer.output_shape(shape)
        except ShapeMismatch as error:
            raise NetworkError(f'network "{net}", layer {name} ({type(layer).__name__}): received {error}') from None
        placed.append(PlacedLayer(name=name, layer=layer, input_shape=shape, output_shape=output, branches=branches))
        shape = output
    return tuple(placed)
