"""The losses: what a network is trained to make small. Each is the mean over the batch; formulas in docs/networks.md."""

from dataclasses import dataclass
from typing import ClassVar

from quintet.errors import NetworkError
from quintet.layers import Parameter, Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftmaxCrossEntropy:
    """Cross-entropy of softmax(output) against class indices `(batch,)`; the network ends in logits `(classes,)`.

    With smoothing s the target of the true class is `1 - s + s / classes` and of each other `s / classes`.
    """

    label_smoothing: float = 0.0
    type: ClassVar[str] = "softmax_cross_entropy"

    def check(self, output: Shape) -> None:
        require_features(self.type, output)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinaryCrossEntropy:
    """Mean cross-entropy of sigmoid(output) against targets `(batch, outputs)` in [0, 1]; the network ends in logits.

    With smoothing s a target t becomes `t * (1 - s) + s / 2`.
    """

    label_smoothing: float = 0.0
    type: ClassVar[str] = "binary_cross_entropy"

    def check(self, output: Shape) -> None:
        require_features(self.type, output)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanSquaredError:
    """Mean over all elements of `(output - target) ** 2`; targets `(batch, *output_shape)`."""

    type: ClassVar[str] = "mean_squared_error"

    def check(self, output: Shape) -> None:
        """Any shape will do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineMargin:
    """ArcFace (`angular_margin`) and CosFace (`cosine_margin`) in one; targets are class indices `(batch,)`.

    With cos t the cosine between the embedding and its class's column of `loss.kernel` `(features, classes)`, the true
    class's logit is `scale * (cos(t + angular_margin) - cosine_margin)` and the others' `scale * cos t`; where
    t + angular_margin passes pi, `cos t - angular_margin * sin(angular_margin)` takes the cosine's place.
    Sources: Deng et al. 2019 (eq. 4) and Wang et al. 2018 (eq. 4).
    """

    classes: int
    scale: float = 30.0
    angular_margin: float = 0.5
    cosine_margin: float = 0.0
    type: ClassVar[str] = "cosine_margin"

    def check(self, output: Shape) -> None:
        require_features(self.type, output)

    def parameters(self, output: Shape) -> tuple[Parameter, ...]:
        return (
            Parameter(
                name="loss.kernel",
                shape=(output[0], self.classes),
                role="kernel",
                fan_in=output[0],
                fan_out=self.classes,
            ),
        )


Loss = SoftmaxCrossEntropy | BinaryCrossEntropy | MeanSquaredError | CosineMargin

LOSS_TYPES: dict[str, type] = {
    cls.type: cls for cls in (SoftmaxCrossEntropy, BinaryCrossEntropy, MeanSquaredError, CosineMargin)
}


def require_features(loss: str, output: Shape) -> None:
    if len(output) != 1:
        raise NetworkError(
            f"loss {loss}: received a network output of shape {output}, expected (features,);"
            " put Flatten() or GlobalAveragePool() before the end"
        )
