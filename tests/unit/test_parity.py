"""The ladder's comparison, records and failures, on made-up runs: no library is needed."""

import json
import math
import threading
from pathlib import Path

import numpy as np
import pytest

from quintet.errors import StudyError
from quintet.launch import Failure, Fake
from quintet.layers import Activation, BatchNorm, Dense
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD, Adam
from quintet.parity import check_parity, ladder_weights, noise_floor
from quintet.rungs import RUNGS, climb, differences, tolerance
from quintet_worker import wire
from quintet_worker.adapters.reference import Reference
from quintet_worker.ladder import ladder

NET = Net(
    name="tiny",
    input_shape=(4,),
    layers=(Dense(units=5), BatchNorm(), Activation(kind="relu"), Dense(units=3)),
    loss=SoftmaxCrossEntropy(),
)
TRAINING = ((NET, SGD(momentum=0.9), 0.1),)
STEPS = {"float64": 6, "float32": 3}
X = np.random.default_rng(1).random((20, 4))
Y = np.arange(20) % 3


def reference_answer(folder: Path, record):
    adapter = Reference()
    adapter.build(record["network"], record["optimiser"], record["precision"], 1, "cpu")
    return {**ladder(str(folder), record, adapter), "versions": {"numpy": "0", record["library"].split("-")[0]: "9.9"}}


def parity_of(libraries, answer, folder, nets=TRAINING, at_once=1, seed=0, on_progress=None):
    rng = np.random.default_rng(seed)
    return check_parity(
        libraries, nets, X, Y, folder, Fake(answer), at_once, rng, on_progress, steps=STEPS, batch_size=8, gentle=False
    )


def rungs_of(**changes):
    """Return one array a rung, with some replaced."""
    base = {name: {"a.kernel": np.ones((2, 2)), "a.bias": np.full(2, 0.5)} for name in RUNGS}
    return {name: {**arrays, **changes.get(name, {})} for name, arrays in base.items()}


def test_a_distance_is_relative_to_the_array():
    assert differences({"a": np.array([3.0, 0.0])}, {"a": np.array([0.0, 4.0])}) == {"a": 1.25}


def test_an_array_that_is_nearly_zero_is_held_to_the_scale_of_its_rung():
    exact = {"a": np.array([3.0, 4.0]), "b": np.array([1e-17])}
    found = {"a": np.array([3.0, 4.0]), "b": np.array([-1e-17])}
    floor = 0.1 * math.sqrt((25 + 1e-34) / 2)
    assert differences(found, exact)["b"] == pytest.approx(2e-17 / floor)


def test_where_all_is_zero_only_zero_agrees():
    zero = {"a": np.zeros(2)}
    assert differences(zero, zero) == {"a": 0.0}
    assert differences({"a": np.ones(2)}, zero) == {"a": math.inf}


def test_the_ladder_stops_at_the_first_rung_that_fails():
    wrong = rungs_of(gradients={"a.bias": np.full(2, 0.6)}, step_1={"a.kernel": np.zeros((2, 2))})
    rungs = climb(wrong, rungs_of(), "float64", SGD())
    assert [rung.name for rung in rungs] == ["weights", "outputs", "loss", "gradients"]
    assert [rung.passed for rung in rungs] == [True, True, True, False]
    assert rungs[-1].sentence() == "rung gradients, a.bias: relative difference 0.2 exceeds the tolerance 1e-12"
    assert rungs[0].sentence() == "rung weights, a.kernel: relative difference 0 is within the tolerance 0"


def test_weights_must_be_equal_to_the_last_bit():
    ulp = np.full(2, 0.5) + np.array([0, np.finfo(np.float64).eps / 2])
    rung = climb(rungs_of(weights={"a.bias": ulp}), rungs_of(), "float64", SGD())[-1]
    assert (rung.name, rung.passed, rung.worst_parameter) == ("weights", False, "a.bias")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"weights": {"a.bias": np.full(2, 0.5, np.float32)}}, "weights, a.bias: received float32, expected float64"),
        ({"weights": {"a.bias": np.full(3, 0.5)}}, "weights, a.bias: received shape (3,), expected (2,)"),
        ({"loss": {"a.bias": np.array([0.5, np.nan])}}, "loss, a.bias: received values that are not finite"),
        ({"step_1": {"c": np.ones(1)}}, "step_1, c: the library has this array, the network does not"),
    ],
)
def test_what_cannot_be_compared_fails_and_is_named(changes, sentence):
    rung = climb(rungs_of(**changes), rungs_of(), "float64", SGD())[-1]
    assert not rung.passed
    assert rung.sentence() == "rung " + sentence


def test_a_missing_array_fails_and_is_named():
    found = rungs_of()
    del found["outputs"]["a.kernel"]
    rung = climb(found, rungs_of(), "float64", SGD())[-1]
    assert rung.sentence() == "rung outputs, a.kernel: the library returned no such array"


def test_float32_widens_only_for_the_array_that_rounding_moves():
    noise = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 1e-4))})
    far = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 5e-4))})
    rung = climb(far, rungs_of(), "float32", SGD(), noise)
    assert rung[0].fault == "received float64, expected float32"  # these made-up weights are float64
    single = {name: {k: v.astype(np.float32) for k, v in arrays.items()} for name, arrays in far.items()}
    rung = climb(single, rungs_of(), "float32", SGD(), noise)[-1]
    assert (rung.name, rung.passed) == ("step_n", True)
    assert rung.widened == {"a.bias": pytest.approx(1e-3)}
    single["step_n"]["a.kernel"] = np.full((2, 2), 1 + 1e-4, np.float32)
    rung = climb(single, rungs_of(), "float32", SGD(), noise)[-1]
    assert (rung.worst_parameter, rung.passed) == ("a.kernel", False)


def test_float32_allows_what_a_nudged_run_does_at_a_kink_and_float64_does_not():
    flipped = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 1e-3))})
    found = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 9e-4))})
    single = {name: {k: v.astype(np.float32) for k, v in arrays.items()} for name, arrays in found.items()}
    assert not climb(single, rungs_of(), "float32", SGD())[-1].passed
    rung = climb(single, rungs_of(), "float32", SGD(), nudged=[rungs_of(), flipped])[-1]
    assert rung.passed
    assert rung.widened == {"a.bias": pytest.approx(1e-3)}
    assert not climb(found, rungs_of(), "float64", SGD(), nudged=[rungs_of(), flipped])[-1].passed


def test_float64_never_widens_under_sgd_and_does_under_adam():
    noise = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 1e-8))})
    found = rungs_of(step_n={"a.bias": np.full(2, 0.5 * (1 + 2e-8))})
    assert not climb(found, rungs_of(), "float64", SGD(), noise)[-1].passed
    assert not climb(found, rungs_of(), "float64", Adam())[-1].passed
    assert climb(found, rungs_of(), "float64", Adam(), noise)[-1].passed


def test_tolerances():
    assert [tolerance(rung, "float64", SGD()) for rung in RUNGS] == [0, *[1e-12] * 5]
    assert [tolerance(rung, "float64", Adam()) for rung in RUNGS] == [0, *[1e-12] * 3, 1e-10, 1e-10]
    assert [tolerance(rung, "float32", Adam()) for rung in RUNGS] == [0, *[1e-5] * 5]


def test_the_ladder_starts_where_no_parameter_is_zero_or_one():
    weights = ladder_weights(NET, np.random.default_rng(0))
    assert set(weights) == {p.name for p in NET.parameters()}
    for name, array in weights.items():
        assert np.all((array != 0) & (array != 1)), name
    assert np.all(weights["bn1.variance"] > 0)


def test_libraries_that_compute_the_same_pass_and_the_record_has_its_shape(tmp_path):
    (parity,) = parity_of(["keras-torch"], reference_answer, tmp_path)
    record = json.loads(json.dumps(parity.to_json(), allow_nan=False))
    assert list(record) == ["library", "version", "float64", "float32", "first_failure", "networks"]
    assert (record["library"], record["version"], record["first_failure"]) == ("keras-torch", "9.9", None)
    assert record["float64"] == {"passed": True, "max_relative_difference": 0.0, "steps": 6}
    assert set(record["float32"]) == {"passed", "max_relative_difference", "steps"}
    assert 0 < record["float32"]["max_relative_difference"] < 1e-5  # the umpire of a float32 run is float64
    assert [(n["network"], n["precision"], n["failure"]) for n in record["networks"]] == [
        ("tiny", "float64", None),
        ("tiny", "float32", None),
    ]
    assert [rung["name"] for rung in record["networks"][0]["rungs"]] == list(RUNGS)
    assert 0 < record["networks"][0]["noise_floor"] < 1e-12
    assert 1e-9 < record["networks"][1]["noise_floor"] < 1e-4


FAILURES = [
    Failure(kind="environment", reason="torch cannot be imported here: No module named 'torch'"),
    Failure(kind="unsupported", reason="torch has no such layer"),
    Failure(kind="crash", reason="ended by signal 11", log_tail="..."),
    Failure(kind="timeout", reason="did not end within 900 s and was ended"),
]


@pytest.mark.parametrize("failure", FAILURES, ids=lambda f: f.kind)
def test_a_job_that_fails_is_an_outcome_and_the_others_go_on(tmp_path, failure):
    def answer(folder, record):
        return failure if record["library"] == "torch" else reference_answer(folder, record)

    torch, jax = parity_of(["torch", "jax"], answer, tmp_path)
    assert jax.passed
    assert not torch.passed
    assert torch.float64[0].failure == failure
    assert torch.float64[0].rungs == ()
    assert torch.first_failure == f"tiny with sgd, float64: {failure.kind}: {failure.reason}"
    record = torch.to_json()
    assert record["float64"] == {"passed": False, "max_relative_difference": None, "steps": 6}
    assert record["networks"][0]["failure"] == {"kind": failure.kind, "reason": failure.reason}


def test_a_failure_in_float32_alone_is_the_first_failure(tmp_path):
    def answer(folder, record):
        if (record["library"], record["precision"]) == ("torch", "float32"):
            return FAILURES[1]
        return reference_answer(folder, record)

    (parity,) = parity_of(["torch"], answer, tmp_path)
    assert parity.float64[0].passed
    assert parity.first_failure == "tiny with sgd, float32: unsupported: torch has no such layer"


def test_an_umpire_that_fails_leaves_nothing_comparable(tmp_path):
    def answer(folder, record):
        return FAILURES[2] if record["library"] == "reference" else reference_answer(folder, record)

    (parity,) = parity_of(["torch"], answer, tmp_path)
    assert not parity.passed
    assert parity.first_failure == "tiny with sgd, float64: crash: the umpire's own run failed: ended by signal 11"


def test_an_umpire_that_diverges_says_to_lower_the_rate(tmp_path):
    def answer(folder, record):
        with np.errstate(all="ignore"):
            return reference_answer(folder, record)

    (parity,) = parity_of(["torch"], answer, tmp_path, nets=((NET, SGD(), 1e308),))
    assert parity.float64[0].failure is not None
    assert "diverged" in (parity.first_failure or "")
    assert "choose a smaller rate" in (parity.first_failure or "")


def test_a_result_that_is_not_a_number_is_null_in_the_record(tmp_path):
    def answer(folder, record):
        found = reference_answer(folder, record)
        if record["library"] == "torch":
            wire.write_array(str(folder), "ladder_loss", np.float64("nan"))
        return found

    (parity,) = parity_of(["torch"], answer, tmp_path)
    record = json.loads(json.dumps(parity.to_json(), allow_nan=False))
    assert record["float64"]["max_relative_difference"] is None
    assert record["first_failure"] == "tiny with sgd, float64: rung loss, loss: received values that are not finite"


def test_an_unknown_library_is_refused_before_anything_runs(tmp_path):
    with pytest.raises(StudyError, match='did you mean "torch"'):
        parity_of(["tourch"], reference_answer, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_launcher_that_raises_ends_the_check_and_whatever_else_runs(tmp_path):
    class Broken(Fake):
        stopped = False

        def run(self, job, timeout_s, cores=None):
            raise RuntimeError("no more processes")

        def stop(self):
            self.stopped = True

    launcher = Broken(reference_answer)
    with pytest.raises(RuntimeError, match="no more processes"):
        check_parity(
            ["torch"], TRAINING, X, Y, tmp_path, launcher, 1, np.random.default_rng(0), steps=STEPS, batch_size=8
        )
    assert launcher.stopped


def test_every_library_gets_the_same_arrays_and_the_seed_decides_them(tmp_path):
    seen = []

    def answer(folder, record):
        seen.append(
            {k: v for k, v in record.items() if k not in ("library", "weights", "precision")} | {"at": folder.name}
        )
        return reference_answer(folder, record)

    for _ in range(2):
        parity_of(["torch", "jax"], answer, tmp_path, nets=((NET, SGD(), 0.1), (NET, Adam(), 0.01)))
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]
    by_key = {record.pop("at"): record for record in seen}
    assert by_key["1-float64-torch"] == by_key["1-float64-jax"] == by_key["1-float64-umpire"]
    assert by_key["2-float32-torch"] == by_key["2-float32-umpire"] != by_key["1-float32-umpire"]


def test_jobs_run_at_once_each_on_a_core_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1}, raising=False)
    together = threading.Barrier(2, timeout=60)  # passes only while two jobs are running
    met, used = [], []

    class Both(Fake):
        def run(self, job, timeout_s, cores=None):
            used.append(tuple(cores or ()))
            if job.name.endswith(("umpire", "noise")) and job.name.startswith("1-float64"):
                met.append(together.wait())
            return super().run(job, timeout_s, cores)

    said = []
    check_parity(
        ["torch"], [(NET, SGD(), 0.1)], X, Y, tmp_path, Both(reference_answer), 2, np.random.default_rng(0),
        lambda *progress: said.append(progress), steps=STEPS, batch_size=8,
    )  # fmt: skip
    assert len(met) == 2
    assert set(used) == {(0,), (1,)}
    assert [(done, total) for done, total, _ in said] == [(n, 12) for n in range(1, 13)]
    assert {text for _, _, text in said} >= {"torch, tiny, float64", "reference, tiny, float32"}


def test_the_noise_floor_is_rounding_and_nothing_more(tmp_path):
    floors = noise_floor(
        "reference", NET, SGD(momentum=0.9), 0.1, X, Y, tmp_path, Fake(reference_answer), np.random.default_rng(0),
        steps=STEPS, batch_size=8,
    )  # fmt: skip
    assert 1e-17 < (floors["float64"] or 0) < 1e-13
    assert 1e-9 < (floors["float32"] or 0) < 1e-4


def test_a_failed_run_has_no_noise_floor(tmp_path):
    launcher = Fake(lambda folder, record: FAILURES[2])
    floors = noise_floor(
        "torch", NET, SGD(), 0.1, X, Y, tmp_path, launcher, np.random.default_rng(0), steps=STEPS, batch_size=8
    )
    assert floors == {"float64": None, "float32": None}
