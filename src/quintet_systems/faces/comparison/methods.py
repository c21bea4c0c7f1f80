"""What is compared: an embedder that is there already, or hand-crafted features, fitted on each split's training faces."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from quintet_systems.faces.engine.parts import Embedder
from quintet_systems.faces.handcrafted.features import METHODS

FIT_AT_MOST = 3000  # faces: more teach principal components nothing new, and cost minutes
Fit = Callable[[np.ndarray, np.ndarray], Embedder]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One contestant. `fit` takes training crops and people; one that learns nothing from them has `fits` False.

    `knows` names the sets that it learnt from, and so is not compared on.
    """

    name: str
    kind: Literal["learned", "hand-crafted"]
    fits: bool
    fit: Fit
    card: Mapping[str, Any]
    knows: frozenset[str] = frozenset()


def handcrafted() -> list[Method]:
    """Return the five hand-crafted methods."""
    sources = {"eigenfaces": "Turk & Pentland 1991", "fisherfaces": "Belhumeur, Hespanha & Kriegman 1997",
               "lbp": "Ahonen, Hadid & Pietikäinen 2006", "hog": "Dalal & Triggs 2005",
               "hog+svm": "Dalal & Triggs 2005, Kumar et al. 2009"}  # fmt: skip
    return [
        Method(
            name=name,
            kind="hand-crafted",
            fits=name in ("eigenfaces", "fisherfaces", "hog+svm"),
            fit=lambda crops, people, make=make: make(*at_most(crops, people)),
            card={"name": name, "source": sources[name]},
        )
        for name, make in METHODS.items()
    ]


def learned(embedder: Embedder) -> Method:
    """Return a trained embedder as a contestant: it is the same whatever the split."""
    return Method(
        name=embedder.name,
        kind="learned",
        fits=False,
        fit=lambda crops, people: embedder,  # noqa: ARG005
        card=embedder.card,
        knows=frozenset(embedder.card.get("knows", ())),
    )


def at_most(crops: np.ndarray, people: np.ndarray, count: int = FIT_AT_MOST) -> tuple[np.ndarray, np.ndarray]:
    """Return at most about `count` faces: of people with several, as many whole people as fit, then single faces."""
    if len(crops) <= count:
        return crops, people
    rng = np.random.default_rng(0)
    names, inverse, counts = np.unique(people, return_inverse=True, return_counts=True)
    order = rng.permutation(len(names))
    order = np.concatenate([order[counts[order] >= 2], order[counts[order] < 2]])
    kept = order[np.cumsum(counts[order]) <= count]
    chosen = np.isin(inverse, kept)
    return crops[chosen], people[chosen]


def milliseconds(embedder: Embedder, crops: np.ndarray, calls: int = 40) -> tuple[float, float]:
    """Return the median and the 95th percentile of one face's time, over faces given one by one."""
    embedder(crops[:1])
    times = []
    for i in range(calls):
        begun = time.perf_counter()
        embedder(crops[i % len(crops)][None])
        times.append(1000 * (time.perf_counter() - begun))
    return float(np.median(times)), float(np.percentile(times, 95))


def named(methods: Sequence[Method], kind: str) -> list[str]:
    """Return the names of the methods of one kind."""
    return [one.name for one in methods if one.kind == kind]
