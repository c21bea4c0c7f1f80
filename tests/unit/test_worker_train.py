"""The task "train": how it cuts the steps, what it measures, and how each misfortune is told."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quintet.layers import Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.network_json import resolved
from quintet.optimiser import SGD, wire_form
from quintet.schedule import make_bench
from quintet.study import Trial
from quintet.trials import train_job
from quintet_worker import __main__ as worker
from quintet_worker import adapters, train
from quintet_worker.adapters.reference import Reference


@given(st.integers(1, 300), st.sets(st.integers(1, 300), max_size=8), st.integers(1, 64))
def test_the_pieces_cover_every_step_once_and_end_at_every_evaluation(steps, stops, group):
    stops = {stop for stop in stops if stop <= steps}
    pieces = train.cut(steps, sorted(stops), group)
    covered = [step for first, count in pieces for step in range(first, first + count)]
    assert covered == list(range(steps))
    assert stops <= {first + count for first, count in pieces}
    assert {count for _, count in pieces} <= {1, group}  # two sizes at most: nothing else is ever compiled


def test_predictions_do_not_depend_on_the_size_of_the_batches():
    class Row:
        def predict(self, x):
            assert len(x) == 4
            return x.sum(1, keepdims=True)

    x = np.arange(22.0).reshape(11, 2)
    assert (train.predict(Row(), x, 4) == x.sum(1, keepdims=True)).all()


def test_a_digest_changes_with_any_bit_and_any_name():
    one = {"a": np.zeros(3), "b": np.ones(2)}
    assert train.digest(one) == train.digest(dict(reversed(one.items())))
    assert train.digest(one) != train.digest({"a": np.array([0, 0, 5e-324]), "b": np.ones(2)})
    assert train.digest(one) != train.digest({"a": np.zeros(3), "c": np.ones(2)})


@pytest.fixture
def job(tiny, tiny_study, tmp_path):
    """Return a function that writes a job of the tiny system and returns its folder."""

    def make(network: str = "plain", steps: int | None = None, **settings: Any) -> Path:
        study = tiny_study(networks=[network], **settings)
        bench = make_bench(study, tiny, tiny.prepare(), tmp_path)
        trial = Trial(network=network, library=study.libraries[0], seed=0)
        train_job(bench, study, trial, threads=1, steps=steps).write(tmp_path / "job")
        return tmp_path / "job"

    return make


def outcome(folder: str) -> dict[str, Any]:
    """Run a job in this process."""
    return worker.run(folder)


@pytest.fixture
def here(monkeypatch):
    """Let the worker's code run in this process: what it sets in the environment is put back."""
    monkeypatch.setattr(os, "environ", os.environ.copy())


def test_a_result_holds_every_figure(job, here):
    folder = job(save_weights=True)
    result = outcome(str(folder))
    assert result["status"] == "ok"
    assert np.load(folder / result["files"]["losses"]).shape == (8,)
    assert np.load(folder / result["files"]["validation_outputs"]).shape == (2, 30, 3)
    assert np.load(folder / result["files"]["test_outputs"]).shape == (60, 3)
    assert len(result["curve_s"]) == 2
    assert result["latency_p50_ms"] <= result["latency_p99_ms"]
    for name in ("train_s", "training_images_per_s", "inference_images_per_s", "peak_mib", "import_s", "build_s"):
        assert result[name] > 0
    assert result["numerical_precision"] < 1e-5  # float32 against the float64 reference at the same weights
    assert result["start_up_s"] is None  # nobody said when the process was started
    assert (result["energy_j"] is None) == (result["energy_source"] == "unavailable")


def test_training_learns_and_repeats_bit_for_bit(job, here):
    one, two = outcome(str(job())), outcome(str(job()))
    losses = np.load(job() / one["files"]["losses"])
    assert losses[-1] < 0.7 * losses[0]
    assert one["weights_sha256"] == two["weights_sha256"]
    assert outcome(str(job(precision="float64")))["weights_sha256"] != one["weights_sha256"]


def test_a_short_job_only_tells_how_fast_training_is(job, here):
    result = outcome(str(job(steps=3)))
    assert np.load(job(steps=3) / result["files"]["losses"]).shape == (3,)
    assert "test_outputs" not in result["files"]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_no_number_is_diverged(job, here):
    result = outcome(str(job("wild")))
    assert (result["status"], result["kind"]) == ("failure", "diverged")
    assert "step" in result["reason"]
    json.dumps(result, allow_nan=False)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_outputs_that_are_no_numbers_after_the_last_step_are_diverged_too(job, here):
    result = outcome(str(job("wild", epochs=0.25)))  # one step: its loss was taken before it
    assert result["kind"] == "diverged"
    assert "the test outputs were not all numbers after the last step" in result["reason"]


def test_weights_that_are_no_numbers_after_the_last_step_are_diverged_too(job, here, monkeypatch):
    class Lost(Reference):
        def weights(self):
            return {name: np.full_like(array, np.nan) for name, array in super().weights().items()}

    monkeypatch.setattr(adapters, "create", lambda name: Lost())
    result = outcome(str(job()))
    assert result["kind"] == "diverged"
    assert "the weights were not all numbers" in result["reason"]


def test_numerical_precision_without_a_size_to_compare_with_is_none():
    net = Net(name="n", input_shape=(2,), layers=(Dense(units=3),), loss=SoftmaxCrossEntropy())
    record = {"network": resolved(net), "optimiser": wire_form(SGD())}
    weights = {"dense1.kernel": np.zeros((2, 3)), "dense1.bias": np.zeros(3)}
    assert train.numerical_precision(record, weights, np.ones((4, 2)), np.zeros((4, 3))) is None


def test_a_precision_that_the_library_has_not_is_unsupported(job, here):
    result = outcome(str(job(precision="bfloat16")))
    assert (result["kind"], result["reason"]) == ("unsupported", "reference has no bfloat16")


class Broken(Reference):
    """An adapter whose build raises whatever the test says."""

    error: Exception

    def build(self, network, optimiser, precision, threads, device):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "word"),
    [
        (MemoryError("Unable to allocate 4 TiB"), "memory", "4 TiB"),
        (RuntimeError("RESOURCE_EXHAUSTED: OOM when allocating\ntrace"), "memory", "RESOURCE_EXHAUSTED"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), "memory", "allocate"),
        (KeyError("conv9.kernel"), "crash", "KeyError: 'conv9.kernel'"),
    ],
)
def test_whatever_a_library_raises_is_told_by_its_kind(job, here, monkeypatch, error, kind, word):
    monkeypatch.setattr(Broken, "error", error, raising=False)
    monkeypatch.setattr(adapters, "create", lambda name: Broken())
    result = outcome(str(job()))
    assert result["kind"] == kind
    assert word in result["reason"]
    assert "\n" not in result["reason"]


def test_a_library_that_cannot_be_imported_is_the_environments_fault(job, here, monkeypatch):
    def create(name):
        raise ImportError("libtorch.so: cannot open shared object file")

    monkeypatch.setattr(adapters, "create", create)
    result = outcome(str(job()))
    assert result["kind"] == "environment"
    assert "reference cannot be imported here: libtorch.so" in result["reason"]


def test_the_threads_are_set_before_a_library_reads_them(job, here):
    outcome(str(job()))
    assert all(os.environ[name] == "1" for name in worker.THREAD_VARIABLES)
    assert os.environ["CUDA_VISIBLE_DEVICES"] == ""
