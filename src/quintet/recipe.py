"""How a network is trained: everything that a library does not get to choose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from quintet.network import Adversarial, Net
from quintet.network_json import to_json
from quintet.optimiser import Optimiser, wire_form
from quintet.weights import Scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A network and its training.

    Args:
        rate: the peak learning rate.
        schedule, warmup: see batches.learning_rates.
        epochs: passes over the training samples; need not be whole.
        augment: settings of quintet_worker.augment, or None; those under "at_the_end" hold for the last "share" of the steps.
        initial: see weights.initial_weights.
        bfloat16: the libraries under which bfloat16 was seen to train faster with its accuracy kept; `quintet train` uses it
            there on processors that compute it themselves.
    """

    net: Net | Adversarial
    optimiser: Optimiser
    rate: float
    schedule: Literal["constant", "cosine", "one_cycle", "linear"] = "constant"
    warmup: float = 0.0
    batch_size: int = 128
    epochs: float = 1.0
    augment: Mapping[str, Any] | None = None
    initial: Scheme = "matched"
    bfloat16: tuple[str, ...] = ()

    def steps(self, samples: int) -> int:
        """Return how many optimiser steps `epochs` passes over `samples` make; at least one."""
        return max(1, round(self.epochs * (samples // self.batch_size)))

    def record(self) -> dict[str, Any]:
        """Return the recipe as plain values, for digests and model cards."""
        own = {key: getattr(self, key) for key in ("rate", "schedule", "warmup", "batch_size", "epochs", "initial")}
        augment = dict(self.augment) if self.augment else None
        return {**own, "net": to_json(self.net), "optimiser": wire_form(self.optimiser), "augment": augment}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Something that the survey says, to be checked: the sentence, and where it stands."""

    name: str
    sentence: str
    source: str
