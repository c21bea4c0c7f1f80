"""What a picture costs on a small board: Quintet's chosen path against LiteRT, ONNX Runtime and OpenVINO by their manuals.

The same network, the same int8 files, batch 1, one thread; each contender is a process of its own, asked in turn. Beside them
`keras.Model.predict` with the same weights, and the start of `quintet pets watch` up to its first label. Exit code 1 where
Quintet takes more than 1.05 times the best of the three, predict less than 50 times Quintet's, or the start more than 0.6 s.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from measurement import (
    MeasurementFailed,
    Plain,
    bounds,
    environment,
    exit_code,
    load_before,
    loads,
    parser,
    positive,
    progress,
    provenance,
    show,
    table,
    write_page,
)

from quintet import machine
from quintet.bundle import read_bundle
from quintet.comparison import compare_ratio
from quintet.network_json import resolved
from quintet.optimiser import SGD, wire_form
from quintet.profiling import profile
from quintet.profiling.measuring import write_picture
from quintet.profiling.probing import Probe, Setting
from quintet.runtimes import choose, export_file
from quintet.runtimes.choosing import Choice

MOST, LEAST, START_S = 1.05, 50.0, 0.6
PEERS = ("litert", "onnxruntime", "openvino")
KERAS = "keras.Model.predict"
KERAS_CALLS = 10
PACKAGES = {"litert": "ai-edge-litert", "onnxruntime": "onnxruntime", "openvino": "openvino", "keras": "keras",
            "tensorflow": "tensorflow-cpu"}  # fmt: skip


class Contender(Protocol):
    """A process that predicts when it is asked."""

    def round(self, calls: int) -> dict[str, Any]:
        """Return {"ms": one for each of `calls` predictions}."""
        ...

    def close(self) -> None:
        """End it."""
        ...


def main(arguments: Sequence[str], open_all: Callable[..., dict[str, Contender]] | None = None) -> int:
    """Run the benchmark; `open_all` replaces the real contenders in tests."""
    options = parser(__doc__.splitlines()[0] if __doc__ else "")
    options.add_argument("bundle", type=Path, help="a trained and exported bundle of the system pets")
    options.add_argument("--rounds", type=positive, default=20, help="rounds, all contenders in turn (20)")
    options.add_argument(
        "--calls", type=positive, default=200, help=f"predictions in a round (200); predict: {KERAS_CALLS}"
    )
    options.add_argument("--starts", type=positive, default=9, help="cold starts of quintet pets watch (9)")
    chosen = options.parse_args(arguments)
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        before = [load_before("choosing a path for this machine")]
        choice = chosen_path(chosen.bundle)
        contenders = (open_all or opened)(chosen.bundle, choice, folder)
        for contender in contenders.values():
            stack.callback(contender.close)
        before.append(load_before("predictions, all in turn"))
        times = run(contenders, chosen.rounds, chosen.calls)
        before.append(load_before("cold starts of quintet pets watch"))
        starts = cold_starts(chosen.bundle, choice, folder, chosen.starts)
    record = judged(times, starts) | {
        "benchmark": "edge",
        "date": chosen.date,
        "machine": machine.describe(),
        "threads": 1,
        "bundle": described(chosen.bundle),
        "chosen": choice._asdict(),
        "rounds": chosen.rounds,
        "calls": chosen.calls,
        "versions": versions(),
        **loads(before),
    }
    text = as_table(record)
    show(record, text, chosen.json)
    for sentence in verdicts(record):
        progress(sentence)
    if chosen.write:
        write_page("edge.md", page(record, text))
    return 0 if record["passed"] else 1


def chosen_path(bundle: Path) -> Choice:
    """Return the int8 path that an application takes here: the fastest of a short profile."""
    return choose(bundle, profile(bundle, PEERS, ("int8",), starts=0, rounds=6, calls=50).rows)


def opened(bundle: Path, choice: Choice, folder: Path) -> dict[str, Contender]:
    """Start all contenders on one picture; what they answer must agree."""
    found = read_bundle(bundle)
    picture = write_picture(folder / "picture.jpg")
    sample, model = folder / "sample.npy", folder / "keras"
    from quintet.images import read_image

    np.save(sample, read_image(picture, found.net.input_shape)[None])  # pyright: ignore[reportArgumentType]
    setting = Setting(runtime=choice.runtime, precision=choice.precision, threads=1)
    contenders: dict[str, Contender] = {"quintet": Probe(bundle, setting, picture, found.net.input_shape)}
    plain = {name: Plain("int8_plain.py", [name, export_file(bundle, name, "int8"), sample]) for name in PEERS}
    model.mkdir()
    build = subprocess.run(
        [sys.executable, __file__, "--build-keras", str(bundle), str(model)],
        env=environment(1, "tensorflow"), capture_output=True, text=True,
    )  # fmt: skip
    if build.returncode:
        last = (build.stderr.strip().splitlines() or ["no output"])[-1]
        raise MeasurementFailed(
            f"received exit code {build.returncode} building the Keras model, expected 0; it said: {last}"
        )
    plain[KERAS] = Plain("keras_predict.py", [model / "native.keras", sample], "tensorflow")
    classes = {name: int(np.argmax(one.outputs)) for name, one in plain.items()}
    largest = max(abs(value) for one in plain.values() for value in one.outputs)
    spread = max(float(np.abs(np.subtract(one.outputs, plain[KERAS].outputs)).max()) for one in plain.values())
    if len(set(classes.values())) > 1 and spread > 0.25 * largest:
        raise MeasurementFailed(
            f"received answers that differ by {spread:.2g} of {largest:.2g} ({classes}), expected one network"
        )
    return contenders | plain


def build_keras(bundle: Path, folder: Path) -> None:
    """Write the bundle's network with its weights as Keras's own file, native.keras, by Quintet's adapter."""
    from quintet_worker.adapters.keras import Keras

    found = read_bundle(bundle)
    adapter = Keras("tensorflow")
    adapter.build(resolved(found.net), wire_form(SGD()), "float32", 1, "cpu")
    adapter.load(found.weights)
    adapter.save_native(str(folder))


def run(contenders: dict[str, Contender], rounds: int, calls: int) -> dict[str, list[list[float]]]:
    """Return the milliseconds of each contender, a list for each round; every second round goes backwards."""
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders) if number % 2 == 0 else list(contenders)[::-1]
        for name in names:
            times[name].append(contenders[name].round(min(calls, KERAS_CALLS) if name == KERAS else calls)["ms"])
        progress(f"  round {number + 1} of {rounds}")
    return times


def cold_starts(bundle: Path, choice: Choice, folder: Path, count: int) -> list[float]:
    """Return the seconds from starting `quintet pets watch` to the first label on its standard output; one more warms up."""
    picture, found = write_picture(folder / "start.jpg"), []
    program = Path(sys.executable).with_name("quintet")
    for number in range(count + 1):
        command = [
            str(program), "pets", "watch", "--source", str(picture), "--bundle", str(bundle), "--once", "--page", "0",
            "--state", str(folder / f"state{number}"), "--runtime", choice.runtime, "--precision", choice.precision,
        ]  # fmt: skip
        begun = time.monotonic()
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout
            label = process.stdout.readline()
            seconds = time.monotonic() - begun
            _, said = process.communicate()
        if not label.startswith(f"{picture.name}:") and picture.name not in label:
            last = (said.strip().splitlines() or ["no output"])[-1]
            raise MeasurementFailed(f"received no label from quintet pets watch, expected one; it said: {last[:300]}")
        if number:
            found.append(seconds)
    return found


def judged(times: dict[str, list[list[float]]], starts: Sequence[float]) -> dict[str, Any]:
    """Return the rows of the JSON object, the bars and whether each is met."""
    medians = {name: [float(np.median(one)) for one in rounds] for name, rounds in times.items()}
    best = min((name for name in medians if name in PEERS), key=lambda name: float(np.median(medians[name])))
    rows = []
    for name, rounds in times.items():
        flat = np.concatenate([np.asarray(one) for one in rounds])
        compared = compare_ratio(medians["quintet"], medians[name], names=("quintet's", name))
        rows.append(
            {
                "path": name,
                "p50_ms": float(np.percentile(flat, 50)),
                "p99_ms": float(np.percentile(flat, 99)),
                "predictions": len(flat),
                "ratio": compared.ratio,
                "interval": [compared.interval.low, compared.interval.high],
                "interval_text": bounds(compared.interval, "{:.4g}".format),
            }
        )
    ratios = {row["path"]: row["ratio"] for row in rows}
    start = float(np.median(starts)) if starts else None
    met = {
        "best_of_three": ratios[best] <= MOST,
        "keras_predict": 1 / ratios[KERAS] >= LEAST,
        "cold_start": start is not None and start <= START_S,
    }
    return {
        "rows": rows,
        "best": best,
        "times_best": ratios[best],
        "times_faster_than_predict": 1 / ratios[KERAS],
        "cold_start_s": start,
        "cold_starts_s": list(starts),
        "bars": {"times_best": MOST, "times_faster_than_predict": LEAST, "cold_start_s": START_S},
        "met": met,
        "passed": all(met.values()),
    }


def as_table(record: dict[str, Any]) -> str:
    """Return the rows as a table."""
    names: dict[str, str] = {
        "quintet": f"Quintet ({record['chosen']['runtime']})",
        **{name: f"{name}, defaults" for name in PEERS},
    }
    return table(
        ["path", "p50 ms", "p99 ms", "Quintet's time / this", "95 % interval", "rounds"],
        [
            [
                str(names.get(one["path"], one["path"])), f"{one['p50_ms']:.4f}", f"{one['p99_ms']:.4f}", f"{one['ratio']:.4g}",
                one["interval_text"], str(record["rounds"]),
            ]
            for one in record["rows"]
        ],
    )  # fmt: skip


def verdicts(record: dict[str, Any]) -> list[str]:
    """Return a sentence for each bar."""
    spread = record["cold_starts_s"]
    word = {True: "Met", False: "NOT met"}
    return [
        f"{word[record['met']['best_of_three']]}: Quintet's path takes {record['times_best']:.3f} times the best of the three"
        f" ({record['best']}); at most {MOST}.",
        f"{word[record['met']['keras_predict']]}: it is {record['times_faster_than_predict']:.0f} times faster than {KERAS};"
        f" at least {LEAST:.0f}.",
        f"{word[record['met']['cold_start']]}: quintet pets watch gives its first label after {record['cold_start_s']:.2f} s"
        f" (median of {len(spread)} starts, {min(spread):.2f} to {max(spread):.2f}); at most {START_S}.",
    ]


def page(record: dict[str, Any], text: str) -> list[str]:
    """Return the paragraphs of docs/results/edge.md."""
    bundle = record["bundle"]
    return [
        "# A picture on the edge",
        "\n".join(f"- {sentence}" for sentence in verdicts(record)),
        text,
        f"The network is {bundle['name']}, {bundle['parameters']:,} parameters, {bundle['multiply_adds'] / 1e6:.1f} million"
        " multiply-adds, int8; all contenders run the files that `quintet export` wrote, at batch 1 on one thread, each in a"
        f" process of its own, asked in turn: {record['rounds']} rounds of {record['calls']} predictions ({KERAS}: {KERAS_CALLS})"
        " after some that are not counted. A ratio is the geometric mean over rounds of the medians' ratio. Quintet's path is the"
        " fastest int8 export of a short profile made just before, through `open_predictor`, with its checks of the input; the"
        " others' input is brought to the file's type before the clock. Keras computes the same weights in float32.",
        provenance(record),
        "Run it with `python benchmarks/edge.py BUNDLE`.",
    ]


def described(bundle: Path) -> dict[str, Any]:
    """Return the network's name and size."""
    from quintet.profiling import work_of

    found = read_bundle(bundle)
    work = work_of(found.net)
    return {"name": found.card.get("name"), "model_version": found.card.get("model_version"),
            "parameters": found.net.parameter_count(), "multiply_adds": work.multiply_adds}  # fmt: skip


def versions() -> dict[str, str | None]:
    """Return the versions of the contenders' packages."""
    from quintet.emulation.root import installed

    return {name: installed(package) for name, package in PACKAGES.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build-keras"]:
        build_keras(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        sys.exit(exit_code(main))
