"""The ladder: does a library compute what the formulas say? Each one runs the same job as the umpire, then they are compared.

Rules
* The umpire is the numpy reference in float64; in float32 it starts from the same float32 weights, and still is float64.
* Every job runs in a fresh worker through the Launcher; a library that is missing or fails is an Outcome, no exception.
* One network that fails does not keep the others from being climbed.
Not here: bfloat16, which has no ladder; and the comparison itself (rungs.py). Reasons: docs/parity.md.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from quintet import machine
from quintet.batches import batch_order, learning_rates
from quintet.environments import LIBRARIES, library
from quintet.job import ArrayStore, Job
from quintet.launch import Failure, Launcher, Result, side_by_side
from quintet.network import Adversarial, Net
from quintet.optimiser import Optimiser
from quintet.rungs import RUNGS, Precision, Rung, climb, differences, read_rungs
from quintet.weights import Weights, initial_weights

__all__ = ["BATCH_SIZE", "RUNGS", "STEPS", "Outcome", "Parity", "Rung", "check_parity", "ladder_weights", "noise_floor"]
# Peak rates at which the ladder is climbed at most, (SGD, Adam). In training an error of one rounding grows with every step,
# the faster the higher the rate, and a relu on its kink decides by rounding; the ladder asks whether two libraries
# compute the same, not whether training is chaotic. Measured in docs/parity.md.
GENTLE: dict[Precision, tuple[float, float]] = {"float64": (0.01, 1e-3), "float32": (1e-4, 1e-5)}

STEPS: Mapping[str, int] = {"float64": 500, "float32": 50}
BATCH_SIZE = 32  # small, so that 500 steps are cheap
NUDGED_RUNS = 6  # a kink within reach shows in about half of them, so 1 in 64 goes unseen
NUDGE_ULPS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One library, one network, one precision.

    `max_relative_difference` is None where nothing could be measured. `noise_floor` is what rounding alone does to the
    weights after the last step: in float64 the distance between the umpire and its twin started one unit in the last
    place away, in float32 that of the reference's own float32 run.
    """

    library: str
    version: str | None
    network: str
    optimiser: str
    precision: Precision
    steps: int
    passed: bool
    rungs: tuple[Rung, ...] = ()
    max_relative_difference: float | None = None
    noise_floor: float | None = None
    first_failure: str | None = None
    failure: Failure | None = None

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists and numbers; a difference that is not a number is null."""
        record = asdict(replace(self, failure=None))
        record["failure"] = {"kind": self.failure.kind, "reason": self.failure.reason} if self.failure else None
        return _finite(record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """One library on every network of the ladder."""

    library: str
    version: str | None
    float64: tuple[Outcome, ...]
    float32: tuple[Outcome, ...]

    @property
    def passed(self) -> bool:
        """Every rung of every network, in both precisions."""
        return all(outcome.passed for outcome in self.float64 + self.float32)

    @property
    def first_failure(self) -> str | None:
        """The first failed outcome's sentence, float64 before float32."""
        return next((outcome.first_failure for outcome in self.float64 + self.float32 if not outcome.passed), None)

    def to_json(self) -> dict[str, Any]:
        """Return the record that `quintet parity --json` prints."""
        return {
            "library": self.library,
            "version": self.version,
            "float64": _summary(self.float64),
            "float32": _summary(self.float32),
            "first_failure": self.first_failure,
            "networks": [outcome.to_json() for outcome in self.float64 + self.float32],
        }


def check_parity(
    libraries: Sequence[str],
    networks: Sequence[tuple[Net | Adversarial, Optimiser, float]],
    x: np.ndarray,
    y: np.ndarray | None,
    folder: Path,
    launcher: Launcher,
    at_once: int,
    rng: np.random.Generator,
    on_progress: Callable[[int, int, str], None] | None = None,
    *,
    steps: Mapping[str, int] = STEPS,
    batch_size: int = BATCH_SIZE,
    timeout_s: float = 900.0,
    gentle: bool = True,
) -> list[Parity]:
    """Run every library up the ladder on every network; return one Parity for each, in the order given.

    Args:
        networks: each with its optimiser and its peak rate, which falls along a cosine: a changing rate shows an
            optimiser that keeps the rate inside its velocity.
        gentle: keep the rates below GENTLE, at which rounding is not amplified faster than the tolerances allow.
        x, y: training samples `(samples, height, width, channels)` or `(samples, features)` and their targets.
        folder: for the job folders and arrays.
        at_once: jobs that run at the same time, each on one core of its own.
        on_progress: called with the jobs done, the jobs in all, and what ended.

    Raises:
        StudyError: a library that Quintet does not know, or fewer samples than a batch.
        StoreError: `folder` cannot be written.
    """
    for name in libraries:
        library(name)
    store = ArrayStore(folder / "arrays")
    jobs: dict[str, Job] = {}
    tasks = []
    for number, (network, optimiser, rate) in enumerate(networks, 1):
        rates = gentle_rates(optimiser, rate) if gentle else dict.fromkeys(GENTLE, rate)
        for task in _tasks(store, network, optimiser, rates, x, y, rng, steps, batch_size):
            key = f"{number}-{task.precision}"
            tasks.append((key, task))
            # What rounding alone does: in float64 shown by a twin of the umpire, in float32 by a run in float32.
            single = task.precision == "float32"
            noise = replace(task.job, precision="float32") if single else replace(task.job, weights=task.twin)
            jobs |= {f"{key}-umpire": task.job, f"{key}-noise": noise}
            jobs |= {
                f"{key}-{role}": replace(noise, weights=path)
                for role, path in zip(_nudges(task), task.nudged, strict=True)
            }
            jobs |= {f"{key}-{name}": replace(task.job, library=name, precision=task.precision) for name in libraries}
    ended = _run_all(jobs, folder, launcher, at_once, timeout_s, on_progress)

    parities = []
    for name in libraries:
        outcomes = [
            _outcome(name, task, {role: ended[f"{key}-{role}"] for role in (name, "umpire", "noise", *_nudges(task))})
            for key, task in tasks
        ]
        parities.append(
            Parity(
                library=name,
                version=next((o.version for o in outcomes if o.version), None),
                float64=tuple(o for o in outcomes if o.precision == "float64"),
                float32=tuple(o for o in outcomes if o.precision == "float32"),
            )
        )
    return parities


def noise_floor(
    name: str,
    network: Net | Adversarial,
    optimiser: Optimiser,
    rate: float,
    x: np.ndarray,
    y: np.ndarray | None,
    folder: Path,
    launcher: Launcher,
    rng: np.random.Generator,
    *,
    steps: Mapping[str, int] = STEPS,
    batch_size: int = BATCH_SIZE,
    timeout_s: float = 900.0,
) -> dict[Precision, float | None]:
    """Return how far library `name` ends from itself when its weights start one unit in the last place away.

    The distance is that of the rung step_n; None where a run failed. No two libraries can agree more closely than this.
    """
    store = ArrayStore(folder / "arrays")
    floors: dict[Precision, float | None] = {}
    for task in _tasks(store, network, optimiser, gentle_rates(optimiser, rate), x, y, rng, steps, batch_size):
        first = replace(task.job, library=name, precision=task.precision)
        twins = {f"{task.precision}-{name}": first, f"{task.precision}-{name}-twin": replace(first, weights=task.twin)}
        here, away = _run_all(twins, folder, launcher, 1, timeout_s, None).values()
        if isinstance(here, Failure) or isinstance(away, Failure):
            floors[task.precision] = None
        else:
            floors[task.precision] = max(differences(read_rungs(away)["step_n"], read_rungs(here)["step_n"]).values())
    return floors


def gentle_rates(optimiser: Optimiser, peak: float) -> dict[Precision, float]:
    """Return the peak rate at which each precision climbs: the training's own, but never above GENTLE."""
    adam = optimiser.type != "sgd"
    return {precision: min(peak, caps[adam]) for precision, caps in GENTLE.items()}


def grained(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return images with no even surface: bytes below a random grain of 0 to 63 are lifted to it; floats stay as they are.

    A black background gives thousands of units one and the same value; where that lies on a kink, rounding turns them all
    at once, and a gradient differs by 10⁻³ that was computed rightly.
    """
    return np.maximum(x, rng.integers(0, 64, x.shape, dtype=np.uint8)) if x.dtype == np.uint8 else x


def ladder_weights(net: Net | Adversarial, rng: np.random.Generator) -> Weights:
    """Return initial weights in which nothing is 0 or 1: two swapped biases, or a scale that is ignored, must show."""
    weights = initial_weights(net, rng)
    for p in net.parameters():
        if p.role in ("scale", "variance"):
            weights[p.name] = rng.uniform(0.5, 1.5, p.shape)
        elif p.role != "kernel":
            weights[p.name] = 0.1 * rng.standard_normal(p.shape)
    return weights


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """One network with its training at one precision: the umpire's job, from which the others are made.

    `twin` holds the weights of a run that starts one unit in the last place away, up or down at random; `nudged` those of
    several that start ten away, in float32 only.
    """

    precision: Precision
    job: Job
    twin: Path
    nudged: tuple[Path, ...]


def _tasks(
    store: ArrayStore,
    network: Net | Adversarial,
    optimiser: Optimiser,
    rates: Mapping[Precision, float],
    x: np.ndarray,
    y: np.ndarray | None,
    rng: np.random.Generator,
    steps: Mapping[str, int],
    batch_size: int,
) -> list[_Task]:
    """Return one task for each precision; the same weights, order and masks, rounded to float32 for float32."""
    weights, x = ladder_weights(network, rng), grained(x, rng)
    order = batch_order(len(x), batch_size, max(steps.values()), rng)
    seed = int(rng.integers(2**31))
    signs = [{name: rng.choice([-1, 1], w.shape) for name, w in weights.items()} for _ in range(1 + NUDGED_RUNS)]

    def away(start: Weights, ulps: int, up_or_down: Weights) -> Path:
        moved = {name: w * (1 + ulps * np.finfo(w.dtype).eps * up_or_down[name]) for name, w in start.items()}
        return store.put_set({name: w.astype(start[name].dtype) for name, w in moved.items()})

    tasks = []
    precision: Precision
    for precision in ("float64", "float32"):
        count = steps[precision]
        start = {name: w.astype(precision) for name, w in weights.items()}
        data = {"train_x": x} if y is None else {"train_x": x, "train_y": y}
        if precision == "float32":
            data = {k: v.astype(np.float32) if v.dtype == np.float64 else v for k, v in data.items()}
        job = Job(
            task="ladder",
            library="reference",
            network=network,
            weights=store.put_set(start),
            optimiser=optimiser,
            precision="float64",
            data={k: store.put(v) for k, v in data.items()},
            order=store.put(order[:count]),
            learning_rates=store.put(learning_rates("cosine", rates[precision], count)),
            seed=seed,
            ladder_steps=count,
        )
        nudged = tuple(away(start, NUDGE_ULPS, one) for one in signs[1:]) if precision == "float32" else ()
        tasks.append(_Task(precision=precision, job=job, twin=away(start, 1, signs[0]), nudged=nudged))
    return tasks


def _run_all(
    jobs: Mapping[str, Job],
    folder: Path,
    launcher: Launcher,
    at_once: int,
    timeout_s: float,
    on_progress: Callable[[int, int, str], None] | None,
) -> dict[str, Result | Failure]:
    """Run `jobs`, `at_once` at a time, each on a core of its own; whatever stops this ends what runs."""

    def run(key: str, cores: Sequence[int] | None) -> tuple[str, Result | Failure]:
        jobs[key].write(folder / key)
        return key, launcher.run(folder / key, timeout_s, cores)

    ended: dict[str, Result | Failure] = {}
    places = max(1, min(at_once, len(machine.cores()), len(jobs)))
    for key, result in side_by_side(run, list(jobs), places, launcher):
        ended[key] = result
        if on_progress:
            job = jobs[key]
            on_progress(len(ended), len(jobs), f"{job.library}, {job.network.name}, {job.precision}")
    return {key: ended[key] for key in jobs}


def _nudges(task: _Task) -> list[str]:
    return [f"nudged{n}" for n in range(len(task.nudged))]


def _outcome(name: str, task: _Task, ended: Mapping[str, Result | Failure]) -> Outcome:
    """Return what came of library `name`; `ended` holds its run and the reference's, by role."""
    job, found, umpire, noise = task.job, ended[name], ended["umpire"], ended["noise"]
    where = f"{job.network.name} with {job.optimiser.type}, {task.precision}"
    outcome = Outcome(
        library=name,
        version=_version(name, found),
        network=job.network.name,
        optimiser=job.optimiser.type,
        precision=task.precision,
        steps=job.ladder_steps,
        passed=False,
    )

    def failed(failure: Failure) -> Outcome:
        return replace(outcome, failure=failure, first_failure=f"{where}: {failure.kind}: {failure.reason}")

    if isinstance(umpire, Failure):
        return failed(replace(umpire, reason=f"the umpire's own run failed: {umpire.reason}"))
    if isinstance(found, Failure):
        return failed(found)
    exact = read_rungs(umpire)
    if not all(np.isfinite(w).all() for w in exact["step_n"].values()):
        return failed(Failure(kind="diverged", reason="the umpire's weights are not finite; choose a smaller rate"))
    moved = None if isinstance(noise, Failure) else read_rungs(noise)
    nudged = [read_rungs(run) for role in _nudges(task) if isinstance(run := ended[role], Result)]
    rungs = climb(read_rungs(found), exact, task.precision, job.optimiser, moved, nudged)
    passed = all(rung.passed for rung in rungs)
    return replace(
        outcome,
        passed=passed,
        rungs=rungs,
        max_relative_difference=_finite(max(rung.max_relative_difference for rung in rungs)),
        noise_floor=max(differences(moved["step_n"], exact["step_n"]).values()) if moved else None,
        first_failure=None if passed else f"{where}: {rungs[-1].sentence()}",
    )


def _version(name: str, found: Result | Failure) -> str | None:
    """Return what the run itself reported, else what is installed."""
    if isinstance(found, Result):
        versions = found.record.get("versions") or {}
        return versions.get(name.split("-")[0]) or next(iter(versions.values()), None)
    return LIBRARIES[name].version if name in LIBRARIES else None


def _summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    measured = [o.max_relative_difference for o in outcomes if o.max_relative_difference is not None]
    return {
        "passed": all(outcome.passed for outcome in outcomes),
        "max_relative_difference": max(measured) if measured else None,
        "steps": outcomes[0].steps if outcomes else None,
    }


def _finite(value: Any) -> Any:
    """Return `value` with None for every number that JSON cannot hold."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
