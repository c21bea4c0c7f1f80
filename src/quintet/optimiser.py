"""The optimisers, defined by formula so that no library's own convention slips in; formulas in docs/networks.md."""

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from quintet.errors import NetworkError


@dataclass(frozen=True, slots=True, kw_only=True)
class SGD:
    """`g += weight_decay * w; v = momentum * v + g; w -= rate * (g + momentum * v if nesterov else v)`.

    Weight decay touches kernels only, here and below. Source: Sutskever et al. 2013, with the rate outside the velocity.
    """

    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    type: ClassVar[str] = "sgd"

    def __post_init__(self) -> None:
        _share("momentum", self.momentum)
        if self.nesterov and not self.momentum:
            raise NetworkError("received nesterov=True with momentum 0, expected a momentum above 0; give one")


@dataclass(frozen=True, slots=True, kw_only=True)
class Adam:
    """`w -= rate * m_hat / (sqrt(v_hat) + epsilon)`; Kingma & Ba 2015, algorithm 1, epsilon outside the root."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0
    type: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        _share("beta1", self.beta1)
        _share("beta2", self.beta2)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdamW:
    """Adam with `w -= rate * weight_decay * w` apart from the gradient; Loshchilov & Hutter 2019, algorithm 2."""

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.01
    type: ClassVar[str] = "adamw"

    def __post_init__(self) -> None:
        _share("beta1", self.beta1)
        _share("beta2", self.beta2)


Optimiser = SGD | Adam | AdamW


def wire_form(optimiser: Optimiser) -> dict[str, Any]:
    """Return the record that a job carries."""
    return {"type": optimiser.type, **asdict(optimiser)}


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise NetworkError(f"received {name}={value}, expected 0 <= {name} < 1")
