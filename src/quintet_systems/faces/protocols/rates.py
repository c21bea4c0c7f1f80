"""Error rates of comparisons, in the terms of ISO/IEC 19795-1, with intervals; and a refusal where the data cannot carry a rate.

FMR, the false match rate: the share of impostor comparisons (two people) whose score reaches the threshold. FNMR, the false
non-match rate: the share of mated comparisons (one person) whose score does not. A comparison that could not be made, because a
face was not found, counts as a non-match in both; that makes the rates those of the whole chain.

Intervals are over people, not over comparisons: comparisons that share a person are not independent, so whole people are drawn
(the subsets bootstrap of Bolle, Ratha & Pankanti 2004) where the people are known. Where they are not, or where no error
was seen, it is Wilson's interval, which is too narrow.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from quintet.errors import DataError
from quintet.statistics import Interval, binomial_interval

RESAMPLES, MOST = 500, 200_000
NOT_COMPARED = -2.0  # below any cosine: what a comparison scores whose face was not found


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One operating point: the threshold, and both rates there with their intervals."""

    threshold: float
    fmr: float
    fmr_interval: Interval
    fnmr: float
    fnmr_interval: Interval
    n_impostor: int
    n_mated: int


def fmr_at(impostor: np.ndarray, threshold: float) -> float:
    """Return the share of impostor scores that reach the threshold."""
    return float((np.asarray(impostor, np.float64) >= threshold).mean())


def fnmr_at(mated: np.ndarray, threshold: float) -> float:
    """Return the share of mated scores that do not reach the threshold."""
    return float((np.asarray(mated, np.float64) < threshold).mean())


def require_carried(rate: float, n_impostor: int) -> None:
    """Refuse a false match rate that so many impostor comparisons cannot show, by the rule of three.

    Where no error was seen in n trials, the rate's upper 95 % bound is 3 / n: fewer than 3 / rate trials say nothing of it.

    Raises:
        DataError: too few, with both figures.
    """
    if not 0 < rate < 1:
        raise DataError(f"received a false match rate of {rate:g}, expected more than 0 and less than 1")
    needed = math.ceil(3 / rate)
    if n_impostor < needed:
        raise DataError(
            f"received {n_impostor:,} impostor comparisons for a false match rate of {rate:g}, expected at least {needed:,}"
            f" (rule of three); they carry a rate of {3 / max(n_impostor, 1):.2g}: for a lower one bring more people"
        )


def threshold_at_fmr(impostor: np.ndarray, rate: float) -> float:
    """Return the lowest threshold at which at most `rate` of the impostor scores match.

    Raises:
        DataError: the scores are too few to carry the rate; see require_carried.
    """
    scores = np.sort(np.asarray(impostor, np.float64))[::-1]
    require_carried(rate, len(scores))
    allowed = math.floor(rate * len(scores))
    return float(np.nextafter(scores[allowed], np.inf))


def operating_point(mated: np.ndarray, impostor: np.ndarray, threshold: float) -> Point:
    """Return both rates at `threshold`, with Wilson's intervals: for comparisons of people who are not known; see over_people."""
    # In float64: at float32 a threshold just above a score would be rounded back onto it.
    false_matches = int((np.asarray(impostor, np.float64) >= threshold).sum())
    false_non_matches = int((np.asarray(mated, np.float64) < threshold).sum())
    return Point(
        threshold=threshold,
        fmr=false_matches / len(impostor),
        fmr_interval=binomial_interval(false_matches, len(impostor)),
        fnmr=false_non_matches / len(mated),
        fnmr_interval=binomial_interval(false_non_matches, len(mated)),
        n_impostor=len(impostor),
        n_mated=len(mated),
    )


def over_people(point: Point, scores: np.ndarray, people: np.ndarray, level: float = 0.95) -> Point:
    """Return the point with intervals over people, each drawn with all their pictures; Wilson's where there was no error.

    Args:
        scores: `(images, images)`, every image against every other.
        people: `(images,)`, who each image shows.
    """
    _, index, images = np.unique(people, return_inverse=True, return_counts=True)
    first, second = np.triu_indices(len(people), 1)
    same, reach = index[first] == index[second], np.asarray(scores[first, second], np.float64) >= point.threshold
    mated = np.bincount(index[first[same]], minlength=len(images))
    missed = np.bincount(index[first[same & ~reach]], minlength=len(images))
    one, other = index[first[~same & reach]], index[second[~same & reach]]
    rng = np.random.default_rng(0)
    rates = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, len(images), len(images)), minlength=len(images))
        drawn = times * images
        comparisons = (drawn.sum() ** 2 - (drawn**2).sum()) / 2
        if comparisons and (times * mated).sum():
            rates.append(
                ((times[one] * times[other]).sum() / comparisons, (times * missed).sum() / (times * mated).sum())
            )
    if len(rates) < RESAMPLES // 2:
        return point
    low, high = np.quantile(rates, ((1 - level) / 2, (1 + level) / 2), axis=0)
    found = [
        Interval(low=float(a), high=float(b), level=level, method="bootstrap over people")
        for a, b in zip(low, high, strict=True)
    ]
    return replace(
        point,
        fmr_interval=found[0] if point.fmr > 0 else point.fmr_interval,
        fnmr_interval=found[1] if point.fnmr > 0 else point.fnmr_interval,
    )


def det_curve(mated: np.ndarray, impostor: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (thresholds, FMR, FNMR), one for each score that occurs, rising in threshold, and one that accepts nothing."""
    mated, impostor = np.sort(mated), np.sort(impostor)
    thresholds = np.append(np.unique(np.concatenate([mated, impostor])), np.inf)
    fmr = 1 - np.searchsorted(impostor, thresholds, side="left") / len(impostor)
    fnmr = np.searchsorted(mated, thresholds, side="left") / len(mated)
    return thresholds, fmr, fnmr


def equal_error_rate(mated: np.ndarray, impostor: np.ndarray) -> float:
    """Return the rate at which FMR and FNMR meet: the mean of both where they are nearest.

    >>> equal_error_rate(np.array([0.9, 0.8, 0.7, 0.2]), np.array([0.1, 0.0, 0.3, -0.1]))
    0.25
    """
    _, fmr, fnmr = det_curve(mated, impostor)
    nearest = int(np.argmin(np.abs(fmr - fnmr)))
    return float((fmr[nearest] + fnmr[nearest]) / 2)


def eer_interval(
    scores: np.ndarray, people: np.ndarray, level: float = 0.95, rng: np.random.Generator | None = None
) -> Interval:
    """Return the interval of the equal error rate over people, each drawn with all their pictures.

    Of very many impostor comparisons a random MOST are looked at: the people, not they, make the interval.

    Args:
        scores: `(images, images)`, every image against every other; the diagonal is not looked at.
        people: `(images,)`, who each image shows.
    """
    rng = rng or np.random.default_rng(0)
    _, index = np.unique(people, return_inverse=True)
    count = int(index.max()) + 1
    first, second = np.triu_indices(len(people), 1)
    same = index[first] == index[second]
    if same.size - same.sum() > MOST:
        kept = np.concatenate([np.flatnonzero(same), rng.choice(np.flatnonzero(~same), MOST, replace=False)])
        first, second, same = first[kept], second[kept], same[kept]
    order = np.argsort(scores[first, second], kind="stable")
    first, second, same = index[first[order]], index[second[order]], same[order]
    values = []
    for _ in range(RESAMPLES):
        times = np.bincount(rng.integers(0, count, count), minlength=count)
        mated = np.where(same, times[first], 0)
        impostor = np.where(same, 0, times[first] * times[second])
        if mated.any() and impostor.any():
            below_mated, below_impostor = np.cumsum(mated) / mated.sum(), np.cumsum(impostor) / impostor.sum()
            nearest = int(np.argmin(np.abs(1 - below_impostor - below_mated)))
            values.append(float(1 - below_impostor[nearest] + below_mated[nearest]) / 2)
    if len(values) < RESAMPLES // 2:
        return Interval(low=None, high=None, level=level, method="none: too few people with two pictures")
    low, high = np.quantile(values, ((1 - level) / 2, (1 + level) / 2))
    return Interval(low=float(low), high=float(high), level=level, method="bootstrap over people")
