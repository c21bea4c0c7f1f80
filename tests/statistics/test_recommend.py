"""The choice under limits: who, why, who came next, and when the answer would change."""

from dataclasses import replace

import pytest

from quintet.errors import RecommendationError
from quintet.metrics import METRICS
from quintet.recommend import Candidate, Limits, recommend
from quintet.verdict import compare_metric

TORCH = Candidate(
    library="torch",
    accuracy=0.991,
    training_images_per_s=1_000,
    inference_images_per_s=9_000,
    latency_ms=0.5041,
    peak_mib=300,
    train_s=10,
    n=5,
)
JAX = replace(TORCH, library="jax", training_images_per_s=1_500, latency_ms=0.9, peak_mib=512.7, train_s=7)
TENSORFLOW = replace(TORCH, library="tensorflow", training_images_per_s=2_500, latency_ms=2.9, peak_mib=900, train_s=5)
ALL = [TORCH, JAX, TENSORFLOW]


def test_the_fastest_without_limits():
    found = recommend(ALL, Limits())
    assert (found.library, found.runner_up) == ("tensorflow", "jax")
    assert found.sentence.startswith(
        "tensorflow is recommended: the best training speed on this machine, 2,500 images/s"
    )


@pytest.mark.parametrize(("goal", "library"), [("training", "tensorflow"), ("latency", "torch"), ("memory", "torch")])
def test_each_goal(goal, library):
    assert recommend(ALL, Limits(), goal=goal).library == library


def test_a_limit_refuses_with_the_reason_and_says_when_the_answer_would_change():
    found = recommend(ALL, Limits(max_peak_mib=600))
    assert found.library == "jax"
    assert found.refused == {"tensorflow": "its peak memory, 900 MiB, is over the limit of 600 MiB"}
    assert "If your limit on peak memory were at most 900 MiB, the answer would change to tensorflow." in found.changes
    assert "If your limit on peak memory were at most 300 MiB, the answer would change to torch." in found.changes


def test_each_change_is_true():
    """The limit in the sentence, taken at its word, gives the library in the sentence."""
    found = recommend(ALL, Limits())
    assert "If your limit on latency were at most 0.90 ms, the answer would change to jax." in found.changes
    assert recommend(ALL, Limits(max_latency_ms=0.90)).library == "jax"
    tight = recommend([TORCH, JAX], Limits())
    assert "If your limit on latency were at most 0.51 ms, the answer would change to torch." in tight.changes
    assert recommend([TORCH, JAX], Limits(max_latency_ms=0.51)).library == "torch"


def test_accuracy_limit():
    poor = replace(TENSORFLOW, accuracy=0.98)
    assert recommend([TORCH, poor], Limits(min_accuracy=0.99)).library == "torch"


def test_shown_less_accurate_is_refused_unless_the_better_one_is_out_of_reach():
    samples = {
        "torch": [0.990, 0.991, 0.992, 0.990, 0.991],
        "jax": [0.990, 0.9911, 0.992, 0.990, 0.991],
        "tensorflow": [0.970, 0.972, 0.973, 0.971, 0.970],
    }
    verdicts = compare_metric(METRICS["accuracy"], samples)
    found = recommend(ALL, Limits(), verdicts=verdicts)
    assert found.library == "jax"
    assert found.refused["tensorflow"] == "it is shown less accurate than another library within the limits"
    assert recommend(ALL, Limits(max_train_s=6), verdicts=verdicts).library == "tensorflow"


def test_the_sentence_says_whether_the_lead_is_shown():
    shown = {"torch": [100.0, 110.0, 105.0, 98.0, 101.0], "jax": [150.0, 166.0, 158.0, 146.0, 152.0]}
    verdicts = compare_metric(METRICS["training_images_per_s"], shown)
    assert (
        "the difference is shown. jax trains 1.50 times"
        in recommend([TORCH, JAX], Limits(), verdicts=verdicts).sentence
    )
    noisy = {"torch": [100.0, 210.0, 105.0], "jax": [150.0, 166.0, 108.0]}
    verdicts = compare_metric(METRICS["training_images_per_s"], noisy)
    assert "is ahead is not shown" in recommend([TORCH, JAX], Limits(), verdicts=verdicts).sentence
    assert "was not tested" in recommend([TORCH, JAX], Limits()).sentence


def test_failed_and_not_comparable_are_refused():
    found = recommend(
        [TORCH, replace(JAX, n=4, n_failed=1), replace(TENSORFLOW, not_comparable="parity failed at loss")], Limits()
    )
    assert found.library == "torch"
    assert found.runner_up is None
    assert found.refused["jax"] == "1 of its 5 runs failed"
    assert found.refused["tensorflow"] == "it is not comparable: parity failed at loss"


@pytest.mark.parametrize(
    ("candidates", "limits", "goal", "message"),
    [
        ([], Limits(), "training", "received no measured library; expected .*; run `quintet compare SYSTEM` first"),
        (ALL, Limits(max_energy_j=5), "training", "its energy was not measured, and there is a limit on it"),
        (ALL, Limits(max_peak_mib=5), "training", r"its peak memory, 300 MiB, is over the limit of 5\.00 MiB"),
        (ALL, Limits(), "beauty", "received the goal 'beauty'; expected one of training, inference, latency, memory"),
        ([replace(TORCH, training_images_per_s=None)], Limits(), "training", "its training speed was not measured"),
    ],
)
def test_nothing_to_recommend(candidates, limits, goal, message):
    with pytest.raises(RecommendationError, match=message) as error:
        recommend(candidates, limits, goal=goal)
    assert "\n" not in str(error.value)
