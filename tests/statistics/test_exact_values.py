"""Each formula against scipy, or against numbers worked out by hand."""

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats

from quintet.comparison import compare_family, compare_paired, compare_ratio
from quintet.statistics import (
    binomial_interval,
    difference_of_accuracies_on_one_test_set,
    equivalence_p_value,
    holm,
    interval,
    noether_pairs,
    paired_p_value,
    paired_test,
    pairs_for_difference,
    pairs_for_equivalence,
    rank_stability,
    sign_flip_p_value,
    split_noise,
    summarise,
    with_failures_as_worst,
)


def test_t_interval_is_scipys():
    x = np.array([1.0, 2.0, 4.0, 4.5, 7.0])
    expected = stats.t.interval(0.95, 4, x.mean(), stats.sem(x))
    assert (interval(x).low, interval(x).high) == pytest.approx(expected)


def test_one_value_or_equal_values_have_no_interval():
    for values in ([0.9], [0.9] * 5, [0.1 + 0.2, 0.3, 0.3], []):
        found = interval(values)
        assert (found.low, found.high) == (None, None)
        assert found.method.startswith("none")


def test_bootstrap_is_repeatable_and_follows_its_generator():
    x = np.random.default_rng(0).normal(size=25)
    assert interval(x) == interval(x)
    assert interval(x, rng=np.random.default_rng(1)) != interval(x, rng=np.random.default_rng(2))


@pytest.mark.parametrize("bad", [[1.0, math.nan], [math.inf], [[1.0, 2.0]]])
def test_what_is_not_finite_is_refused(bad):
    with pytest.raises(ValueError, match="expected a flat list of finite numbers"):
        interval(bad)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (9_930, 10_000), (10, 10)])
def test_wilson_is_scipys(k, n):
    expected = stats.binomtest(k, n).proportion_ci(method="wilson")
    found = binomial_interval(k, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_wilson_refuses_the_impossible():
    with pytest.raises(ValueError, match="expected 0 <= successes"):
        binomial_interval(3, 2)


def test_mcnemar():
    a = np.array([True] * 90 + [True] * 8 + [False] * 2)
    b = np.array([True] * 90 + [False] * 8 + [True] * 2)
    found = difference_of_accuracies_on_one_test_set(a, b)
    assert (found.only_a_right, found.only_b_right) == (8, 2)
    assert found.difference == pytest.approx(0.06)
    assert found.p_value == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert found.interval.low is not None
    assert found.interval.low < 0.06 < (found.interval.high or 0)
    assert difference_of_accuracies_on_one_test_set(a, a).p_value == 1
    with pytest.raises(ValueError, match="the same"):
        difference_of_accuracies_on_one_test_set(a, b[1:])


@pytest.mark.parametrize("n", [3, 6, 9, 10])
def test_sign_flip_is_scipys_exact_permutation_test(n):
    for kind in ("normal", "with ties"):
        d = np.random.default_rng(n).normal(0.4, 1, size=n)
        d = np.round(d, 1) if kind == "with ties" else d
        expected = stats.permutation_test((d,), np.sum, permutation_type="samples", n_resamples=2**n).pvalue
        assert sign_flip_p_value(d) == pytest.approx(expected)


def test_sign_flip_by_hand():
    assert sign_flip_p_value([1, 1, 1]) == 2 / 8
    assert sign_flip_p_value([3, 1, 1]) == 2 / 8
    assert sign_flip_p_value([2, 1, -1]) == 6 / 8  # ±2 ±1 ±1: 4, 2, 2, 0 and their opposites
    assert sign_flip_p_value([0, 0]) == 1
    assert sign_flip_p_value(np.arange(1, 41)) == 2 / 2**40
    with pytest.raises(ValueError, match="1 to 40"):
        sign_flip_p_value(np.ones(41))


def test_the_test_is_chosen_by_what_it_could_reach():
    assert [paired_test(n) for n in (3, 5, 6, 40, 41)] == ["t", "t", "sign-flip", "sign-flip", "t"]
    assert [paired_test(n, family=15) for n in (9, 10)] == ["t", "sign-flip"]


def test_paired_t_is_scipys():
    a, b = np.array([0.991, 0.990, 0.992, 0.989, 0.990]), np.array([0.988, 0.989, 0.988, 0.988, 0.986])
    assert paired_p_value(a - b) == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert paired_p_value([1.0, 2.0]) is None
    assert paired_p_value([0.0] * 5) == 1
    assert paired_p_value([0.5] * 5) == 2 / 2**5


def test_equivalence_is_the_larger_of_two_one_sided_tests():
    d = np.array([0.001, -0.0005, 0.0008, 0.0002, -0.0001])
    above: Any = stats.ttest_1samp(d, -0.002, alternative="greater")
    below: Any = stats.ttest_1samp(d, 0.002, alternative="less")
    assert equivalence_p_value(d, 0.002) == pytest.approx(max(above.pvalue, below.pvalue))
    assert equivalence_p_value([0.0] * 5, 0.002) == 0
    assert equivalence_p_value([0.002] * 5, 0.002) == 1
    assert equivalence_p_value([0.0, 0.0], 0.002) is None
    with pytest.raises(ValueError, match="more than 0"):
        equivalence_p_value(d, 0.0)


def test_holm_by_hand():
    assert holm([0.01, None, 0.04, 0.03]) == [0.03, None, 0.06, 0.06]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_pairs_for_difference_give_the_power():
    for effect in (0.3, 0.5, 1.0, 2.0):
        n = pairs_for_difference(effect, 1.0)
        assert n is not None
        powers = []
        for m in (n - 1, n + 1):
            least = stats.t.isf(0.025, m - 1)
            powers.append(stats.nct.sf(least, m - 1, effect * math.sqrt(m)))
        assert powers[0] < 0.82
        assert powers[1] > 0.78
    assert pairs_for_difference(0.0, 1.0) is None
    assert pairs_for_difference(1e-6, 1.0) is None


def test_pairs_for_equivalence_give_the_power():
    n = pairs_for_equivalence(0.0, 1.0, 0.5)
    assert n is not None
    d = np.random.default_rng(0).normal(size=(1_000, n))
    shown = np.mean([(equivalence_p_value(one, 0.5) or 0) <= 0.05 for one in d])
    assert shown == pytest.approx(0.8, abs=0.05)
    assert pairs_for_equivalence(0.6, 1.0, 0.5) is None


def test_noether():
    assert noether_pairs() == 29
    with pytest.raises(ValueError, match=r"more than 0\.5"):
        noether_pairs(0.5)


def test_summary():
    found = summarise([1.0, 2.0, 3.0, 4.0, 100.0, 0.0, 2.5, 2.6])
    assert found.iqm == pytest.approx((2.0 + 2.5 + 2.6 + 3.0) / 4)
    assert (found.n, found.n_failed, found.worst, found.maximum) == (8, 0, 0.0, 100.0)
    assert summarise([1.0, 2.0], higher_is_better=False).worst == 2.0
    failed = summarise([1.0, None, 2.0], n_failed=1)
    assert (failed.n, failed.n_failed, failed.worst, failed.minimum) == (2, 2, None, 1.0)
    empty = summarise([None, None])
    assert (empty.n, empty.n_failed, empty.mean, empty.sd, empty.minimum) == (0, 2, None, None, None)


def test_failures_count_as_the_worst_of_all():
    samples = {"a": [0.9, None], "b": [0.8, 0.95]}
    assert with_failures_as_worst(samples) == {"a": [0.9, 0.8], "b": [0.8, 0.95]}
    assert with_failures_as_worst(samples, higher_is_better=False)["a"] == [0.9, 0.95]
    assert with_failures_as_worst({"a": [None], "b": [None]}) == {"a": [], "b": []}
    with pytest.raises(ValueError, match="one value, or None, for each seed"):
        with_failures_as_worst({"a": [1.0], "b": [1.0, 2.0]})


def test_noise_of_a_network_whose_runs_differ_by_the_test_set_alone():
    """Jordan's model for two classes: image i is right with chance q_i in any run; calibrated means errors match."""
    rng = np.random.default_rng(3)
    q = rng.beta(0.05, 0.05, size=2_000)  # symmetric: the chance of class 1 by the runs, and in truth
    truth = rng.random(2_000) < q
    predicted = rng.random((300, 2_000)) < q
    noise = split_noise((predicted == truth).mean(axis=1).tolist(), 2_000)
    assert noise.seed_sd == pytest.approx(noise.expected_seed_sd, rel=0.15)
    assert noise.explained == pytest.approx(1, abs=0.25)
    assert noise.test_set_se == pytest.approx(math.sqrt(noise.mean * (1 - noise.mean) / 2_000))
    assert split_noise([0.9], 100).explained is None
    with pytest.raises(ValueError, match="accuracies from 0 to 1"):
        split_noise([99.1], 100)


def test_rank_stability():
    rng = np.random.default_rng(0)
    shares = rank_stability({"a": [0.9, 0.9, 0.9], "b": [0.8, 0.85, 0.95], "c": [0.1, 0.1, 0.1]}, rng)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["c"] == 0
    assert shares["a"] > shares["b"] > 0
    assert rank_stability({"a": [1.0], "b": [1.0]}, rng) == {"a": 0.5, "b": 0.5}
    assert rank_stability({"a": [1.0, 2.0], "b": [3.0, None]}, rng, higher_is_better=False)["a"] > 0.7


def test_comparison_of_pairs():
    a, b = [0.991, 0.990, 0.992, 0.989, 0.990], [0.988, 0.990, 0.988, 0.988, 0.986]
    found = compare_paired(a, b, margin=0.002)
    assert found.difference == pytest.approx(0.0024)
    assert found.ratio is None
    assert found.p_value == pytest.approx(stats.ttest_rel(a, b).pvalue)
    assert found.probability_a_better == pytest.approx(0.9)  # four wins and a tie
    assert found.test == "t"
    assert found.equivalence_interval.level == pytest.approx(0.9)


def test_equivalence_and_its_interval_agree():
    rng = np.random.default_rng(4)
    for _ in range(200):
        d = rng.normal(0.001, 0.001, size=6)
        found = compare_paired(d.tolist(), [0.0] * 6, margin=0.002)
        low, high = found.equivalence_interval.low, found.equivalence_interval.high
        assert low is not None
        assert high is not None
        assert found.p_equivalence is not None
        assert (found.p_equivalence <= 0.05) == (low > -0.002 and high < 0.002)


def test_comparison_of_ratios():
    found = compare_ratio([200.0, 220.0, 180.0], [100.0, 110.0, 90.0])
    assert found.ratio == pytest.approx(2)
    assert found.difference is None
    assert found.margin == pytest.approx(0.05)
    assert found.interval.low is None  # twice as much in each pair: no spread to judge by
    with pytest.raises(ValueError, match="above 0"):
        compare_ratio([0.0, 1.0], [1.0, 1.0])
    with pytest.raises(ValueError, match="twice"):
        compare_paired([1.0], [1.0], names=("a", "a"))


def test_a_failure_rules_equality_out():
    same = [0.99, 0.9901, 0.9899, 0.99, 0.9902]
    assert compare_paired(same, same, margin=0.002).p_equivalence == 0
    assert compare_paired(same, [None, *same[1:]], margin=0.002).p_equivalence is None


def test_family_is_all_pairs_under_holm():
    rng = np.random.default_rng(5)
    samples = {name: rng.normal(size=8).tolist() for name in "abcd"}
    family = compare_family(samples, margin=0.5)
    assert [(c.a, c.b) for c in family] == [("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d")]
    assert {c.family for c in family} == {6}
    assert [c.p_adjusted for c in family] == holm([c.p_value for c in family])
    assert [c.p_equivalence_adjusted for c in family] == holm([c.p_equivalence for c in family])
    assert compare_family({"a": [1.0]}) == []
