"""What a library's adapter can and cannot run, asked of the adapter itself without importing the library."""

import functools

from quintet import layers, losses
from quintet.job import PRECISIONS
from quintet.network import Adversarial, Net
from quintet.network_json import resolved
from quintet_worker.adapters import ADAPTERS, adapter_class

IMAGE, VECTOR = (6, 6, 2), (4,)


@functools.cache
def probes() -> dict[str, Net | Adversarial]:
    """Return the smallest network with each layer, each loss, and a pair."""

    def net(*parts: layers.Layer, shape: tuple[int, ...] = VECTOR, loss: losses.Loss | None = None) -> Net:
        return Net(name="probe", input_shape=shape, layers=parts, loss=loss or losses.MeanSquaredError())

    on_images = (
        layers.Conv(filters=2), layers.MaxPool(), layers.AveragePool(), layers.GlobalAveragePool(), layers.BatchNorm(),
        layers.Flatten(), layers.Rescale(), layers.Dropout(rate=0.5), layers.Residual(layers=(layers.Conv(filters=2),)),
        layers.Normalise(),
    )  # fmt: skip
    of_losses = (
        losses.SoftmaxCrossEntropy(), losses.BinaryCrossEntropy(), losses.MeanSquaredError(), losses.CosineMargin(classes=3),
    )  # fmt: skip
    found: dict[str, Net | Adversarial] = {layer.prefix: net(layer, shape=IMAGE) for layer in on_images}
    found |= {kind: net(layers.Activation(kind=kind)) for kind in layers.ACTIVATIONS}
    found |= {loss.type: net(layers.Dense(units=4), loss=loss) for loss in of_losses}
    judge = net(layers.Dense(units=1), loss=losses.BinaryCrossEntropy())
    found["adversarial pairs"] = Adversarial(name="probe", generator=net(layers.Dense(units=4)), discriminator=judge)
    return found


def precisions(name: str) -> list[str]:
    """Return the precisions in which the library runs at all."""
    if name not in ADAPTERS:
        return []
    probe = resolved(probes()["mean_squared_error"])
    return [precision for precision in PRECISIONS if adapter_class(name).supports(probe, precision) is None]


def cannot(name: str) -> dict[str, str]:
    """Return what the library cannot run, layer, loss or precision, each with the reason."""
    if name not in ADAPTERS:
        return {}
    supports, can = adapter_class(name).supports, precisions(name)
    found = {what: supports(resolved(net), can[0]) for what, net in probes().items()}
    probe = resolved(probes()["mean_squared_error"])
    found |= {precision: supports(probe, precision) for precision in PRECISIONS if precision not in can}
    return {what: why for what, why in found.items() if why}
