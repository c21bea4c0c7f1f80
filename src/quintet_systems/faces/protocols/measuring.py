"""Everything that a set of named faces says of an engine: verification, closed-set and open-set identification, DET.

Every picture is compared with every other, so that few pictures give many comparisons; intervals are over people where that
can be. Rates that the comparisons cannot carry are named with the reason, never given.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from quintet.errors import DataError
from quintet.statistics import Interval, interval
from quintet_systems.faces.protocols.identification import OpenSet, cmc, open_set, ranks, templates
from quintet_systems.faces.protocols.rates import (
    NOT_COMPARED,
    Point,
    det_curve,
    eer_interval,
    equal_error_rate,
    operating_point,
    over_people,
    threshold_at_fmr,
)

FMRS, FPIRS = (0.1, 0.01, 1e-3, 1e-4, 1e-5), (0.1, 0.03, 0.01)
DEEPEST = 10
CURVE = 200  # points of the DET curve that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a set came to. `fta` is the failure-to-acquire rate: the share of pictures in which no face was found.

    `points` and `open_set` are by the rate that was asked for; what could not be carried is in `refused`. `cmc` is of a
    gallery with one picture a person against all other pictures, None where nobody has two.
    """

    pictures: int
    people: int
    fta: float
    n_mated: int
    n_impostor: int
    eer: float
    eer_interval: Interval
    points: Mapping[str, Point]
    cmc: tuple[float, ...] | None
    rank1_interval: Interval | None
    open_set: Mapping[str, OpenSet]
    refused: tuple[str, ...]
    det: tuple[tuple[float, float, float], ...]


def measure_set(embeddings: np.ndarray, people: np.ndarray, found: np.ndarray, seed: int = 1) -> Measured:
    """Return what faces of named people say of the embedder that made `embeddings` `(n, features)`.

    Args:
        people: `(n,)`, who each shows.
        found: `(n,)`, whether a face was found; where not, every comparison fails.

    Raises:
        DataError: there is no person with two pictures, or only one person.
    """
    embeddings = np.asarray(embeddings, np.float64)
    scores = np.where(found[:, None] & found[None, :], embeddings @ embeddings.T, NOT_COMPARED)
    above = np.triu_indices(len(people), 1)
    same = people[above[0]] == people[above[1]]
    mated, impostor = scores[above][same], scores[above][~same]
    if not len(mated) or not len(impostor):
        raise DataError(
            f"received {len(people)} pictures of {len(np.unique(people))} people, expected at least two people and one of"
            " them with two pictures; bring more pictures"
        )
    points, refused = {}, []
    for rate in FMRS:
        try:
            point = operating_point(mated, impostor, threshold_at_fmr(impostor, rate))
            points[f"{rate:g}"] = over_people(point, scores, people)
        except DataError as error:
            refused.append(str(error))
    opened: dict[str, OpenSet] = {}
    places = _closed(embeddings, people, found, seed)
    for rate in FPIRS:
        try:
            opened[f"{rate:g}"] = _open(embeddings, people, found, rate, seed)
        except DataError as error:
            refused.append(f"open set: {error}")
    thresholds, fmr, fnmr = det_curve(mated, impostor)
    kept = np.unique(np.linspace(0, len(thresholds) - 1, CURVE).round().astype(int))
    return Measured(
        pictures=len(people),
        people=len(np.unique(people)),
        fta=float(1 - found.mean()),
        n_mated=len(mated),
        n_impostor=len(impostor),
        eer=equal_error_rate(mated, impostor),
        eer_interval=eer_interval(scores, people),
        points=points,
        cmc=None if places is None else tuple(cmc(places[0], min(DEEPEST, len(np.unique(people)))).tolist()),
        rank1_interval=None if places is None else _over_people(places[0] == 1, places[1]),
        open_set=opened,
        refused=tuple(refused),
        det=tuple(
            (float(t), float(a), float(b))
            for t, a, b in zip(np.clip(thresholds[kept], -2, 2), fmr[kept], fnmr[kept], strict=True)
        ),
    )


def _closed(
    embeddings: np.ndarray, people: np.ndarray, found: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the places and people of searches by everyone's other pictures in a gallery of one picture each."""
    enrolled, searches = _one_each(people, found, seed)
    if not len(searches):
        return None
    gallery, names = templates(embeddings[enrolled], people[enrolled])
    searches = searches[np.isin(people[searches], names)]
    scores = np.where(found[searches, None], embeddings[searches] @ gallery.T, NOT_COMPARED)
    return ranks(scores, names, people[searches]), people[searches]


def _open(embeddings: np.ndarray, people: np.ndarray, found: np.ndarray, rate: float, seed: int) -> OpenSet:
    """Half of the people are enrolled with one picture each; the other half come as strangers with all of theirs."""
    rng = np.random.default_rng(seed)
    names = rng.permutation(np.unique(people))
    known = np.isin(people, names[: len(names) // 2])
    enrolled, searches = _one_each(np.where(known, people, ""), found & known, seed)
    searches = searches[known[searches]]
    gallery, enrolled_names = templates(embeddings[enrolled], people[enrolled])
    searches = searches[np.isin(people[searches], enrolled_names)]
    if not len(searches):
        raise DataError("received nobody with two pictures among the enrolled, expected at least one")

    def against(rows: np.ndarray) -> np.ndarray:
        return np.where(found[rows, None], embeddings[rows] @ gallery.T, NOT_COMPARED)

    return open_set(
        against(searches), enrolled_names, people[searches], against(np.flatnonzero(~known & (people != ""))), rate
    )


def _one_each(people: np.ndarray, found: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return one picture with a face of each person, and all their other pictures."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(np.flatnonzero(found))
    _, first = np.unique(people[order], return_index=True)
    enrolled = np.sort(order[first])
    return enrolled, np.setdiff1d(np.arange(len(people)), enrolled)


def _over_people(right: np.ndarray, people: np.ndarray) -> Interval:
    return interval([float(right[people == one].mean()) for one in np.unique(people)])
