"""Verdicts: which kind, when, and in which words."""

import numpy as np
import pytest

from quintet.metrics import METRICS
from quintet.verdict import claim_verdict, compare_metric, headline

ACCURACY, SPEED = METRICS["accuracy"], METRICS["training_images_per_s"]
BASE = [0.9900, 0.9910, 0.9895, 0.9905, 0.9900]


def runs(shift: float, n: int = 5, spread: float = 0.0003, seed: int = 0) -> list[float | None]:
    noise = np.random.default_rng(seed).normal(0, spread, size=n)
    return [(BASE * 6)[i] + shift + float(noise[i]) for i in range(n)]


def test_better_in_accuracy_with_five_seeds_says_that_it_trusts_normality():
    samples = {"torch": [b + d for b, d in zip(BASE, [0.005, 0.006, 0.005, 0.0055, 0.0045], strict=True)], "jax": BASE}
    [found] = compare_metric(ACCURACY, samples)
    assert (found.kind, found.subject, found.other) == ("better", "torch", "jax")
    assert found.sentence == (
        "torch is better than jax in accuracy: +0.52 pp (95 % interval +0.45 to +0.59, 5 paired seeds, p < 0.001). "
        "This trusts the differences to be normal: 5 pairs are too few for a test that does not."
    )
    [turned] = compare_metric(ACCURACY, dict(reversed(samples.items())))
    assert turned.sentence == found.sentence


def test_better_in_accuracy_with_ten_seeds_trusts_nothing():
    [found] = compare_metric(ACCURACY, {"torch": runs(0.005, 10), "jax": runs(0, 10, seed=1)})
    assert found.kind == "better"
    assert "normal" not in found.sentence
    assert "10 paired seeds, p = 0.002)" in found.sentence


def test_better_in_speed_is_a_ratio():
    samples = {"torch": [100.0, 110.0, 90.0, 105.0, 95.0], "tensorflow": [184.0, 200.0, 168.0, 190.0, 178.0]}
    [found] = compare_metric(SPEED, samples)
    assert found.subject == "tensorflow"
    assert found.sentence.startswith(
        "tensorflow trains 1.84 times as fast as torch (95 % interval 1.81 to 1.88, 5 paired"
    )


def test_lower_is_better_in_memory():
    [found] = compare_metric(
        METRICS["peak_mib"], {"torch": [500.0, 510.0, 505.0] * 2, "jax": [250.0, 256.0, 252.0] * 2}
    )
    assert (found.kind, found.subject) == ("better", "jax")
    assert found.sentence.startswith("jax needs 0.50 times the memory of torch")


def test_equal_within_the_margin():
    [found] = compare_metric(ACCURACY, {"torch": runs(0.0001), "jax": runs(0, seed=1)})
    assert found.kind == "equal"
    assert found.sentence.startswith("torch and jax are equal in accuracy within ±0.20 pp: ")
    assert "90 % interval" in found.sentence


def test_a_real_difference_below_the_margin_is_equal():
    [found] = compare_metric(ACCURACY, {"torch": runs(0.0008, 20), "jax": runs(0, 20, seed=1)})
    assert found.comparison is not None
    assert found.comparison.p_value is not None
    assert found.comparison.p_value < 0.05
    assert found.kind == "equal"


def test_identical_runs_are_equal_and_said_to_be_identical():
    [found] = compare_metric(ACCURACY, {"torch": BASE, "jax": BASE})
    assert found.sentence == (
        "torch and jax are equal in accuracy within ±0.20 pp: 0.00 pp (no interval, the same in each of 5 paired seeds)."
    )


def test_not_shown_says_how_many_pairs_would_show_it():
    [found] = compare_metric(ACCURACY, {"torch": runs(0.001, spread=0.003), "jax": runs(0, spread=0.003, seed=1)})
    assert found.kind == "not_shown"
    assert found.comparison is not None
    assert found.comparison.n_needed is not None
    assert f"about {found.comparison.n_needed} paired seeds would be needed to show" in found.sentence


@pytest.mark.parametrize("n", [1, 2])
def test_fewer_than_three_pairs_show_nothing(n):
    [found] = compare_metric(ACCURACY, {"torch": runs(0.5, n), "jax": runs(0, n)})
    assert found.kind == "not_shown"
    assert "fewer than 3 show nothing" in found.sentence


def test_parity_not_passed_is_not_comparable_and_leaves_the_family():
    samples = {"torch": runs(0), "jax": runs(0, seed=1), "old": runs(0.1, seed=2)}
    found = compare_metric(ACCURACY, samples, not_comparable={"old": "parity failed at gradients of conv1.kernel"})
    assert [v.kind for v in found] == ["equal", "not_comparable"]
    assert found[0].comparison is not None
    assert found[0].comparison.family == 1
    assert found[1].sentence == "old is not comparable in accuracy: parity failed at gradients of conv1.kernel."
    assert headline(found + compare_metric(SPEED, samples, not_comparable={"old": "why"}))[-1] == (
        "Left out as not comparable: old."
    )


def test_a_failed_run_is_said_and_never_wins():
    fast = [2_000.0, 2_010.0, 1_990.0, 2_000.0, 2_005.0]
    slow = [1_000.0, 1_010.0, 990.0, 1_000.0, 1_005.0]
    [found] = compare_metric(SPEED, {"flaky": [*fast[:4], None], "steady": slow})
    assert found.kind == "not_shown"
    assert "Failed, and counted as the worst run seen: 1 of 5 runs of flaky." in found.sentence
    [other] = compare_metric(SPEED, {"flaky": [*slow[:4], None], "steady": fast})
    assert (other.kind, other.subject) == ("better", "steady")
    [dead, *_] = [v for v in compare_metric(SPEED, {"dead": [None] * 5, "a": slow, "b": fast}) if v.subject == "dead"]
    assert dead.kind == "not_comparable"
    assert "no value in any of its 5 runs" in dead.sentence


def test_descriptions_are_not_compared():
    with pytest.raises(ValueError, match="measured in every run"):
        compare_metric(METRICS["seed_sd"], {"a": [1.0]})


def test_distance_zero_from_the_reference_counts_as_rounding():
    [found] = compare_metric(
        METRICS["numerical_precision"], {"a": [0.0] * 6, "b": [1e-7, 2e-7, 1e-7, 1e-7, 2e-7, 1e-7]}
    )
    assert (found.kind, found.subject) == ("better", "a")


def speeds(**means: float) -> dict[str, list[float | None]]:
    noise = np.random.default_rng(0).normal(0, 0.01, size=(len(means), 5))
    return {name: [mean * (1 + float(e)) for e in noise[i]] for i, (name, mean) in enumerate(means.items())}


def test_headline_names_the_fastest_of_the_equally_accurate():
    accuracy = compare_metric(ACCURACY, {"torch": runs(0), "jax": runs(0, seed=1), "tf": runs(-0.01, seed=2)})
    first, second = headline(accuracy + compare_metric(SPEED, speeds(torch=1000, jax=1500, tf=4000)))
    assert first.startswith("jax serves this network best here: not shown less accurate than any, jax trains 1.5")
    assert "5 paired seeds" in first
    assert second.startswith("In accuracy, tf is shown to be surpassed (5 paired seeds")


def test_headline_admits_a_lead_that_is_not_shown():
    samples = {name: [1000.0, 1400.0, 700.0, 1200.0 + i, 900.0 + 300 * i] for i, name in enumerate(("torch", "jax"))}
    accuracy = compare_metric(ACCURACY, {"torch": runs(0, spread=0.01), "jax": runs(0, spread=0.01, seed=1)})
    first, second = headline(accuracy + compare_metric(SPEED, samples))
    assert first.endswith("is not shown: its lead over torch may be chance.")
    assert second.startswith("In accuracy no library was shown to surpass another: the largest difference measured")


def test_headline_of_equals_and_of_nothing():
    same = {"torch": [1000.0, 1010.0, 990.0, 1000.0, 1005.0], "jax": [1001.0, 1009.0, 991.0, 1001.0, 1004.0]}
    accuracy = compare_metric(ACCURACY, {"torch": BASE, "jax": BASE})
    first, second = headline(accuracy + compare_metric(SPEED, same))
    assert "serve this network best here, equal in training speed" in first
    assert second.startswith("In accuracy, torch and jax are equal within ±0.20 pp")
    [nothing] = headline([])
    assert "was not shown: fewer than two could be compared" in nothing


def test_headline_without_speed_and_with_failures():
    accuracy = compare_metric(ACCURACY, {"torch": runs(0), "jax": [None, *runs(0, seed=1)[1:]], "old": [None] * 5})
    first, _, last = headline(accuracy)
    assert first.endswith("nothing is known of their training speed.")
    assert last == "Left out as not comparable: old; failed runs of jax: 1."


CLAIM = "ReLU gives the best accuracy"


def test_claim_reproduced():
    found = compare_metric(ACCURACY, {"tanh": runs(0), "relu": runs(0.01, seed=1), "elu": runs(-0.005, seed=2)})
    told = claim_verdict(CLAIM, "relu", found)
    assert told.kind == "reproduced"
    assert told.sentence.startswith('"ReLU gives the best accuracy": reproduced: relu is shown better than each')


def test_claim_not_reproduced_when_another_is_better_or_equal():
    better = compare_metric(ACCURACY, {"tanh": runs(0), "relu": runs(0.01, seed=1), "elu": runs(0.02, seed=2)})
    assert claim_verdict(CLAIM, "relu", better).kind == "not reproduced"
    equal = compare_metric(ACCURACY, {"tanh": runs(-0.01), "relu": runs(0, seed=1), "elu": runs(0, seed=2)})
    told = claim_verdict(CLAIM, "relu", equal)
    assert told.kind == "not reproduced"
    assert "not the best alone" in told.sentence


def test_claim_cannot_be_told():
    unclear = compare_metric(
        ACCURACY, {"relu": runs(0.001, spread=0.005), "elu": runs(0, spread=0.005, seed=1), "tanh": [None] * 5}
    )
    assert claim_verdict(CLAIM, "relu", unclear).kind == "cannot be told"
    assert claim_verdict(CLAIM, "relu", []).kind == "cannot be told"
    missing = compare_metric(ACCURACY, {"relu": runs(0.02), "elu": runs(0, seed=1), "tanh": [None] * 5})
    assert claim_verdict(CLAIM, "relu", missing).kind == "cannot be told"


def test_every_metric_defines_itself():
    assert {metric.word for metric in METRICS.values()} == {"accuracy", "precision", "stability", "performance"}
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.definition.endswith(".")
        assert (metric.margin is None) == (metric.scale == "description")
        if metric.scale == "ratio":
            assert metric.comparison.format(subject="a", ratio="2.00", other="b")
    assert ACCURACY.show(0.99314) == "99.31 %"
    assert METRICS["energy_j"].show(None) == "not measured"
    assert METRICS["peak_mib"].show(512.3) == "512 MiB"
