"""Who is it? Closed set (everyone is enrolled) and open set (strangers come too), in the terms of ISO/IEC 19795-1.

The gallery holds one template a person, the mean of their enrolled embeddings, scaled to length 1. FNIR(N, T) is the share of
searches by enrolled people whose own template is not the best, or does not reach threshold T; FPIR(N, T) the share of searches
by strangers for whom any template reaches T. TPIR = 1 - FNIR. Faces that were not found count as misses, and as no match.
"""

from dataclasses import dataclass

import numpy as np

from quintet.errors import DataError
from quintet.statistics import Interval, interval
from quintet_systems.faces.protocols.rates import NOT_COMPARED, threshold_at_fmr

TINY = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSet:
    """Open-set identification at one false positive identification rate."""

    fpir: float
    threshold: float
    tpir: float
    tpir_interval: Interval
    n_enrolled: int
    n_mated: int
    n_strangers: int


def templates(embeddings: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (templates `(persons, features)` of length 1, who each is) of `embeddings` `(images, features)`."""
    everyone = np.unique(people)
    means = np.stack([embeddings[people == one].mean(0) for one in everyone])
    return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), TINY), everyone


def ranks(scores: np.ndarray, gallery: np.ndarray, people: np.ndarray) -> np.ndarray:
    """Return at which place, 1 the best, each search finds its own template; equal scores count against it.

    Args:
        scores: `(searches, persons)`; a row of NOT_COMPARED where no face was found.
        gallery: `(persons,)`, who each template is.
        people: `(searches,)`, who searches; each is in the gallery.
    """
    own = np.searchsorted(gallery, people)
    if not np.array_equal(gallery[np.minimum(own, len(gallery) - 1)], people):
        raise DataError("received searches by people who are not enrolled, expected a closed set; use open_set")
    mated = scores[np.arange(len(scores)), own]
    others = scores.copy()
    others[np.arange(len(scores)), own] = -np.inf
    return 1 + (others >= mated[:, None]).sum(1)


def cmc(places: np.ndarray, deepest: int) -> np.ndarray:
    """Return the cumulative match characteristic `(deepest,)`: the share found at place 1, at place 2 or better, …"""
    return np.array([(places <= k).mean() for k in range(1, deepest + 1)])


def open_set(
    scores: np.ndarray, gallery: np.ndarray, people: np.ndarray, strangers: np.ndarray, fpir: float
) -> OpenSet:
    """Return the true positive identification rate where at most `fpir` of the strangers are taken for someone.

    Args:
        scores: `(searches, persons)` of enrolled people.
        strangers: `(searches, persons)` of people who are not enrolled.

    Raises:
        DataError: too few strangers to carry the rate.
    """
    scores = np.asarray(scores, np.float64)
    threshold = threshold_at_fmr(strangers.max(1), fpir)
    own = np.searchsorted(gallery, people)
    best = scores.argmax(1)
    found = (best == own) & (scores.max(1) >= threshold) & (scores.max(1) > NOT_COMPARED)
    return OpenSet(
        fpir=fpir,
        threshold=threshold,
        tpir=float(found.mean()),
        tpir_interval=interval([float(found[people == one].mean()) for one in np.unique(people)]),
        n_enrolled=len(gallery),
        n_mated=len(people),
        n_strangers=len(strangers),
    )
