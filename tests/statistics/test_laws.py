"""Laws that hold for any numbers: shifts, swaps, Holm's order, and sentences that a person can read."""

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quintet.comparison import Comparison, compare_paired, compare_ratio
from quintet.metrics import METRICS
from quintet.statistics import holm, interval, sign_flip_p_value, summarise
from quintet.verdict import claim_verdict, compare_metric, headline

QUICK = settings(max_examples=60, deadline=None)
accuracies = st.integers(0, 2_000).map(lambda correct: correct / 2_000)
pairs = st.lists(st.tuples(accuracies, accuracies), min_size=1, max_size=12)
probabilities = st.lists(st.floats(0, 1), max_size=12)


def near(a: float | None, b: float | None) -> bool:
    return (a is None and b is None) or a == pytest.approx(b, rel=1e-6, abs=1e-9)


def opposite(value: float | None) -> float | None:
    return None if value is None else -value


@QUICK
@given(pairs, st.sampled_from([-0.5, 0.25, 3.0]))
def test_a_shift_of_both_changes_nothing(values, shift):
    a, b = [x for x, _ in values], [y for _, y in values]
    before = compare_paired(a, b, margin=0.01)
    after = compare_paired([x + shift for x in a], [y + shift for y in b], margin=0.01)
    assert near(before.estimate, after.estimate)
    assert near(before.p_value, after.p_value)
    assert near(before.interval.low, after.interval.low)
    assert near(before.p_equivalence, after.p_equivalence)
    assert before.probability_a_better == after.probability_a_better


def assert_mirrored(one: Comparison, two: Comparison) -> None:
    assert near(one.estimate, opposite(two.estimate))
    assert near(one.interval.low, opposite(two.interval.high))
    assert near(one.p_value, two.p_value)
    assert near(one.p_equivalence, two.p_equivalence)
    assert one.n_needed == two.n_needed
    assert near(one.probability_a_better, 1 - (two.probability_a_better or 0.0))


@QUICK
@given(pairs)
def test_swapping_the_two_mirrors_the_comparison(values):
    a, b = [x for x, _ in values], [y for _, y in values]
    assert_mirrored(compare_paired(a, b, margin=0.01), compare_paired(b, a, margin=0.01))


@QUICK
@given(pairs)
def test_a_ratio_swapped_is_its_inverse(values):
    a, b = [x + 1 for x, _ in values], [y + 1 for _, y in values]
    one, two = compare_ratio(a, b), compare_ratio(b, a)
    assert one.ratio is not None
    assert two.ratio is not None
    assert one.ratio * two.ratio == pytest.approx(1)
    assert near(one.p_value, two.p_value)


@QUICK
@given(pairs)
def test_the_better_direction_turns_with_the_metric(values):
    a, b = [x for x, _ in values], [y for _, y in values]
    up, down = compare_paired(a, b), compare_paired(a, b, higher_is_better=False)
    assert up.estimate == down.estimate
    assert near(up.probability_a_better, 1 - (down.probability_a_better or 0.0))


@given(probabilities)
def test_holm_keeps_the_order_and_never_lowers_a_p(p_values):
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert q is not None
        assert p <= q <= 1
    ordered = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ordered == sorted(q for q in ordered if q is not None)


@QUICK
@given(st.lists(st.floats(-1, 1), min_size=1, max_size=16))
def test_sign_flip_p_is_a_probability_that_signs_do_not_change(d):
    p = sign_flip_p_value(d)
    assert 2 / 2 ** len(d) <= p <= 1
    assert p == sign_flip_p_value([-x for x in d])


@QUICK
@given(st.lists(accuracies, min_size=1, max_size=25))
def test_an_interval_holds_the_mean_and_is_never_of_no_width(values):
    found, mean = interval(values), summarise(values).mean
    assert mean is not None
    if found.low is None:
        assert found.high is None
    else:
        assert found.high is not None
        assert found.low < found.high
        assert found.low <= mean + 1e-12
        assert mean - 1e-12 <= found.high


runs = st.one_of(st.none(), accuracies)


@QUICK
@given(
    st.integers(1, 8).flatmap(
        lambda n: st.fixed_dictionaries(
            {name: st.lists(runs, min_size=n, max_size=n) for name in ("torch", "jax", "tf")}
        )
    )
)
def test_every_sentence_can_be_read(samples):
    speeds = {name: [v if v is None else 100 + 900 * v for v in values] for name, values in samples.items()}
    in_accuracy = compare_metric(METRICS["accuracy"], samples, not_comparable={})
    in_speed = compare_metric(METRICS["training_images_per_s"], speeds)
    sentences = [v.sentence for v in in_accuracy + in_speed]
    sentences += [*headline(in_accuracy + in_speed), claim_verdict("torch is the best", "torch", in_accuracy).sentence]
    assert 1 <= len(headline(in_accuracy + in_speed)) <= 3
    for sentence in sentences:
        assert not re.search(r"\b(nan|inf|None)\b|\{|\}|-0\.0+ pp|  ", sentence), sentence
        assert sentence.endswith(".")
    for v in in_accuracy + in_speed:
        if v.comparison is not None and v.comparison.n < 3:
            assert v.kind == "not_shown"
        if v.kind == "equal" and v.comparison is not None:
            assert v.comparison.failed_a == v.comparison.failed_b == 0
        for value in () if v.comparison is None else (v.comparison.estimate, v.comparison.p_value):
            assert value is None or math.isfinite(value)
