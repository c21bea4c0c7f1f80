"""A made-up study, written into a real store: 6 libraries, 5 seeds, and every misfortune that a report must show.

`keras-jax` failed one trial, `keras-torch` did not pass the ladder, `jax` has no latency, nobody's energy was measured.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from quintet.store import Store
from quintet.study import make_study, plan

LIBRARIES = ("torch", "jax", "tensorflow", "keras-tensorflow", "keras-jax", "keras-torch")
SPEEDS = {
    "torch": 18_400, "jax": 4_150, "tensorflow": 19_900, "keras-tensorflow": 15_300, "keras-jax": 4_020,
    "keras-torch": 9_870,
}  # fmt: skip
LATENCY = {"torch": 0.42, "tensorflow": 0.95, "keras-tensorflow": 1.35, "keras-jax": 0.71, "keras-torch": 0.88}
MEMORY = {
    "torch": 612, "jax": 480, "tensorflow": 1_130, "keras-tensorflow": 1_210, "keras-jax": 905, "keras-torch": 1_020,
}  # fmt: skip
NASTY = "<script>alert('from a log')</script>"
FAILED = "survey.keras-jax.seed3"


def make_store(
    folder: Path,
    libraries: Sequence[str] = LIBRARIES,
    seeds: int = 5,
    networks: Sequence[str] = ("survey",),
    finished: int | None = None,
    misfortune: bool = True,
) -> Store:
    """Return a store of which the first `finished` trials have run (None: all)."""
    study = make_study(
        {"name": "A made-up study", "system": "digits", "networks": networks, "libraries": libraries, "seeds": seeds}
    )
    store = Store(folder, create=True)
    description = {
        "processor": "Made-up Processor 9000", "architecture": "x86_64", "cores": 2, "memory_gib": 15.6,
        "system": "Linux 6.1", "python": "3.11.9", "governor": None, "virtual": True,
    }  # fmt: skip
    data = {
        "name": "mnist",
        "labels": list("0123456789"),
        "sizes": {"train_x": 55_000, "validation_x": 5_000, "test_x": 10_000},
        "provenance": {
            "source": "http://yann.lecun.com/exdb/mnist/",
            "licence": "none stated",
            "sha256": {"train-images-idx3-ubyte.gz": "440fcabf" * 8},
            "found": {"train-images-idx3-ubyte.gz": "/home/somebody/mnist"},
        },
    }
    store.write("machine", [{"fingerprint": "0123", "description": json.dumps(description)}])
    row = {"digest": study.digest(), "name": study.name, "system": study.system, "begun": "2026-11-20T10:00:00+00:00"}
    store.write("study", [{**row, "machine": "0123", "settings": study.model_dump_json(), "data": json.dumps(data)}])
    trials = list(plan(study))
    store.write(
        "trial",
        [
            {
                "id": trial.id, "position": position, "network": trial.network, "library": trial.library,
                "seed": trial.seed, "repeat": trial.repeat, "threads": 2, "precision": "float32", "device": "cpu",
            }
            for position, trial in enumerate(trials)
        ],
    )  # fmt: skip
    for network in networks:
        _ladder(store, network, libraries, misfortune)
        _sweep(store, network, libraries)
    for trial in trials[:finished]:
        _run(store, trial, misfortune)
    return store


def _ladder(store: Store, network: str, libraries: Sequence[str], misfortune: bool) -> None:
    for name in libraries:
        bad = misfortune and name == "keras-torch"
        for precision, difference, tolerance in (("float64", 3.1e-14, 1e-12), ("float32", 2.4e-6, 1e-5)):
            failed = bad and precision == "float64"
            store.write(
                "parity",
                [
                    {
                        "network": network, "library": name, "precision": precision, "passed": int(not failed),
                        "max_relative_difference": 2.2e-3 if failed else difference, "tolerance": tolerance,
                        "steps": 500 if precision == "float64" else 50, "version": "1.0",
                        "first_failure": "one step: bn1.variance is 2.2e-03 off" if failed else None,
                    }
                ],
            )  # fmt: skip


def _sweep(store: Store, network: str, libraries: Sequence[str]) -> None:
    for name in libraries:
        for threads in (1, 2):
            failed = name == "jax" and threads == 1
            speed = None if failed else SPEEDS[name] * (0.55 if threads == 1 else 1.0)
            reason = "it took longer than 60 s" if failed else None
            row = {"network": network, "library": name, "threads": threads}
            store.write("sweep", [{**row, "training_images_per_s": speed, "reason": reason}])


def _run(store: Store, trial, misfortune: bool) -> None:
    rng = np.random.default_rng([trial.seed, *trial.library.encode()])
    shared = np.random.default_rng(trial.seed).normal(0, 0.0006)
    run = {"trial": trial.id, "ended": "2026-11-20T10:05:00+00:00", "load_before": 0.03}
    if misfortune and trial.id == FAILED:
        reason = "the loss is not a number after step 120"
        failed = {**run, "status": "diverged", "reason": reason, "log_tail": f"step 119\n{NASTY}\nstep 120"}
        store.record_run(failed, [], [])
        return
    package = trial.library.split("-")[0]
    done = {**run, "status": "ok", "versions": json.dumps({package: "2.13.0"}), "weights_sha256": f"{trial.seed:064d}"}
    accuracy = 0.9902 + shared + rng.normal(0, 0.0004) - (0.004 if trial.library == "keras-tensorflow" else 0)
    speed = SPEEDS[trial.library] * (1 + rng.normal(0, 0.01))
    latency = LATENCY.get(trial.library)
    metrics = {
        "accuracy": accuracy,
        "macro_precision": accuracy - 0.0003,
        "macro_recall": accuracy - 0.0005,
        "numerical_precision": 3e-7 * (1 + rng.random()),
        "training_images_per_s": speed,
        "inference_images_per_s": 3.1 * speed,
        "latency_p50_ms": latency and latency * (1 + abs(rng.normal(0, 0.02))),
        "latency_p99_ms": latency and 1.8 * latency * (1 + abs(rng.normal(0, 0.05))),
        "peak_mib": MEMORY[trial.library] + rng.normal(0, 3),
        "start_up_s": 1.2 + rng.normal(0, 0.05),
        "compile_s": 0.4 + rng.normal(0, 0.02),
        "train_s": 275_000 / speed,
        "energy_j": None,
    }
    rows = [
        {"trial": trial.id, "name": k, "value": v, "source": "unavailable" if k == "energy_j" else None}
        for k, v in metrics.items()
    ]
    steps = [270 * (i + 1) for i in range(8)]
    curve = [accuracy - 0.09 * 0.52**i * (1 + rng.normal(0, 0.1)) for i in range(8)]
    series = [
        {"trial": trial.id, "name": "validation_accuracy", "step": s, "train_s": s * 128 / speed, "value": v}
        for s, v in zip(steps, curve, strict=True)
    ]
    store.record_run(done, rows, series)
