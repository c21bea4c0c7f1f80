"""What a Quintet worker costs: its training images/s divided by those of a plain script of the same library.

The plain scripts are in plain/, written as users of each library write them. Same network, batch, data type, threads
and optimiser; each measurement is a fresh process, warmed up off the clock; pairs are interleaved A B, B A.
Exit code 1 where a mean ratio is below 0.97.
"""

import functools
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from measurement import (
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
from quintet.comparison import Comparison, compare_ratio
from quintet.job import ArrayStore
from quintet.layers import Activation, Conv, Dense, Flatten, MaxPool, Rescale
from quintet.losses import SoftmaxCrossEntropy
from quintet.network import Net
from quintet.optimiser import SGD
from quintet.recipe import Recipe
from quintet.study import Study, Trial
from quintet.trials import Bench, train_job
from quintet_systems.digits import SYSTEM

REQUIRED = 0.97
BATCH = 128
MOST_STEPS = 60_000 // BATCH  # keras_plain.py times one epoch at most

Side = Literal["quintet", "plain"]
Measure = Callable[[Side, str, int, int], float]  # (side, library, seed, steps) -> training images/s


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    """A library's plain script, and how many steps make a measurement of some 5 to 10 s on two cores."""

    script: str
    steps: int
    engine: str | None = None


PLAIN_SCRIPTS = {
    "torch": Plain(script="torch_plain.py", steps=160),
    "jax": Plain(script="jax_plain.py", steps=32),
    "tensorflow": Plain(script="tensorflow_plain.py", steps=160),
    "keras-tensorflow": Plain(script="keras_plain.py", steps=120, engine="tensorflow"),
    "keras-jax": Plain(script="keras_plain.py", steps=32, engine="jax"),
    "keras-torch": Plain(script="keras_plain.py", steps=120, engine="torch"),
}


def classic() -> Recipe:
    """Return the network of the plain scripts, with their optimiser."""
    relu = Activation(kind="relu")
    first = (Rescale(scale=1 / 255), Conv(filters=32, padding="valid"), relu, Conv(filters=64, padding="valid"), relu)
    last = (MaxPool(), Flatten(), Dense(units=128), relu, Dense(units=10))
    net = Net(name="classic", input_shape=(28, 28, 1), layers=(*first, *last), loss=SoftmaxCrossEntropy())
    return Recipe(net=net, optimiser=SGD(momentum=0.9), rate=0.05, batch_size=BATCH)


def measured(folder: Path, threads: int) -> Measure:
    """Return the function that makes one measurement; MNIST is written below `folder` once."""
    arrays = mnist()
    data, store = write_plain_data(arrays, folder), ArrayStore(folder / "arrays")
    files = {name: store.put(arrays[name]) for name in ("train_x", "train_y")}
    bench = Bench(system=SYSTEM, recipes={"classic": classic()}, arrays=arrays, files=files, store=store)

    def measure(side: Side, library: str, seed: int, steps: int) -> float:
        if side == "plain":
            plain = PLAIN_SCRIPTS[library]
            result = run_plain(plain.script, [data, steps], threads, plain.engine)[-1]
            return result["images"] / result["seconds"]
        trial = Trial(network="classic", library=library, seed=seed)
        job = train_job(bench, Study(system="digits", libraries=(library,)), trial, threads, steps=steps)
        return run_worker(job, folder / trial.id).record["training_images_per_s"]

    return measure


def main(arguments: Sequence[str], measure: Measure | None = None) -> int:
    """Run the benchmark; `measure` replaces the real one in tests."""
    options = parser(__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("--libraries", default=",".join(PLAIN_SCRIPTS), help="names, comma-separated (all)")
    options.add_argument("--repeats", type=positive, default=5, help="pairs for each library (5)")
    options.add_argument("--steps", type=positive, help="steps of a measurement (for each library its own)")
    chosen = options.parse_args(arguments)
    names = chosen.libraries.split(",")
    if unknown := set(names) - set(PLAIN_SCRIPTS):
        options.error(f"received library {', '.join(sorted(unknown))}, expected some of {', '.join(PLAIN_SCRIPTS)}")
    if chosen.steps and chosen.steps > MOST_STEPS:
        options.error(f"received --steps {chosen.steps}, expected at most {MOST_STEPS}, one epoch")
    with tempfile.TemporaryDirectory() as folder:
        measure = measure or measured(Path(folder), chosen.threads)
        speeds, before = run(names, chosen.repeats, chosen.steps, measure)
    rows = [row(name, speeds[name]) for name in names]
    record = {
        "benchmark": "overhead",
        "date": chosen.date,
        "machine": machine.describe(),
        "threads": chosen.threads,
        "repeats": chosen.repeats,
        "steps": {name: chosen.steps or PLAIN_SCRIPTS[name].steps for name in names},
        "versions": versions(names),
        **loads(before),
        "required": REQUIRED,
        "passed": all(one["ratio"] >= REQUIRED for one in rows),
        "rows": rows,
    }
    text = as_table(rows)
    show(record, text, chosen.json)
    if chosen.write:
        write_page("overhead.md", page(record, text))
    return 0 if record["passed"] else 1


def run(
    names: Sequence[str], repeats: int, steps: int | None, measure: Measure
) -> tuple[dict[str, dict[Side, list[float]]], list[float]]:
    """Return the images/s of each library and side, one for each repeat, and the loads before the measurements."""
    speeds: dict[str, dict[Side, list[float]]] = {name: {"quintet": [], "plain": []} for name in names}
    before = []
    for repeat in range(repeats):
        sides: tuple[Side, Side] = ("quintet", "plain") if repeat % 2 == 0 else ("plain", "quintet")
        for name in names:
            for side in sides:
                before.append(load_before(f"{repeat + 1}/{repeats} {name}, {side}"))
                speeds[name][side].append(measure(side, name, repeat, steps or PLAIN_SCRIPTS[name].steps))
                progress(f"  {speeds[name][side][-1]:.0f} images/s")
    return speeds, before


def row(name: str, speeds: dict[Side, list[float]]) -> dict[str, Any]:
    """Return a library's row of the JSON object."""
    compared: Comparison = compare_ratio(speeds["quintet"], speeds["plain"], names=("quintet", "plain"))
    return {
        "library": name,
        "n": compared.n,
        "quintet_images_per_s": speeds["quintet"],
        "plain_images_per_s": speeds["plain"],
        "ratio": compared.ratio,
        "interval": [compared.interval.low, compared.interval.high],
        "interval_text": bounds(compared.interval, "{:.3f}".format),
    }


def as_table(rows: Sequence[dict[str, Any]]) -> str:
    """Return the rows as a table."""
    mean = functools.partial("{:.0f}".format)
    return table(
        ["library", "plain images/s", "in a worker", "ratio", "95 % interval", "n"],
        [
            [
                one["library"],
                mean(sum(one["plain_images_per_s"]) / one["n"]),
                mean(sum(one["quintet_images_per_s"]) / one["n"]),
                f"{one['ratio']:.3f}",
                one["interval_text"],
                str(one["n"]),
            ]
            for one in rows
        ],
    )


def page(record: dict[str, Any], text: str) -> list[str]:
    """Return the paragraphs of docs/results/overhead.md."""
    least = min(record["rows"], key=lambda one: one["ratio"])
    return [
        "# What a worker costs",
        f"Training inside a Quintet worker runs at {least['ratio']:.2f} times the speed of a plain script or faster, under every"
        f" library (the least is {least['library']}; required: {REQUIRED}; n = {record['repeats']} pairs each).",
        text,
        "The network is conv 32 (3x3), conv 64 (3x3), max pool 2, dense 128, dense 10 with relu, on MNIST's training images,"
        " batch 128, SGD with momentum, float32. Each figure is a mean over fresh processes, each warmed up before its clock"
        " starts; the ratio is the geometric mean over pairs. A ratio well above 1 is the adapter's doing (how it asks its"
        " library for the same sums), not the worker's: the plain scripts, in `benchmarks/plain`, take each library's usual way.",
        provenance(record),
        "Run it with `python benchmarks/overhead.py`.",
    ]


if __name__ == "__main__":
    sys.exit(exit_code(main))
