"""Training for use, and using what was measured: the bundle, the choice of library, and the refusals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quintet import choice, machine, training
from quintet.bundle import read_bundle
from quintet.choice import choose
from quintet.errors import RecommendationError, StudyError
from quintet.launch import Fake
from quintet.recommend import Limits
from quintet.runtimes import NumpyPredictor
from quintet.schedule import run_study
from quintet.store import Store
from quintet.training import train_network


@pytest.fixture(autouse=True)
def _tiny_is_found(tiny, monkeypatch):
    monkeypatch.setattr(training, "load_system", lambda name: tiny)
    monkeypatch.setattr(choice, "load_system", lambda name: tiny)


def test_the_bundle_is_the_seed_that_did_best_on_validation(tiny, tiny_study, tmp_path):
    trained = train_network(tiny_study(seeds=3, epochs=0.5), tmp_path / "model")
    assert trained.bundle
    with Store(tmp_path / "model") as store:
        last = {
            r["trial"]: r["value"]
            for r in store.rows("SELECT trial, value FROM series WHERE name = 'validation_accuracy' ORDER BY step")
        }
        own = {t.id: t.metrics["accuracy"] for t in store.trials()}
    best = max(last.values())
    chosen = f"plain.reference.seed{trained.chosen_seed}"
    assert last[chosen] == best
    assert chosen == min(t for t, v in last.items() if v == best)  # of equals the first seed
    card = read_bundle(trained.bundle).card
    assert (card["trial"], card["own_test_accuracy"]) == (chosen, own[chosen])
    assert (card["name"], card["seed"], card["model_version"] > 1_700_000_000) == (
        "tiny-plain",
        trained.chosen_seed,
        True,
    )
    assert card["own_test_n"] == 60
    assert card["own_test_interval"]["low"] < card["own_test_accuracy"] <= card["own_test_interval"]["high"] + 1e-12
    assert card["versions"].keys() >= {"quintet", "numpy"}
    assert card["data"]["test_sha256"] == tiny.prepare().test_sha256()
    assert card["data"]["sha256"] == tiny.prepare().sha256()
    assert card["recipe"]["epochs"] == 0.5  # as it was trained, not as the system would have
    with Store(tmp_path / "model") as store:
        assert card["study"] == store.study()["digest"]
    assert trained.scores["accuracy"].n == 3
    assert card["figures"]["accuracy"]["mean"] == pytest.approx(np.mean([v for v in own.values() if v is not None]))
    arrays = tiny.prepare().arrays
    answers = NumpyPredictor(read_bundle(trained.bundle))(arrays["test_x"]).argmax(1)
    assert np.mean(answers == arrays["test_y"]) == pytest.approx(own[chosen], abs=0.02)


def test_the_same_training_again_leaves_what_was_made_of_the_model(tiny_study, tmp_path):
    def train() -> Path:
        trained = train_network(tiny_study(seeds=1, epochs=0.5), tmp_path / "model")
        assert trained.bundle
        return trained.bundle

    made = train() / "exports" / "onnx-float32.onnx"
    made.parent.mkdir()
    made.touch()
    assert train()
    assert made.exists()
    record = made.parents[1] / "bundle.json"
    record.write_text(record.read_text().replace("plain.reference.seed0", "plain.reference.seed9"))  # another model's
    assert train()
    assert not made.exists()


def test_when_every_seed_fails_there_is_no_bundle(tiny_study, tmp_path):
    trained = train_network(tiny_study(networks=["wild"], seeds=1), tmp_path / "model")
    assert trained.bundle is None
    assert trained.chosen_seed is None
    assert trained.scores == {}
    assert trained.failures[0].startswith("seed 0: diverged")
    assert not (tmp_path / "model" / "bundle").exists()


def test_training_takes_one_library_and_one_network(tiny_study, tmp_path):
    with pytest.raises(StudyError, match="received 2 libraries and 1 networks"):
        train_network(tiny_study(libraries=["torch", "jax"]), tmp_path)


SPEEDS = {"torch": 300.0, "jax": 100.0}


def answer(job: Path, record: dict[str, Any]) -> dict[str, Any]:
    rng = np.random.default_rng(record["seed"])
    np.save(job / "test_outputs.npy", rng.random((60, 3)))
    speed = SPEEDS[record["library"]] * (1 + 0.001 * rng.random())
    return {
        "status": "ok", "versions": {}, "weights_sha256": "0", "training_images_per_s": speed, "latency_p50_ms": 1.0,
        "energy_source": "unavailable", "files": {"test_outputs": "test_outputs.npy"},
    }  # fmt: skip


@pytest.fixture
def measured(tiny, tiny_study, tmp_path):
    """Return a function that makes a measured study of torch and jax below tmp_path/studies."""

    def make(name: str = "one", passed: bool = True, **settings: Any) -> Path:
        study = tiny_study(libraries=["torch", "jax"], seeds=5, threads=1, **settings)
        folder = tmp_path / "studies" / name
        run_study(study, folder, launcher=Fake(answer), system=tiny, prepared=tiny.prepare())
        ladder = [
            {"network": "plain", "library": library, "precision": "float64", "passed": passed, "steps": 500}
            for library in study.libraries
        ]
        with Store(folder) as store:
            store.write("parity", ladder)
        return folder

    return make


def test_nothing_measured_is_a_refusal_that_says_what_to_type(tmp_path):
    with pytest.raises(RecommendationError, match="type: quintet compare tiny --network plain"):
        choose("tiny", None, tmp_path)


def test_the_fastest_library_is_chosen(measured, tmp_path):
    folder = measured()
    found = choose("tiny", None, tmp_path / "studies")
    assert (found.recommendation.library, found.folder, found.threads) == ("torch", folder, 1)


def test_limits_that_nothing_meets_are_a_refusal(measured, tmp_path):
    measured()
    with pytest.raises(RecommendationError) as error:
        choose("tiny", None, tmp_path / "studies", limits=Limits(max_latency_ms=0.001))
    assert "\n" not in str(error.value)
    assert "0.001" in str(error.value)


def test_a_study_of_another_machine_or_system_or_of_no_version_says_nothing(measured, tmp_path, monkeypatch):
    folder = measured()
    (tmp_path / "studies" / "odd").mkdir()
    (tmp_path / "studies" / "odd" / "study.db").write_bytes(b"no database at all, but long enough to be looked at")
    assert choose("tiny", None, tmp_path / "studies").folder == folder
    here = machine.describe()
    monkeypatch.setattr(machine, "describe", lambda: here | {"processor": "Another"})
    with pytest.raises(RecommendationError, match="made on this machine"):
        choose("tiny", None, tmp_path / "studies")


def test_an_unfinished_study_says_nothing(measured, tmp_path):
    folder = measured()
    with Store(folder) as store, store.transaction() as db:
        for table in ("metric", "series", "run"):
            db.execute(f"DELETE FROM {table} WHERE trial = 'plain.jax.seed4'")
    with pytest.raises(RecommendationError, match="no finished study"):
        choose("tiny", None, tmp_path / "studies")


def test_an_unknown_network(tmp_path):
    with pytest.raises(StudyError, match='did you mean "plain"'):
        choose("tiny", "plane", tmp_path)


def test_a_trained_result_is_plain_json(tiny_study, tmp_path):
    from dataclasses import asdict

    trained = train_network(tiny_study(seeds=1), tmp_path / "model")
    json.dumps(asdict(trained), default=str, allow_nan=False)


def test_a_training_for_use_is_not_cut_off_for_being_slow(tiny, tiny_study, tmp_path, monkeypatch):
    class Seen(Exception):
        pass

    def look(study, folder, **named):
        raise Seen(study.timeout_s)

    monkeypatch.setattr(training, "run_study", look)
    with pytest.raises(Seen) as seen:
        train_network(tiny_study(seeds=1), tmp_path / "model")
    assert seen.value.args[0] >= 24 * 3600
