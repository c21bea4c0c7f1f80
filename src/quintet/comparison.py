"""Two settings, or every pair of many, compared run by run: a Comparison holds all that a verdict needs.

Rules: the pairs are made by seed; all pairs of a family are tested together (Holm); times, rates and sizes are
compared as ratios, by their logarithms; margins are fixed before the run and come as arguments.
Not for words: those are verdict.py's.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from quintet.statistics import (
    LEAST_PAIRS,
    ROUNDING,
    Interval,
    Samples,
    binomial_interval,
    equivalence_p_value,
    finite,
    holm,
    interval,
    paired_p_value,
    paired_test,
    pairs_for_difference,
    pairs_for_equivalence,
    t_bounds,
    with_failures_as_worst,
)

Scale = Literal["difference", "ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What `n` pairs of runs, one pair for each seed, say about `a` against `b`.

    `estimate` is the mean of a - b (scale "difference") or the geometric mean of a / b (scale "ratio"), and so are
    the bounds of `interval` and of `equivalence_interval`, the (1 - 2 alpha) interval that TOST compares with `margin`.
    The `p_adjusted` values are Holm's over the `family` comparisons made together.
    `pairs_for_difference` and `pairs_for_equivalence`: pairs for 80 % power, if what was seen is the truth.
    """

    a: str
    b: str
    scale: Scale
    n: int
    failed_a: int
    failed_b: int
    higher_is_better: bool
    estimate: float | None
    interval: Interval
    p_value: float | None
    p_adjusted: float | None
    test: str
    family: int
    probability_a_better: float | None
    probability_interval: Interval
    margin: float | None
    p_equivalence: float | None
    p_equivalence_adjusted: float | None
    equivalence_interval: Interval
    pairs_for_difference: int | None
    pairs_for_equivalence: int | None

    @property
    def difference(self) -> float | None:
        """The mean of a - b; None on the scale of ratios."""
        return self.estimate if self.scale == "difference" else None

    @property
    def ratio(self) -> float | None:
        """The geometric mean of a / b; None on the scale of differences."""
        return self.estimate if self.scale == "ratio" else None

    @property
    def n_needed(self) -> int | None:
        """The pairs that would settle it, one way or the other; None where no 10,000 pairs would."""
        return min((n for n in (self.pairs_for_difference, self.pairs_for_equivalence) if n), default=None)


def _differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return a - b, with differences that come of rounding alone taken out, so that ties are ties."""
    d = a - b
    rounding = ROUNDING * max(float(np.abs(a).max()), float(np.abs(b).max()))
    d[np.abs(d) <= rounding] = 0.0
    return np.full_like(d, d[0]) if np.ptp(d) <= rounding else d


def _compare(
    names: tuple[str, str],
    a: Sequence[float],
    b: Sequence[float],
    failed: tuple[int, int],
    *,
    margin: float | None,
    higher_is_better: bool,
    level: float,
    family: int,
    scale: Scale,
    rng: np.random.Generator | None,
) -> Comparison:
    """Compare two filled lists of one length; on the scale of ratios all is done with logarithms, and undone last."""
    x, y = finite(a, names[0]), finite(b, names[1])
    if scale == "ratio":
        if len(x) and min(x.min(), y.min()) <= 0:
            raise ValueError(
                f"received {x!r} and {y!r}; expected numbers above 0 for a ratio; give a failed run as None"
            )
        x, y = np.log(x), np.log(y)
        margin = None if margin is None else math.log1p(margin)
    d = _differences(x, y) if len(x) else x
    n, alpha = len(d), round(1 - level, 12)  # 0.05, not 0.050000000000000044
    mean, spread = (float(d.mean()) if n else 0.0), (float(d.std(ddof=1)) if n > 1 else 0.0)
    judged = n >= LEAST_PAIRS and spread > 0
    p = paired_p_value(d, alpha, family)
    p_equal = equivalence_p_value(d, margin) if margin is not None and not any(failed) else None
    plain, wide = interval(d, level, rng), Interval(low=None, high=None, level=round(1 - 2 * alpha, 12), method="none")
    if p_equal is not None and judged:
        low, high = t_bounds(d, 1 - 2 * alpha)
        wide = Interval(low=low, high=high, level=round(1 - 2 * alpha, 12), method="t")
    needed, needed_for_equality = None, None
    if judged:
        needed = pairs_for_difference(mean, spread, alpha / family)
    elif mean and n >= LEAST_PAIRS:  # always the same difference: the sign-flip test needs 2 / 2**n <= alpha / family
        needed = math.ceil(1 + math.log2(family / alpha))
    if judged and margin is not None and p_equal is not None:
        needed_for_equality = pairs_for_equivalence(mean, spread, margin, alpha / family)
    wins = float(((d > 0) if higher_is_better else (d < 0)).sum() + (d == 0).sum() / 2)
    no_share = Interval(low=None, high=None, level=level, method="none: no pairs")
    back = _exponential if scale == "ratio" else _as_it_is
    return Comparison(
        a=names[0],
        b=names[1],
        scale=scale,
        n=n,
        failed_a=failed[0],
        failed_b=failed[1],
        higher_is_better=higher_is_better,
        estimate=back(mean) if n else None,
        interval=replace(plain, low=back(plain.low), high=back(plain.high)),
        p_value=p,
        p_adjusted=p,
        test="none" if p is None else paired_test(n, alpha, family),
        family=family,
        probability_a_better=wins / n if n else None,
        probability_interval=binomial_interval(wins, n, level) if n else no_share,
        margin=None if margin is None else (math.expm1(margin) if scale == "ratio" else margin),
        p_equivalence=p_equal,
        p_equivalence_adjusted=p_equal,
        equivalence_interval=replace(wide, low=back(wide.low), high=back(wide.high)),
        pairs_for_difference=needed,
        pairs_for_equivalence=needed_for_equality,
    )


def _exponential(value: float | None) -> float | None:
    return None if value is None else math.exp(value)


def _as_it_is(value: float | None) -> float | None:
    return value


def _failures(values: Sequence[float | None]) -> int:
    return sum(value is None for value in values)


def _two(names: tuple[str, str], a: Sequence[float | None], b: Sequence[float | None]) -> Samples:
    if names[0] == names[1]:
        raise ValueError(f"received the name {names[0]!r} twice; expected two names that differ")
    return {names[0]: a, names[1]: b}


def compare_paired(
    a: Sequence[float | None],
    b: Sequence[float | None],
    *,
    margin: float | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
    names: tuple[str, str] = ("a", "b"),
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Compare two lists of `(seeds,)` values, pair by pair; `margin`, fixed before the run, is in the values' unit.

    A None is a failed run: it counts as the worst value of both lists, and rules the verdict "equal" out.
    """
    samples = _two(names, a, b)
    return compare_family(samples, margin=margin, higher_is_better=higher_is_better, level=level, rng=rng)[0]


def compare_ratio(
    a: Sequence[float | None],
    b: Sequence[float | None],
    *,
    margin: float | None = 0.05,
    higher_is_better: bool = True,
    level: float = 0.95,
    names: tuple[str, str] = ("a", "b"),
    rng: np.random.Generator | None = None,
) -> Comparison:
    """Compare speeds, times, sizes: the paired logarithms of a / b; `margin` 0.05 is from 1 / 1.05 to 1.05."""
    samples = _two(names, a, b)
    return compare_family(
        samples, margin=margin, higher_is_better=higher_is_better, level=level, scale="ratio", rng=rng
    )[0]


def compare_family(
    samples: Samples,
    *,
    margin: float | None = None,
    higher_is_better: bool = True,
    level: float = 0.95,
    scale: Scale = "difference",
    rng: np.random.Generator | None = None,
) -> list[Comparison]:
    """Compare every pair of names, Holm over all of them; "each against the best" would choose the best by its luck."""
    filled = with_failures_as_worst(samples, higher_is_better)
    pairs = list(combinations(filled, 2))
    made = [
        _compare(
            (a, b), filled[a], filled[b], (_failures(samples[a]), _failures(samples[b])), margin=margin,
            higher_is_better=higher_is_better, level=level, family=len(pairs), scale=scale, rng=rng,
        )
        for a, b in pairs
    ]  # fmt: skip
    differ, equal = holm([c.p_value for c in made]), holm([c.p_equivalence for c in made])
    return [replace(c, p_adjusted=p, p_equivalence_adjusted=q) for c, p, q in zip(made, differ, equal, strict=True)]
