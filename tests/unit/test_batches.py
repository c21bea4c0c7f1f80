"""Batch order and rates: laws that hold for any size, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.batches import SCHEDULES, batch_order, learning_rates
from quintet.errors import StudyError


@given(st.integers(1, 60), st.data(), st.integers(1, 40), st.integers(0, 5))
def test_no_sample_comes_twice_in_an_epoch(samples, data, steps, seed):
    batch = data.draw(st.integers(1, samples))
    order = batch_order(samples, batch, steps, np.random.default_rng(seed))
    assert order.shape == (steps, batch)
    assert order.dtype == np.int32
    per_epoch = samples // batch
    for first in range(0, steps, per_epoch):
        epoch = order[first : first + per_epoch].ravel()
        assert len(np.unique(epoch)) == len(epoch)
        assert epoch.min() >= 0
        assert epoch.max() < samples


def test_an_epoch_is_a_permutation_and_each_epoch_another_one():
    order = batch_order(24, 6, 8, np.random.default_rng(0))
    first, second = order[:4].ravel(), order[4:].ravel()
    assert sorted(first) == sorted(second) == list(range(24))
    assert (first != second).any()


def test_the_order_is_the_generators_alone_and_fewer_steps_are_its_beginning():
    long = batch_order(50, 8, 30, np.random.default_rng(4))
    assert (batch_order(50, 8, 7, np.random.default_rng(4)) == long[:7]).all()
    assert (batch_order(50, 8, 30, np.random.default_rng(5)) != long).any()


@pytest.mark.parametrize("batch", [0, -1, 11])
def test_a_batch_that_cannot_be(batch):
    with pytest.raises(StudyError, match=f"batch size {batch} for 10 training samples, expected 1 to 10"):
        batch_order(10, batch, 1, np.random.default_rng(0))


@given(
    st.sampled_from(SCHEDULES), st.floats(1e-6, 10), st.integers(1, 300), st.floats(0, 0.99)
)  # fmt: skip
def test_rates_are_positive_up_to_the_peak_and_never_rise_after_the_warm_up(schedule, peak, steps, warmup):
    rates = learning_rates(schedule, peak, steps, warmup)
    assert rates.shape == (steps,)
    assert rates.dtype == np.float64
    assert (rates >= 0).all()
    assert (rates <= peak * (1 + 1e-12)).all()
    assert rates[0] > 0
    top = rates.argmax()
    assert (np.diff(rates[: top + 1]) >= 0).all()
    assert (np.diff(rates[top:]) <= 0).all()


def test_the_schedules_are_what_they_are_called():
    np.testing.assert_allclose(learning_rates("constant", 0.5, 3), [0.5, 0.5, 0.5])
    np.testing.assert_allclose(learning_rates("linear", 1.0, 4), [1.0, 0.75, 0.5, 0.25])
    np.testing.assert_allclose(learning_rates("cosine", 2.0, 4)[[0, 2]], [2.0, 1.0])
    np.testing.assert_allclose(learning_rates("constant", 1.0, 6, warmup=0.5), [1 / 3, 2 / 3, 1, 1, 1, 1])
    cycle = learning_rates("one_cycle", 1.0, 10)
    np.testing.assert_allclose(cycle[:4], [1 / 3, 2 / 3, 1, 1])
    assert cycle[-1] == pytest.approx(1 / 7)


@pytest.mark.parametrize(
    ("schedule", "peak", "warmup", "word"),
    [
        ("cosin", 0.1, 0.0, 'did you mean "cosine"'),
        ("cosine", 0.0, 0.0, "expected a positive rate"),
        ("cosine", -1.0, 0.0, "received rate -1.0"),
        ("cosine", float("nan"), 0.0, "received rate nan"),
        ("cosine", float("inf"), 0.0, "received rate inf"),
        ("cosine", 0.1, 1.0, "warm-up 1.0"),
    ],
)
def test_rates_that_cannot_be(schedule, peak, warmup, word):
    with pytest.raises(StudyError, match=word):
        learning_rates(schedule, peak, 10, warmup)
