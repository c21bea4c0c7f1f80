"""The activation study at a tiny size: the test set stays closed while rates are chosen, and every part is shown."""

import json
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest

from quintet.launch import Local
from quintet.store import Store
from quintet.system import Prepared
from quintet_systems.digits import activations
from quintet_systems.digits.activation_report import markdown, sentences, write_activation_report
from quintet_systems.digits.activations import best_rate, run_activations, winners, without_test
from quintet_systems.digits.arms import Arm, Arms
from quintet_systems.digits.system import SYSTEM

NAMES = ("relu", "sigmoid")
SIZE = activations.Preset(
    data="digits8x8", epochs=0.5, rates=(0.001, 0.01), control_rate=0.001, tune_seeds=1, final_seeds=2, evaluations=2
)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """Run the study once: 12 trials of the reference, two at a time; return it, its folder and the jobs that ran."""
    patch = pytest.MonkeyPatch()
    patch.setattr(activations, "SIX", NAMES)
    patch.setitem(activations.PRESETS, "quick", SIZE)
    patch.setattr("quintet.trials.MEASURE", {"inference_passes": 1, "latency_calls": 1})
    seen: list[dict] = []
    run = Local.run

    def noting(self, job, timeout_s, cores=None):
        seen.append(json.loads((job / "job.json").read_text()) | {"part": job.parents[1].name})
        return run(self, job, timeout_s, cores)

    patch.setattr(Local, "run", noting)
    folder = tmp_path_factory.mktemp("activations")
    study = run_activations("quick", "reference", folder, at_once=2)
    again = run_activations("quick", "reference", folder, at_once=2)
    patch.undo()
    assert again == study
    return study, folder, seen


def test_each_part_ran_once_and_tuning_never_had_the_test_set(done):
    _, folder, seen = done
    parts = {part: [job for job in seen if job["part"] == part] for part in ("tune", "final", "control")}
    assert {part: len(jobs) for part, jobs in parts.items()} == {"tune": 4, "final": 4, "control": 4}
    assert all("test_x" not in job["data"] for job in parts["tune"])
    assert all("test_x" in job["data"] for job in parts["final"])
    with Store(folder / "tune") as store:
        assert "test_x" not in store.study()["data"]["sizes"]
        assert all("accuracy" not in trial.metrics for trial in store.trials())
    tuned = {trial.seed for trial in _trials(folder / "tune")}
    assert tuned.isdisjoint(trial.seed for trial in _trials(folder / "final"))


def _trials(folder):
    with Store(folder) as store:
        return store.trials()


def test_the_final_arms_have_the_rate_that_was_best_on_validation(done):
    study, folder, _ = done
    names = {trial.network for trial in _trials(folder / "final")}
    assert names == {Arm(activation=a.name, rate=a.rate).name for a in study.activations}
    for a in study.activations:
        assert set(a.tuned) == set(SIZE.rates)
        assert a.tuned[a.rate] == max(v for v in a.tuned.values() if v is not None)
        assert a.at_edge  # the grid has but two rates


def test_activations_come_best_first_with_their_figures(done):
    study, _, _ = done
    means = [a.accuracy.mean for a in study.activations]
    assert means == sorted(means, reverse=True)
    for a in study.activations:
        assert (a.accuracy.n, a.control.n, a.failures) == (2, 2, ())
        assert a.epoch_s.mean is not None
        assert a.epoch_s.mean > 0
        assert a.curve is not None
        assert len(a.curve.steps) == 2
        assert all(low <= mean <= high for low, mean, high in zip(a.curve.low, a.curve.mean, a.curve.high, strict=True))
    assert sum(study.control_winners.values()) >= 2
    assert study.version == np.__version__
    assert study.claim.kind in ("reproduced", "not reproduced", "cannot be told")


def test_the_report_names_every_activation_and_the_plot_is_whole(done, tmp_path):
    study, _, _ = done
    text, plot = write_activation_report(study, tmp_path)
    page = text.read_text()
    assert page == markdown(study) + "\n"
    for sentence in sentences(study):
        assert sentence in page
    for name in NAMES:
        assert f"| {name} | " in page
    svg = ElementTree.fromstring(plot.read_bytes())
    words = " ".join(svg.itertext())
    assert svg.tag.endswith("svg")
    for name in NAMES:
        assert name in words


def test_a_failed_activation_is_the_last_and_said_to_have_failed(done):
    study, _, _ = done
    from quintet.statistics import summarise

    worst = study.activations[-1]
    failed = replace(
        worst,
        accuracy=summarise([], n_failed=2),
        epoch_s=summarise([], False),
        curve=None,
        failures=("seed 100: diverged",),
    )
    shown = markdown(replace(study, activations=(*study.activations[:-1], failed)))
    row = next(line for line in shown.splitlines() if line.startswith(f"| {worst.name} | "))
    assert "failed" in row
    assert " 2 |" in row


@pytest.mark.parametrize(
    ("tuned", "rate"),
    [
        ({0.001: 0.8, 0.01: 0.9}, 0.01),
        ({0.01: 0.9, 0.001: 0.9}, 0.001),  # of equals the smaller
        ({0.001: None, 0.01: 0.1}, 0.01),  # a failed run is the worst
        ({0.001: 0.0, 0.01: None}, 0.001),
        ({0.1: None, 0.01: None}, 0.01),
    ],
)
def test_the_best_rate(tuned, rate):
    assert best_rate(tuned) == rate


def test_winners_of_one_seed_studies():
    assert winners({"a": [0.9, 0.5, None], "b": [0.8, 0.5, None], "c": [None, 0.4, None]}) == {"a": 2, "b": 1, "c": 0}


def test_without_test_leaves_nothing_of_it(tiny):
    prepared: Prepared = without_test(tiny.prepare())
    assert set(prepared.arrays) == {"train_x", "train_y", "validation_x", "validation_y"}


def test_an_arm_says_all_that_differs():
    arms = [Arm(activation="relu", rate=0.01), Arm(activation="relu", rate=0.01, matched=False)]
    system = Arms(arms, epochs=2)
    prepared = SYSTEM.prepare("digits8x8")
    assert system.networks() == ("relu@0.01", "relu@0.01!")
    matched, glorot = (system.recipe(name, prepared) for name in system.networks())
    assert (matched.initial, glorot.initial) == ("matched", "glorot")
    assert (matched.rate, matched.epochs, matched.net.name) == (0.01, 2, "relu@0.01")
