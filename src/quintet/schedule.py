"""Running a study: ladder, thread sweep, then every trial; what has finished is never run again.

Each trial is a fresh process. Before it starts the machine should be quiet; how busy it was is recorded either way. A
kill at any moment loses at most the trials that were running.
"""

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quintet import machine
from quintet.environments import library
from quintet.errors import StoreError, StudyError
from quintet.job import ArrayStore
from quintet.launch import Failure, Launcher, Local, Result, side_by_side
from quintet.parity import Parity, check_parity
from quintet.store import Store, now
from quintet.study import Study, Trial, plan
from quintet.system import Prepared, System, check_network, load_system
from quintet.trials import (
    SWEEP_STEPS,
    Bench,
    evaluation_steps,
    finished_job,
    metric_rows,
    run_row,
    series_rows,
    train_job,
)

QUIET_WAIT_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened, for a progress bar: `done` of `total` in `phase`."""

    phase: str
    done: int
    total: int
    text: str = ""


OnEvent = Callable[[Event], None]


def silent(event: Event) -> None:
    """Show nothing."""


def run_study(
    study: Study,
    folder: Path,
    launcher: Launcher | None = None,
    on_event: OnEvent = silent,
    system: System | None = None,
    prepared: Prepared | None = None,
) -> None:
    """Run what is left of `study` in `folder`.

    Raises:
        StudyError: the study cannot be run as it is written.
        StoreError: the folder holds another study, belongs to another machine, is in use, or cannot be written.
        DataError: the data set is missing or corrupt.
    """
    launcher = launcher or Local()
    system = system or load_system(study.system)
    study = complete(study, system)
    prepared = prepared or system.prepare(study.data)
    # The data's name is fixed with the first trial: "the best at hand" may be another set tomorrow.
    study = study.model_copy(update={"data": prepared.name})
    with Store(folder, create=True) as store, store.locked():
        begin(store, study, prepared)
        store.forget_unavailable(name for name in study.libraries if library(name).unavailable is None)
        bench = make_bench(study, system, prepared, folder)
        if study.parity:
            climb(store, study, bench, launcher, on_event)
        threads = sweep(store, study, bench, launcher, on_event)
        store.write("trial", trial_rows(study, threads))
        run_trials(store, study, bench, threads, launcher, on_event)


def complete(study: Study, system: System) -> Study:
    """Return the study with its networks filled in and checked."""
    networks = study.networks or (system.default_network,)
    for name in networks:
        check_network(system, name)
    cores = len(machine.cores())
    if isinstance(study.threads, int) and study.threads * study.at_once > max(cores, study.threads):
        raise StudyError(
            f"received {study.at_once} trials at once with {study.threads} threads each on {cores} cores, expected at most"
            f" {cores} threads in all; lower at_once or threads"
        )
    return study.model_copy(update={"networks": tuple(networks)})


def begin(store: Store, study: Study, prepared: Prepared) -> None:
    """Write the study's row, or check that the folder holds this very study, made on this very machine."""
    description = machine.describe()
    mine = machine.fingerprint(description)
    if store.rows("SELECT 1 FROM study"):
        there = store.study()
        if there["digest"] != study.digest():
            changed = [k for k, v in study.model_dump(mode="json").items() if there["settings"].get(k) != v]
            raise StoreError(
                f"received {store.folder}, which holds another study (it differs in {', '.join(changed)}), expected this one"
                " or an empty folder; give another folder with --out"
            )
        if there["machine"] != mine:
            raise StoreError(
                f"received {store.folder}, begun on another machine ({there['description']['processor']}), expected this"
                f" one ({description['processor']}); results of two machines never mix: give another folder with --out"
            )
        return
    data = {
        "name": prepared.name,
        "labels": list(prepared.labels),
        "sizes": {name: len(array) for name, array in prepared.arrays.items() if name.endswith("_x")},
        "provenance": dict(prepared.provenance),
    }
    store.write("machine", [{"fingerprint": mine, "description": json.dumps(description)}])
    row = {"digest": study.digest(), "name": study.name, "system": study.system, "begun": now(), "machine": mine}
    store.write("study", [{**row, "settings": study.model_dump_json(), "data": json.dumps(data, default=str)}])


def make_bench(study: Study, system: System, prepared: Prepared, folder: Path) -> Bench:
    """Return what the trials share; the data's arrays are written once."""
    recipes = {name: system.recipe(name, prepared) for name in study.networks}
    if study.epochs:
        recipes = {name: replace(recipe, epochs=study.epochs) for name, recipe in recipes.items()}
    arrays = ArrayStore(folder / "arrays")
    files = {name: arrays.put(array) for name, array in prepared.arrays.items()}
    return Bench(system=system, recipes=recipes, arrays=prepared.arrays, files=files, store=arrays)


def climb(store: Store, study: Study, bench: Bench, launcher: Launcher, on_event: OnEvent) -> None:
    """Climb the ladder for every network and library that has no result yet, and keep what came of it."""
    have = {(row["network"], row["library"]) for row in store.rows("SELECT network, library FROM parity")}
    for network in study.networks:
        missing = [name for name in study.libraries if (network, name) not in have]
        if not missing:
            continue
        recipe = bench.recipes[network]
        results = check_parity(
            missing,
            [(recipe.net, recipe.optimiser, recipe.rate)],
            bench.arrays["train_x"],
            bench.arrays["train_y"],
            folder=store.folder / "ladder" / network,
            launcher=launcher,
            at_once=max(1, len(machine.cores())),
            rng=np.random.default_rng(study.first_seed),
            on_progress=lambda done, total, text: on_event(Event(phase="parity", done=done, total=total, text=text)),
        )
        store.write("parity", [row for result in results for row in parity_rows(network, result)])
        shutil.rmtree(store.folder / "ladder", ignore_errors=True)


def parity_rows(network: str, result: Parity) -> list[dict[str, object]]:
    """Return the store's rows of one library's ladder."""
    return [
        {
            "network": network,
            "library": result.library,
            "precision": outcome.precision,
            "passed": int(outcome.passed),
            "max_relative_difference": outcome.max_relative_difference,
            "steps": outcome.steps,
            "tolerance": outcome.rungs[-1].tolerance if outcome.rungs else None,
            "first_failure": outcome.first_failure,
            "version": result.version,
        }
        for outcome in (*result.float64, *result.float32)
    ]


def sweep(
    store: Store, study: Study, bench: Bench, launcher: Launcher, on_event: OnEvent
) -> Mapping[tuple[str, str], int]:
    """Return the thread count of each (network, library): the study's own, or the one that trained fastest here."""
    pairs = [(network, name) for network in study.networks for name in study.libraries]
    if study.threads != "sweep":
        return dict.fromkeys(pairs, study.threads)
    counts, gate = thread_counts(len(machine.cores())), QuietGate(study.max_load, on_event)
    done = {(r["network"], r["library"], r["threads"]) for r in store.rows("SELECT * FROM sweep")}
    todo = [(*pair, count) for pair in pairs for count in counts]
    for number, (network, name, count) in enumerate(todo):
        if library(name).unavailable:
            continue
        on_event(
            Event(phase="threads", done=number, total=len(todo), text=f"{name}, {count} thread{'s' * (count > 1)}")
        )
        if (network, name, count) in done:
            continue
        folder = store.folder / "sweep" / f"{network}.{name}.{count}"
        train_job(
            bench, study, Trial(network=network, library=name, seed=study.first_seed), count, steps=SWEEP_STEPS
        ).write(folder)
        gate.wait()
        outcome = launcher.run(folder, study.timeout_s)
        speed = outcome.record["training_images_per_s"] if isinstance(outcome, Result) else None
        reason = f"{outcome.kind}: {outcome.reason}" if isinstance(outcome, Failure) else None
        row = {"network": network, "library": name, "threads": count, "training_images_per_s": speed, "reason": reason}
        store.write("sweep", [row])
        shutil.rmtree(folder, ignore_errors=True)
    best = dict.fromkeys(pairs, 1)  # 1 for those that cannot run here
    for row in store.rows("SELECT * FROM sweep ORDER BY training_images_per_s"):
        best[row["network"], row["library"]] = row["threads"]
    return best


def thread_counts(cores: int) -> list[int]:
    """Return the counts to try: powers of two up to the number of cores, and that number.

    >>> thread_counts(6)
    [1, 2, 4, 6]
    """
    return sorted({2**i for i in range(cores.bit_length()) if 2**i <= cores} | {cores})


def trial_rows(study: Study, threads: Mapping[tuple[str, str], int]) -> list[dict[str, object]]:
    """Return the rows of all planned trials."""
    return [
        {
            "id": trial.id,
            "position": position,
            "network": trial.network,
            "library": trial.library,
            "seed": trial.seed,
            "repeat": trial.repeat,
            "threads": threads[trial.network, trial.library],
            "precision": study.precision,
            "device": study.device,
        }
        for position, trial in enumerate(plan(study))
    ]


def run_trials(
    store: Store,
    study: Study,
    bench: Bench,
    threads: Mapping[tuple[str, str], int],
    launcher: Launcher,
    on_event: OnEvent,
) -> None:
    """Run every trial that has no run yet, `at_once` side by side on cores of their own."""
    trials = list(plan(study))
    finished = store.finished()
    pending = [trial for trial in trials if trial.id not in finished]
    done = len(trials) - len(pending)
    gate = QuietGate(study.max_load, on_event)

    def one(trial: Trial, cores: Sequence[int] | None) -> tuple[Trial, Result | Failure, float | None]:
        job = train_job(bench, study, trial, threads[trial.network, trial.library])
        folder = store.folder / "trials" / trial.id
        content = json.dumps(job.record(folder), indent=1, sort_keys=True)
        outcome = finished_job(folder, content)
        if outcome:
            return trial, outcome, None
        shutil.rmtree(folder, ignore_errors=True)
        job.write(folder)
        load = gate.wait() if study.at_once == 1 else None
        return trial, launcher.run(folder, study.timeout_s, cores), load

    on_event(Event(phase="trials", done=done, total=len(trials)))
    for trial, outcome, load in side_by_side(one, pending, study.at_once, launcher):
        evaluate_at = evaluation_steps(bench.recipes[trial.network].steps(bench.samples), study.evaluations)
        store.record_run(
            run_row(trial, outcome, load),
            metric_rows(bench, trial, outcome),
            series_rows(bench, trial, outcome, evaluate_at),
        )
        done += 1
        text = f"{trial.id}: {outcome.kind if isinstance(outcome, Failure) else 'ok'}"
        on_event(Event(phase="trials", done=done, total=len(trials), text=text))


class QuietGate:
    """Waits before each trial while others use more than `max_load` of the processor, QUIET_WAIT_S in all."""

    def __init__(self, max_load: float, on_event: OnEvent) -> None:
        self._max_load, self._on_event, self._left_s = max_load, on_event, float(QUIET_WAIT_S)

    def wait(self) -> float:
        """Return the share of the processor that others use, 0 to 1, after waiting."""
        load = machine.other_load()
        while load > self._max_load and self._left_s > 0:
            text = f"others use {load:.0%} of the processor; waiting at most {self._left_s:.0f} s more"
            self._on_event(Event(phase="quiet", done=0, total=1, text=text))
            begun = time.monotonic()
            load = machine.other_load(1.0)
            self._left_s -= time.monotonic() - begun
        return load
