"""From measured numbers to intervals, tests and how many pairs are missing.

Rules: one value is one run in a fresh process; pairs are made by seed; a run that failed is `None` and counts
as the worst, never as absent; what cannot be told is `None`, never 0; no global random state.
Each formula, with its source, is in docs/statistics.md. comparison.py puts them together, verdict.py words them.
Not for steps or epochs as samples, and not for reading or writing files.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

BOOTSTRAP_FROM = 20  # values; below, a bootstrap interval is too narrow (docs/statistics.md, measured)
LEAST_PAIRS = 3  # fewer pairs give no verdict
_RESAMPLES = 9_999
_EXACT_UP_TO = 40  # pairs: two halves of 2**20 signed sums
_MOST_PAIRS = 10_000  # a need beyond this is reported as None
ROUNDING = 1e-12  # relative; 0.98 - 0.97 and 0.97 - 0.96 are the same difference

Samples = Mapping[str, Sequence[float | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval of a mean; `low` and `high` are None where the values allow none."""

    low: float | None
    high: float | None
    level: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One setting's runs in one metric. All but `n_failed` describe the `n` runs that finished.

    `worst` is None as soon as one run failed: that run is the worst, and it has no value.
    """

    n: int
    n_failed: int
    mean: float | None
    iqm: float | None
    sd: float | None
    minimum: float | None
    maximum: float | None
    worst: float | None
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class TestSetComparison:
    """Two single models on the same `n_images` test images; `difference` is accuracy a - accuracy b."""

    __test__ = False  # not a test case, whatever pytest thinks of the name

    n_images: int
    only_a_right: int
    only_b_right: int
    difference: float
    interval: Interval
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The two noises of an accuracy: over seeds, and of a test set that is finite. All are standard deviations.

    `test_set_se` tells how far the mean would move on other test images; `expected_seed_sd` is the spread over seeds
    that the finite test set alone makes; `explained` is its share (0 to 1) of the variance seen over seeds.
    """

    mean: float
    n_test: int
    seed_sd: float | None
    test_set_se: float
    expected_seed_sd: float
    explained: float | None


def finite(values: Sequence[float] | np.ndarray, name: str = "values") -> np.ndarray:
    """Return `values` as `(n,)` `float64`; raises ValueError, naming them, where one is not finite."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(
            f"{name}: received {array!r}; expected a flat list of finite numbers; give a failed run as None"
        )
    return array


def _constant(values: np.ndarray, scale: float = 0.0) -> bool:
    return float(np.ptp(values)) <= ROUNDING * max(scale, float(np.abs(values).max()))


def t_bounds(values: np.ndarray, level: float) -> tuple[float, float]:
    """Return the bounds of Student's t interval of the mean of at least 2 values: mean ± t sd / √n."""
    from scipy import stats

    half = stats.t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def interval(
    values: Sequence[float] | np.ndarray, level: float = 0.95, rng: np.random.Generator | None = None
) -> Interval:
    """Return the interval of the mean: Student's t below 20 values, BCa bootstrap (Efron 1987) from 20.

    The bootstrap's quantiles are expanded for n (Hesterberg 2015), without which 20 values give a 92 % interval.
    One value, or values that are all equal, have no spread to judge by: their bounds are None, never of zero width.
    Without `rng` the bootstrap draws from a fresh generator of seed 0, so that equal values give equal bounds.

    >>> interval([1.0, 2.0, 3.0]).method
    't'
    """
    x = finite(values)
    if len(x) < 2:
        return Interval(low=None, high=None, level=level, method="none: fewer than 2 values")
    if _constant(x):
        return Interval(low=None, high=None, level=level, method=f"none: all {len(x)} values are equal")
    if len(x) >= BOOTSTRAP_FROM:
        from scipy import stats

        widened = math.sqrt(len(x) / (len(x) - 1)) * stats.t.ppf((1 + level) / 2, len(x) - 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # degenerate resamples; caught by the check below
            bounds = stats.bootstrap(
                (x,),
                np.mean,
                confidence_level=float(2 * stats.norm.cdf(widened) - 1),
                n_resamples=_RESAMPLES,
                method="BCa",
                rng=rng if rng is not None else np.random.default_rng(0),
            ).confidence_interval
        if math.isfinite(bounds.low) and math.isfinite(bounds.high):
            return Interval(low=float(bounds.low), high=float(bounds.high), level=level, method="BCa bootstrap")
    low, high = t_bounds(x, level)
    return Interval(low=low, high=high, level=level, method="t")


def binomial_interval(successes: float, n: int, level: float = 0.95) -> Interval:
    """Return Wilson's (1927) interval of a share of `n`; half successes (ties) are allowed.

    >>> print(f"{binomial_interval(9_930, 10_000).low:.4f}")
    0.9912
    """
    from scipy import stats

    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"received {successes} of {n}; expected 0 <= successes <= n and n >= 1")
    z = float(stats.norm.ppf((1 + level) / 2))
    share, shrink = successes / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(low=max(0.0, centre - half), high=min(1.0, centre + half), level=level, method="Wilson")


def difference_of_accuracies_on_one_test_set(
    correct_a: np.ndarray, correct_b: np.ndarray, level: float = 0.95
) -> TestSetComparison:
    """Compare two single models, image by image: McNemar's exact test, Bonett and Price's (2012) interval.

    `correct_a`, `correct_b`: `(images,)`, `bool`. It speaks of two trained models, not of two libraries.
    """
    from scipy import stats

    a, b = np.asarray(correct_a, dtype=bool), np.asarray(correct_b, dtype=bool)
    if a.shape != b.shape or a.ndim != 1 or not a.size:
        raise ValueError(f"received shapes {a.shape} and {b.shape}; expected the same (images,) for both")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    n = len(a)
    share_a, share_b = (only_a + 1) / (n + 2), (only_b + 1) / (n + 2)
    centre = share_a - share_b
    half = stats.norm.ppf((1 + level) / 2) * math.sqrt((share_a + share_b - centre**2) / (n + 2))
    return TestSetComparison(
        n_images=n,
        only_a_right=only_a,
        only_b_right=only_b,
        difference=(only_a - only_b) / n,
        interval=Interval(low=float(centre - half), high=float(centre + half), level=level, method="Bonett-Price"),
        p_value=float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0,
    )


def summarise(
    values: Sequence[float | None],
    higher_is_better: bool = True,
    n_failed: int = 0,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Summary:
    """Return mean, interquartile mean, spread, extremes and interval; each None in `values` is one more failed run."""
    from scipy import stats

    x = finite([value for value in values if value is not None])
    failed = n_failed + len(values) - len(x)
    none_finished = not len(x)
    minimum, maximum = (None, None) if none_finished else (float(x.min()), float(x.max()))
    return Summary(
        n=len(x),
        n_failed=failed,
        mean=None if none_finished else float(x.mean()),
        iqm=None if none_finished else float(stats.trim_mean(x, 0.25)),
        sd=float(x.std(ddof=1)) if len(x) > 1 else None,
        minimum=minimum,
        maximum=maximum,
        worst=None if failed else (minimum if higher_is_better else maximum),
        interval=interval(x, level, rng),
    )


def split_noise(accuracies: Sequence[float], n_test: int) -> Noise:
    """Show seed noise and test-set noise apart (Jordan 2023: seed variance from a finite test set is error / 2n)."""
    x = finite(accuracies, "accuracies")
    if not len(x) or n_test <= 0 or x.min() < 0 or x.max() > 1:
        raise ValueError(f"received {x!r} on {n_test} images; expected accuracies from 0 to 1 and at least 1 image")
    mean, seed_sd = float(x.mean()), float(x.std(ddof=1)) if len(x) > 1 else None
    expected = math.sqrt(max(0.0, 1 - mean) / (2 * n_test))
    return Noise(
        mean=mean,
        n_test=n_test,
        seed_sd=seed_sd,
        test_set_se=math.sqrt(max(0.0, mean * (1 - mean)) / n_test),
        expected_seed_sd=expected,
        explained=min(1.0, expected**2 / seed_sd**2) if seed_sd else None,
    )


def rank_stability(
    samples: Samples, rng: np.random.Generator, draws: int = 2_000, higher_is_better: bool = True
) -> dict[str, float]:
    """Return how often (0 to 1) each name is first in the mean when the seeds are drawn anew; ties share a draw."""
    filled = with_failures_as_worst(samples, higher_is_better)
    table = np.array([finite(values, name) for name, values in filled.items()])  # (names, seeds)
    if not table.size:
        raise ValueError(f"received {list(samples)} without one finished run; expected at least one value")
    seeds = rng.integers(table.shape[1], size=(draws, table.shape[1]))
    means = table[:, seeds].mean(axis=2) * (1 if higher_is_better else -1)  # (names, draws)
    best = means.max(axis=0)
    first = means >= best - ROUNDING * np.abs(best)
    return dict(zip(filled, (first / first.sum(axis=0)).mean(axis=1).tolist(), strict=True))


def with_failures_as_worst(samples: Samples, higher_is_better: bool = True) -> dict[str, list[float]]:
    """Replace each None by the worst value that anyone in `samples` has measured (after MLPerf, where it is infinite).

    Where nobody finished a run, all lists come back empty. Raises ValueError where the lists are not of one length.
    """
    lengths = {name: len(values) for name, values in samples.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"received lengths {lengths}; expected one value, or None, for each seed under every name")
    measured = finite([value for values in samples.values() for value in values if value is not None])
    if not len(measured):
        return {name: [] for name in samples}
    worst = float(measured.min() if higher_is_better else measured.max())
    return {name: [worst if v is None else float(v) for v in values] for name, values in samples.items()}


def sign_flip_p_value(differences: Sequence[float] | np.ndarray) -> float:
    """Return the exact two-sided p of the sign-flip permutation test (Fisher 1935) of at most 40 differences.

    The 2**n signed sums are never listed: those of two halves are, and counted against each other
    (Horowitz and Sahni 1974), so that 30 pairs take milliseconds and no random draws.

    >>> sign_flip_p_value([0.1, 0.2, 0.3, 0.4, 0.5])
    0.0625
    """
    d = finite(differences, "differences")
    if len(d) > _EXACT_UP_TO or not len(d):
        raise ValueError(f"received {len(d)} differences; expected 1 to {_EXACT_UP_TO}; beyond, use the paired t test")
    reach = abs(float(d.sum())) - 1e-9 * float(np.abs(d).sum())  # sums that differ by rounding are ties
    if reach <= 0:
        return 1.0
    halves = []
    for part in (d[: len(d) // 2], d[len(d) // 2 :]):
        sums = np.zeros(1)
        for value in part:  # both arms come sorted, and a stable sort of two sorted runs is a merge
            sums = np.sort(np.concatenate([sums - value, sums + value]), kind="stable")
        halves.append(sums)
    as_far = int((len(halves[1]) - np.searchsorted(halves[1], reach - halves[0], side="left")).sum())
    return min(1.0, 2 * as_far / 2 ** len(d))


def paired_test(n: int, alpha: float = 0.05, family: int = 1) -> str:
    """Name the test for `n` pairs: "sign-flip" where its least possible p, 2 / 2**n, can reach alpha / family.

    Elsewhere "t", which reaches it by trusting the differences to be normal; from 41 pairs their mean nearly is.
    """
    return "sign-flip" if n <= _EXACT_UP_TO and 2 / 2**n <= alpha / family else "t"


def paired_p_value(differences: Sequence[float] | np.ndarray, alpha: float = 0.05, family: int = 1) -> float | None:
    """Return the two-sided p of "the mean difference is 0" by the test that `paired_test` names; None below 3 pairs."""
    from scipy import stats

    d = finite(differences, "differences")
    if len(d) < LEAST_PAIRS:
        return None
    if paired_test(len(d), alpha, family) == "sign-flip":
        return sign_flip_p_value(d)
    if _constant(d):  # no spread, so no t: the sign test, which needs none
        return 1.0 if not d.any() else 2.0 ** (1 - len(d))
    return float(2 * stats.t.sf(abs(d.mean()) / (d.std(ddof=1) / math.sqrt(len(d))), len(d) - 1))


def equivalence_p_value(differences: Sequence[float] | np.ndarray, margin: float) -> float | None:
    """Return the p of two one-sided t tests (Schuirmann 1987) of "the mean lies outside ±margin"; None below 3 pairs.

    Differences that are all equal give the limit of the formula as the spread goes to 0: 0 inside the margin, else 1.
    """
    from scipy import stats

    d = finite(differences, "differences")
    if not margin > 0:
        raise ValueError(f"received the margin {margin}; expected more than 0, fixed before the run")
    if len(d) < LEAST_PAIRS:
        return None
    gap = margin - abs(float(d.mean()))
    if _constant(d, margin):
        return 0.0 if gap > ROUNDING * margin else 1.0
    return float(stats.t.sf(gap / (d.std(ddof=1) / math.sqrt(len(d))), len(d) - 1))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Return Holm's (1979) step-down adjusted p values, in the order received; a None stays None.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    running = 0.0
    for rank, (p, i) in enumerate(known):
        running = max(running, min(1.0, p * (len(known) - rank)))
        adjusted[i] = running
    return adjusted


def pairs_for_difference(difference: float, sd: float, alpha: float = 0.05, power: float = 0.8) -> int | None:
    """Return the pairs with which a paired t test shows a true `difference`: n >= ((t_1-α/2 + t_power) sd / |d|)²."""
    return _pairs(abs(difference), sd, 1 - alpha / 2, power)


def pairs_for_equivalence(
    difference: float, sd: float, margin: float, alpha: float = 0.05, power: float = 0.8
) -> int | None:
    """Return the pairs with which TOST shows a true `difference` to lie within ±`margin` (Chow, Shao and Wang 2008)."""
    return _pairs(margin - abs(difference), sd, 1 - alpha, (1 + power) / 2)


def _pairs(distance: float, sd: float, quantile: float, power: float) -> int | None:
    from scipy import stats

    if distance <= 0:
        return None
    effect = distance / sd if sd > 0 else math.inf
    normal = float((stats.norm.ppf(quantile) + stats.norm.ppf(power)) / effect) ** 2
    if normal > _MOST_PAIRS:
        return None
    n = max(LEAST_PAIRS, math.floor(normal))
    while n < (float(stats.t.ppf(quantile, n - 1) + stats.t.ppf(power, n - 1)) / effect) ** 2:
        n += 1
    return n


def noether_pairs(probability: float = 0.75, alpha: float = 0.05, power: float = 0.95) -> int:
    """Return the runs of each of two settings that show P(A > B) = `probability` (Noether 1987, Mann-Whitney).

    >>> noether_pairs()
    29
    """
    from scipy import stats

    if not 0.5 < probability <= 1:
        raise ValueError(f"received the probability {probability}; expected more than 0.5, at most 1")
    return math.ceil(float(stats.norm.ppf(1 - alpha) + stats.norm.ppf(power)) ** 2 / (6 * (probability - 0.5) ** 2))
