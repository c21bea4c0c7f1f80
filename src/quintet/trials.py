"""From a trial to its job, and from a job's outcome to the rows that the store keeps.

All randomness of a trial comes from its seed through numpy's SeedSequence: one stream for the initial weights, one for
the batch order, one for the worker. Libraries are not among its inputs, so trials of one seed are pairs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet.batches import batch_order, learning_rates
from quintet.job import ArrayStore, Job
from quintet.launch import Failure, Result
from quintet.recipe import Recipe
from quintet.store import now
from quintet.study import Study, Trial
from quintet.system import System
from quintet.weights import initial_weights

# What a result's own keys are called in the store; all but energy_j have no source to name.
MEASURED = (
    "train_s", "training_images_per_s", "inference_images_per_s", "latency_p50_ms", "latency_p99_ms", "peak_mib",
    "start_up_s", "import_s", "build_s", "compile_s", "energy_j", "numerical_precision",
)  # fmt: skip
MEASURE = {"inference_passes": 3, "latency_calls": 200}
SWEEP_STEPS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What all trials of a study share: the system, the recipes, and the data's arrays as files."""

    system: System
    recipes: Mapping[str, Recipe]
    arrays: Mapping[str, np.ndarray]
    files: Mapping[str, Path]
    store: ArrayStore

    @property
    def samples(self) -> int:
        """How many training samples there are."""
        return len(self.arrays["train_x"])


def streams(seed: int) -> tuple[np.random.Generator, np.random.Generator, int]:
    """Return the generators of initial weights and batch order, and the worker's own seed."""
    init, order, worker = np.random.SeedSequence(seed).spawn(3)
    return np.random.default_rng(init), np.random.default_rng(order), int(worker.generate_state(1)[0])


def train_job(bench: Bench, study: Study, trial: Trial, threads: int, *, steps: int | None = None) -> Job:
    """Return the job of `trial`; with `steps`, a short one that only tells how fast training is."""
    recipe = bench.recipes[trial.network]
    init, order, worker = streams(trial.seed)
    total = recipe.steps(bench.samples)
    taken = min(steps, total) if steps else total
    files = {name: path for name, path in bench.files.items() if name != "validation_y" and name != "test_y"}
    if steps:
        files = {name: path for name, path in files.items() if name.startswith("train")}
    evaluate_at = () if steps else evaluation_steps(total, study.evaluations)
    return Job(
        task="train",
        library=trial.library,
        network=recipe.net,
        weights=bench.store.put_set(initial_weights(recipe.net, init, recipe.initial)),
        optimiser=recipe.optimiser,
        precision=study.precision,
        threads=threads,
        device=study.device,
        data=files,
        order=bench.store.put(batch_order(bench.samples, recipe.batch_size, total, order)[:taken]),
        learning_rates=bench.store.put(learning_rates(recipe.schedule, recipe.rate, total, recipe.warmup)[:taken]),
        augment=recipe.augment,
        seed=worker,
        evaluate_at=evaluate_at,
        measure={} if steps else MEASURE,
        save=study.save_weights and not steps,
    )


def evaluation_steps(total: int, evaluations: int) -> tuple[int, ...]:
    """Return the steps after which the validation split is looked at: evenly spread, the last one among them."""
    return tuple(sorted({round(total * (i + 1) / evaluations) for i in range(evaluations)} - {0}))


def finished_job(folder: Path, content: str) -> Result | None:
    """Return the result of an equal job that ended well before a kill came between it and the store, else None."""
    try:
        same = (folder / "job.json").read_text() == content
        record = json.loads((folder / "result.json").read_text())
    except (OSError, ValueError):
        return None
    return Result(record=record, folder=folder) if same and record.get("status") == "ok" else None


def run_row(trial: Trial, outcome: Result | Failure, load_before: float | None) -> dict[str, Any]:
    """Return the store's `run` row of an outcome."""
    row: dict[str, Any] = {"trial": trial.id, "ended": now(), "load_before": load_before}
    if isinstance(outcome, Failure):
        return {**row, "status": outcome.kind, "reason": outcome.reason, "log_tail": outcome.log_tail}
    return {
        **row,
        "status": "ok",
        "versions": json.dumps(outcome.record["versions"]),
        "weights_sha256": outcome.record["weights_sha256"],
    }


def metric_rows(bench: Bench, trial: Trial, outcome: Result | Failure) -> list[dict[str, Any]]:
    """Return the `metric` rows: the system's scores on the test set, then what the worker measured."""
    if isinstance(outcome, Failure):
        return []
    record = outcome.record
    values = {name: record.get(name) for name in MEASURED}
    outputs = outcome.file("test_outputs")
    if outputs:
        values |= bench.system.score(bench.arrays["test_y"], np.load(outputs, allow_pickle=False))
    return [
        {
            "trial": trial.id,
            "name": name,
            "value": value,
            "source": record.get("energy_source") if name == "energy_j" else None,
        }
        for name, value in values.items()
    ]


def series_rows(
    bench: Bench, trial: Trial, outcome: Result | Failure, evaluate_at: tuple[int, ...]
) -> list[dict[str, Any]]:
    """Return the `series` rows: the validation accuracy at each evaluation, and the mean training loss before it."""
    if isinstance(outcome, Failure):
        return []
    rows = []
    times = outcome.record.get("curve_s", [])
    outputs, losses = outcome.file("validation_outputs"), outcome.file("losses")
    if outputs:
        for step, seconds, output in zip(evaluate_at, times, np.load(outputs, allow_pickle=False), strict=True):
            accuracy = bench.system.score(bench.arrays["validation_y"], output)["accuracy"]
            rows.append(_point(trial, "validation_accuracy", step, seconds, accuracy))
    if losses:
        values = np.load(losses, allow_pickle=False)
        generator_loss = values if values.ndim == 1 else values[:, 0]
        for first, step, seconds in zip((0, *evaluate_at), evaluate_at, times, strict=False):
            rows.append(_point(trial, "loss", step, seconds, float(generator_loss[first:step].mean())))
    return rows


def _point(trial: Trial, name: str, step: int, seconds: float, value: float) -> dict[str, Any]:
    return {"trial": trial.id, "name": name, "step": step, "train_s": seconds, "value": value}
