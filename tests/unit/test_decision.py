"""The decision of a classifier: temperature, reject rule, and what a bundle says of both."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.decision import (
    Decision,
    calibration_error,
    decision_record,
    fit_decision,
    measure,
    probabilities,
    read_decision,
)
from quintet.errors import BundleError


def calibrated(n: int, heat: float, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return logits `(n, 3)` whose probabilities at temperature `heat` are exactly those that the labels are drawn from."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (n, 3))
    shares = probabilities(logits)
    labels = (rng.random((n, 1)) > shares.cumsum(1)).sum(1)
    return logits * heat, labels


@pytest.mark.parametrize("heat", [0.5, 1.0, 3.0])
def test_an_overconfident_models_temperature_is_found_and_its_calibration_mended(heat):
    logits, labels = calibrated(20_000, heat)
    decision = fit_decision(logits, labels, 0.9)
    assert decision.temperature == pytest.approx(heat, rel=0.05)
    figures = measure(decision, *calibrated(20_000, heat, seed=1))
    assert figures["calibration_error"] < 0.02
    if heat != 1:
        assert figures["uncalibrated"] > 3 * figures["calibration_error"]


@given(st.floats(0.01, 1.0), st.integers(2, 300))
def test_the_asked_share_of_what_it_was_fitted_on_is_answered(coverage, n):
    logits, labels = calibrated(n, 1.0, seed=n)
    decision = fit_decision(logits, labels, coverage)
    sureness = probabilities(logits, decision.temperature).max(1)
    assert (sureness >= decision.threshold).mean() >= coverage - 1e-9
    assert (sureness > decision.threshold).mean() <= coverage + 1 / n + 1e-9  # equals are answered or rejected together


def test_rejecting_makes_the_answers_more_often_right():
    logits, labels = calibrated(5_000, 2.0)
    figures = measure(fit_decision(logits, labels, 0.7), *calibrated(5_000, 2.0, seed=1))
    assert figures["accuracy_of_answers"] > figures["accuracy"] + 0.05
    low, high = figures["coverage_interval"]
    assert low < 0.7 < high


def test_calibration_error_by_hand():
    shares = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.35, 0.65]])
    assert calibration_error(shares, np.array([0, 1, 1, 1])) == pytest.approx(0.5 * 0.4 + 0.25 * 0.4 + 0.25 * 0.35)


def test_a_temperature_softens_and_large_logits_do_no_harm():
    logits = np.array([[2.0, 0.0]])
    assert probabilities(logits)[0, 0] > probabilities(logits, 4.0)[0, 0] > 0.5
    assert probabilities(np.array([[1e4, -1e4]])).tolist() == [[1.0, 0.0]]


def test_one_logit_is_that_of_the_second_class():
    assert probabilities(np.array([[2.0]]))[0, 1] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_what_a_bundle_keeps_is_read_again_and_damage_is_told(tmp_path):
    assert read_decision(tmp_path) == Decision()
    decision = Decision(temperature=1.5, threshold=0.8, coverage=0.9)
    (tmp_path / "decision.json").write_bytes(decision_record(decision, "litert-int8", {}))
    assert read_decision(tmp_path) == decision
    for content in (
        b"{",
        b"[]",
        b"{}",
        b'{"temperature": 0, "threshold": 0.5, "coverage": 1}',
        b'{"temperature": "x"}',
    ):
        (tmp_path / "decision.json").write_bytes(content)
        with pytest.raises(BundleError, match=r"export it again|export or copy it again"):
            read_decision(tmp_path)


@pytest.mark.parametrize("coverage", [0, -1, 1.1])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(BundleError, match="more than 0 and at most 1"):
        fit_decision(np.zeros((3, 2)), np.zeros(3, int), coverage)
