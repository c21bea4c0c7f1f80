"""Seconds of training until the mean test accuracy over the seeds is 99.0 %: Quintet's fast network against two examples.

The examples are PyTorch's and Keras's own for MNIST, in plain/. Warm-up, compilation and evaluation are off every clock.
The test images are looked at after each epoch of an example, and at the end of Quintet's schedule, where alone its
accuracy counts. Each finished run is kept below --out, so the same command goes on where it was stopped. Exit code 1
where Quintet takes more than a quarter of the faster example's seconds.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from measurement import (
    PLAIN,
    bounds,
    exit_code,
    load_before,
    loads,
    mnist,
    parser,
    positive,
    progress,
    provenance,
    run_plain,
    run_worker,
    show,
    table,
    versions,
    write_page,
    write_plain_data,
)

from quintet import machine
from quintet.comparison import compare_ratio
from quintet.job import ArrayStore, write_whole
from quintet.statistics import Interval, interval
from quintet.study import Study, Trial
from quintet.system import Prepared
from quintet.trials import Bench, train_job
from quintet_systems.digits import SYSTEM

REQUIRED = 0.25
TARGET = 0.99
NETWORK = "fast"

Curve = Sequence[Mapping[str, float]]  # after each look at the test images: {"train_s", "accuracy"}
Measure = Callable[["Recipe", int, int], Curve]  # (recipe, seed, epochs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One way to 99 %: an example's script, or (script None) Quintet's network under `library`."""

    name: str
    library: str
    script: str | None = None
    engine: str | None = None
    first_epochs: int = 1  # how many an example is given at first: a guess at what it needs, from a run or two


EXAMPLES = (
    Recipe(name="PyTorch's example", library="torch", script="pytorch_example.py", first_epochs=5),
    Recipe(
        name="Keras's example",
        library="keras-tensorflow",
        script="keras_example.py",
        engine="tensorflow",
        first_epochs=10,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reached:
    """Where a recipe's mean accuracy first was the target: the epoch's number, and each seed's accuracy and seconds."""

    look: int
    accuracies: Sequence[float]
    seconds: Sequence[float]


def reached(curves: Sequence[Curve], target: float) -> Reached | None:
    """Return the first look at which the mean over the seeds' curves is at least `target`, or None."""
    for look in range(min(len(curve) for curve in curves)):
        points = [curve[look] for curve in curves]
        accuracies = [point["accuracy"] for point in points]
        if np.mean(accuracies) >= target:
            return Reached(look=look + 1, accuracies=accuracies, seconds=[point["train_s"] for point in points])
    return None


class Curves:
    """The finished runs' curves in a folder, one JSON file each; one made under other circumstances is not taken."""

    def __init__(self, folder: Path, circumstances: Mapping[str, Any], measure: Measure) -> None:
        self.folder, self.circumstances, self.measure = folder, circumstances, measure
        self.loads: list[float] = []

    def get(self, recipe: Recipe, seed: int, epochs: int) -> Curve:
        """Return a run's curve, measured now unless it is at hand with at least so many epochs."""
        path = self.folder / f"{recipe.script or NETWORK}.{recipe.library}.seed{seed}.json"
        own = {**self.circumstances, "version": versions([recipe.library]), "recipe": content(recipe)}
        try:
            kept = json.loads(path.read_text())
        except (OSError, ValueError):
            kept = {}
        if kept.get("circumstances") != own or (recipe.script and len(kept["curve"]) < epochs):
            load = load_before(f"{recipe.name}, {recipe.library}, seed {seed}")
            kept = {"circumstances": own, "load_before": load, "curve": list(self.measure(recipe, seed, epochs))}
            write_whole(path, json.dumps(kept, indent=1).encode())
        last = kept["curve"][-1]
        progress(f"  {recipe.name}, {recipe.library}, seed {seed}: {last['accuracy']:.2%} in {last['train_s']:.1f} s")
        self.loads.append(kept["load_before"])
        return kept["curve"]


def content(recipe: Recipe) -> str:
    """Return the hash of what a recipe does, by which a changed one is told."""
    if recipe.script:
        return hashlib.sha256((PLAIN / recipe.script).read_bytes()).hexdigest()
    record = SYSTEM.recipe(
        NETWORK, Prepared(name="mnist", arrays={"train_x": np.empty((0, 28, 28, 1))}, labels=())
    ).record()
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def measured(folder: Path, threads: int, images: int) -> Measure:
    """Return the function that makes one run on the first `images` training images of MNIST, all by default."""
    arrays = {name: array[:images] if name.startswith("train") else array for name, array in mnist().items()}
    data, store = write_plain_data(arrays, folder), ArrayStore(folder / "arrays")
    files = {name: store.put(arrays[name]) for name in ("train_x", "train_y", "test_x")}
    recipes = {NETWORK: SYSTEM.recipe(NETWORK, Prepared(name="mnist", arrays=arrays, labels=()))}
    bench = Bench(system=SYSTEM, recipes=recipes, arrays=arrays, files=files, store=store)

    def measure(recipe: Recipe, seed: int, epochs: int) -> Curve:
        if recipe.script:
            return run_plain(recipe.script, [data, seed, epochs], threads, recipe.engine)
        trial = Trial(network=NETWORK, library=recipe.library, seed=seed)
        study = Study(system="digits", libraries=(recipe.library,), evaluations=0)
        outcome = run_worker(replace(train_job(bench, study, trial, threads), measure={}), folder / trial.id)
        outputs = np.load(outcome.folder / outcome.record["files"]["test_outputs"], allow_pickle=False)
        accuracy = SYSTEM.score(arrays["test_y"], outputs)["accuracy"]
        return [{"train_s": outcome.record["train_s"], "accuracy": accuracy}]

    return measure


def run(
    recipes: Sequence[Recipe], seeds: int, first_epochs: int | None, max_epochs: int, target: float, curves: Curves
) -> dict[Recipe, Any]:
    """Return for each recipe its `Reached`, or None; an example that falls short is run again for more epochs.

    Not so where it has taken longer already than another example took to get there: it cannot be the faster one.
    """
    found: dict[Recipe, Reached | None] = dict.fromkeys(recipes)
    left = list(recipes)
    epochs = {recipe: min(first_epochs or recipe.first_epochs, max_epochs) for recipe in recipes}
    while left:
        progress(", ".join(f"{recipe.name} for {epochs[recipe]} epochs" for recipe in left if recipe.script))
        made: dict[Recipe, list[Curve]] = {recipe: [] for recipe in left}
        for seed in range(seeds):
            for recipe in left[seed % len(left) :] + left[: seed % len(left)]:
                made[recipe].append(curves.get(recipe, seed, epochs[recipe]))
        found |= {recipe: reached(made[recipe], target) for recipe in left}
        best = min(
            (np.mean(place.seconds) for recipe, place in found.items() if recipe.script and place), default=np.inf
        )
        left = [
            recipe
            for recipe in left
            if recipe.script
            and not found[recipe]
            and epochs[recipe] < max_epochs
            and np.mean([curve[-1]["train_s"] for curve in made[recipe]]) < best
        ]
        epochs |= {recipe: min(epochs[recipe] + 4, max_epochs) for recipe in left}
    return found


def main(arguments: Sequence[str], measure: Measure | None = None) -> int:
    """Run the benchmark; `measure` replaces the real one in tests."""
    options = parser(__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument(
        "--libraries", default="tensorflow,torch", help="libraries of Quintet's fast network (tensorflow,torch)"
    )
    options.add_argument("--seeds", type=positive, default=5, help="how many seeds (5)")
    options.add_argument("--reference-epochs", type=positive, help="epochs of the examples at first (each its own)")
    options.add_argument("--max-epochs", type=positive, default=14, help="epochs of the examples at most (14)")
    options.add_argument("--target", type=float, default=TARGET, help="accuracy to reach (0.99)")
    options.add_argument(
        "--images", type=positive, default=60_000, help="training images; fewer only to try it out (60000)"
    )
    options.add_argument(
        "--out", type=Path, default=Path("quintet-results/time-to-99"), help="folder that keeps finished runs"
    )
    chosen = options.parse_args(arguments)
    quintet = [Recipe(name="Quintet, fast", library=name) for name in chosen.libraries.split(",")]
    where = machine.describe()
    circumstances = {"machine": machine.fingerprint(where), "threads": chosen.threads, "images": chosen.images}
    with tempfile.TemporaryDirectory() as folder:
        measure = measure or measured(Path(folder), chosen.threads, chosen.images)
        curves = Curves(chosen.out, circumstances, measure)
        found = run(
            [*quintet, *EXAMPLES], chosen.seeds, chosen.reference_epochs, chosen.max_epochs, chosen.target, curves
        )
    rows = as_rows(found)
    ratios = [row["ratio"] for row in rows if row["quintet"] and row["ratio"] is not None]
    record = {
        "benchmark": "time_to_99",
        "date": chosen.date,
        "machine": where,
        "threads": chosen.threads,
        "seeds": chosen.seeds,
        "images": chosen.images,
        "target": chosen.target,
        "max_epochs": chosen.max_epochs,
        "versions": versions([recipe.library for recipe in found]),
        **loads(curves.loads),
        "required": REQUIRED,
        "passed": bool(ratios) and min(ratios) <= REQUIRED,
        "rows": rows,
    }
    text = as_table(rows)
    show(record, text, chosen.json)
    if chosen.write:
        write_page("time-to-99.md", page(record, text))
    return 0 if record["passed"] else 1


def as_rows(found: Mapping[Recipe, Reached | None]) -> list[dict[str, Any]]:
    """Return a row for each recipe; the ratio is to the faster example, and None where either never got there."""
    examples = [place for recipe, place in found.items() if recipe.script and place]
    fastest = min(examples, key=lambda place: np.mean(place.seconds), default=None)
    rows = []
    for recipe, place in found.items():
        row: dict[str, Any] = {"recipe": recipe.name, "library": recipe.library, "quintet": recipe.script is None}
        row |= dict.fromkeys(
            ("epochs", "accuracy", "accuracy_interval", "seconds", "seconds_interval", "ratio", "ratio_interval")
        )
        if place:
            row |= _figures("accuracy", place.accuracies) | _figures("seconds", place.seconds)
            row["epochs"] = place.look if recipe.script else None
        if place and fastest:
            compared = compare_ratio(
                place.seconds, fastest.seconds, higher_is_better=False, names=("it", "the faster example")
            )
            row["ratio"] = compared.ratio
            row["ratio_interval"] = [compared.interval.low, compared.interval.high]
        rows.append(row)
    return rows


def _figures(name: str, values: Sequence[float]) -> dict[str, Any]:
    spread = interval(values)
    return {name: float(np.mean(values)), f"{name}_interval": [spread.low, spread.high]}


def as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the rows as a table."""
    forms = {"accuracy": "{:.2%}".format, "seconds": "{:.1f}".format, "ratio": "{:.3f}".format}
    body = []
    for row in rows:
        cells = [row["recipe"], row["library"], str(row["epochs"] or "–")]
        for name, form in forms.items():
            low, high = row[f"{name}_interval"] or (None, None)
            cells.append("not reached" if row["seconds"] is None else "–" if row[name] is None else form(row[name]))
            cells.append(bounds(Interval(low=low, high=high, level=0.95, method="t"), form))
        body.append(cells)
    head = [
        "recipe",
        "library",
        "epochs",
        "accuracy",
        "95 % interval",
        "seconds",
        "95 % interval",
        "ratio",
        "95 % interval",
    ]
    return table(head, body)


def page(record: Mapping[str, Any], text: str) -> list[str]:
    """Return the paragraphs of docs/results/time-to-99.md."""
    ours = [row for row in record["rows"] if row["quintet"] and row["ratio"] is not None]
    best = min(ours, key=lambda row: row["ratio"], default=None)
    goal = f"a mean test accuracy of {record['target']:.1%}"
    if best:
        verdict = (
            f"Quintet's `fast` network under {best['library']} reaches {goal} in {best['seconds']:.1f} s of training,"
            f" {best['ratio']:.2f} times the seconds of the faster of two well-known examples (required: at most"
            f" {record['required']}; n = {record['seeds']} seeds each)."
        )
    else:
        verdict = f"No comparison: Quintet's `fast` network, or both examples, did not reach {goal}."
    return [
        "# Time to 99 %",
        verdict,
        text,
        f"Trained on {record['images']:,} images of MNIST (Keras's example holds a tenth of them back); accuracy is of the 10,000"
        " test images. Seconds are of training alone: start, warm-up, compilation and evaluation are off the clock for all. An"
        " example's time is that of the first epoch after which its mean over the seeds is at the target, at most"
        f" {record['max_epochs']} epochs,"
        " and it is trained no further once it has taken longer than the other needed; Quintet's is that of its whole"
        " schedule. The ratio is the geometric mean over the"
        " seeds of seconds divided by the faster example's. PyTorch's example is given its images as one tensor in memory and not"
        " by its loader, so it is faster here than as published. The scripts are in `benchmarks/plain`.",
        provenance(record),
        "Run it with `python benchmarks/time_to_99.py`.",
    ]


if __name__ == "__main__":
    sys.exit(exit_code(main))
