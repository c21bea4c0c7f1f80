"""The short trial of each library: how long, who wins, who is left out and why."""

import pytest

from quintet import quick_trial as module
from quintet.errors import EnvironmentUnavailable
from quintet.launch import Failure, Fake
from quintet.quick_trial import FIRST_STEPS, quick_trial
from quintet.system import load_system

SPEED = {"torch": 2_000.0, "jax": 5_000.0}


def answer(_, job):
    if job["library"] == "tensorflow":
        return Failure(kind="crash", reason="no such instruction", log_tail="")
    return {"training_images_per_s": SPEED[job["library"]]}


def test_the_fastest_comes_first_and_one_that_fails_last_with_its_reason(monkeypatch):
    monkeypatch.setattr(module, "TRIAL_S", 0.5)
    system, launcher = load_system("digits"), Fake(answer)
    prepared = system.prepare("digits8x8")
    tried = quick_trial(
        system, "survey", prepared, threads=1, libraries=["torch", "tensorflow", "jax"], launcher=launcher
    )
    assert [(one.library, one.images_per_s) for one in tried] == [
        ("jax", 5_000.0), ("torch", 2_000.0), ("tensorflow", None),
    ]  # fmt: skip
    assert tried[-1].reason == "crash: no such instruction"
    assert [job["library"] for job in launcher.seen] == ["torch", "torch", "tensorflow", "jax", "jax"]


def test_how_long_a_trial_is_follows_from_a_few_steps(monkeypatch):
    monkeypatch.setattr(module, "TRIAL_S", 0.5)
    taken = []

    def note(bench, study, trial, threads, *, steps):
        taken.append(steps)
        return train_job(bench, study, trial, threads, steps=steps)

    train_job = module.train_job
    monkeypatch.setattr(module, "train_job", note)
    system = load_system("digits")
    quick_trial(system, "survey", system.prepare("digits8x8"), threads=1, libraries=["jax"], launcher=Fake(answer))
    assert taken == [FIRST_STEPS, round(0.5 * 5_000 / 32)]


def test_where_none_can_train_each_reason_is_told():
    system = load_system("digits")
    with pytest.raises(EnvironmentUnavailable, match=r"tensorflow: crash: no such instruction.*quintet libraries"):
        quick_trial(
            system, "survey", system.prepare("digits8x8"), threads=1, libraries=["tensorflow"], launcher=Fake(answer)
        )
