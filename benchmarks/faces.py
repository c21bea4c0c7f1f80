"""What a frame with a face costs: Quintet's engine against the packages face_recognition (dlib) and mtcnn.

One frame of 640x480 with one face; find, align, describe; each contender is a process of its own, asked in turn. Beside the
times, how well each tells people apart: LFW's View 1, the 1,000 test pairs, ten-fold within them, a face that was not found
answered as two people. Exit code 1 where Quintet's 95th percentile is above 40 ms, a peer takes less than 4 times as long, or
is more accurate.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from measurement import (
    MeasurementFailed,
    Plain,
    bounds,
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
from quintet.comparison import compare_ratio
from quintet.errors import DataError
from quintet_systems.faces.catalogue import model
from quintet_systems.faces.data.lfw import Lfw, Pair
from quintet_systems.faces.protocols.pairs import ten_fold
from quintet_systems.faces.protocols.rates import NOT_COMPARED

P95_MS, TIMES = 40.0, 4.0
PEERS = ("face_recognition", "mtcnn")
FRAME = (480, 640)
FOLDS = 10


def main(arguments: Sequence[str]) -> int:
    """Run the benchmark."""
    options = parser(__doc__.splitlines()[0] if __doc__ else "")
    options.set_defaults(threads=2)
    options.add_argument("--peers", type=Path, help="a folder made by pip install --target, with the peers' packages")
    options.add_argument(
        "--without", action="append", default=[], choices=PEERS, help="a peer that is not installed here"
    )
    options.add_argument("--rounds", type=positive, default=12, help="rounds, all contenders in turn (12)")
    options.add_argument("--calls", type=positive, default=25, help="frames in a round (25)")
    options.add_argument("--pairs", type=positive, default=1000, help="of View 1's test pairs (1,000)")
    chosen = options.parse_args(arguments)
    lfw = Lfw()
    pairs = spread(lfw.pairs("pairsDevTest.txt"), chosen.pairs)
    names = sorted({name for pair in pairs for name in (pair.first, pair.second)})
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = Path(temporary)
        pictures = np.stack([lfw.archive.read(lfw.members[name]) for name in names])
        np.save(folder / "pictures.npy", pictures)
        np.save(folder / "frame.npy", frame_of(pictures[0]))
        contenders = opened(folder, chosen.threads, chosen.peers, [one for one in PEERS if one not in chosen.without])
        for one in contenders.values():
            stack.callback(one.close)
        before = [load_before("frames, all in turn")]
        times = run(contenders, chosen.rounds, chosen.calls)
        before.append(load_before("View 1's pairs"))
        accuracies = {}
        for name, one in contenders.items():
            progress(f"  {name}: describing {len(names):,} pictures")
            one.ask("embed")
            accuracies[name] = accuracy(pairs, names, np.load(folder / f"{name}.npy"))
    record = judged(times, accuracies) | {
        "benchmark": "faces",
        "date": chosen.date,
        "machine": machine.describe(),
        "threads": chosen.threads,
        "rounds": chosen.rounds,
        "calls": chosen.calls,
        "pairs": len(pairs),
        "versions": versions(chosen.peers),
        **loads(before),
    }
    text = as_table(record)
    show(record, text, chosen.json)
    for sentence in verdicts(record):
        progress(sentence)
    if chosen.write:
        write_page("faces-frame.md", page(record, text))
    return 0 if record["passed"] else 1


def spread(pairs: Sequence[Pair], count: int) -> list[Pair]:
    """Return `count` pairs, half of one person and half of two, in FOLDS folds by turns."""
    chosen = []
    for same in (True, False):
        own = [pair for pair in pairs if pair.same == same][: count // 2]
        chosen += [Pair(first=pair.first, second=pair.second, same=same, fold=i % FOLDS) for i, pair in enumerate(own)]
    return chosen


def frame_of(face: np.ndarray) -> np.ndarray:
    """Return a frame `(480, 640, 3)` with a picture of LFW in its middle, on a blurred copy of itself."""
    ground = cv2.GaussianBlur(cv2.resize(face, (FRAME[1], FRAME[0])), (0, 0), 25)
    side = face.shape[0]
    top, left = (FRAME[0] - side) // 2, (FRAME[1] - side) // 2
    ground[top : top + side, left : left + side] = face
    return ground


def opened(folder: Path, threads: int, peers: Path | None, names: Sequence[str]) -> dict[str, Plain]:
    """Start all contenders."""
    given = [folder / "frame.npy", folder / "pictures.npy"]
    more = {"PYTHONPATH": os.pathsep.join(filter(None, [str(peers or ""), os.environ.get("PYTHONPATH", "")]))}
    own = Path(__file__).resolve()
    found = {"quintet": Plain(own, ["--serve", *given, folder / "quintet.npy", threads], threads=threads)}
    for name in names:
        try:
            described = [name, *given, folder / f"{name}.npy", model("mobilefacenet").path()]
            found[name] = Plain("face_peers.py", described, threads=threads, more=more)
        except MeasurementFailed as error:
            raise DataError(
                f"{error}; install it, name its folder with --peers, or leave it out with --without"
            ) from None
    return found


def serve(frame: str, pictures: str, out: str, threads: str) -> None:
    """Be Quintet's contender; the same lines as benchmarks/plain/face_peers.py takes and gives."""
    import json
    import time

    from quintet_systems.faces.engine.opening import open_engine
    from quintet_systems.faces.engine.pipeline import by_prominence

    cv2.setNumThreads(int(threads))
    engine, _ = open_engine("yunet", "mobilefacenet", threads=int(threads))
    shown = np.load(frame)
    print(json.dumps({"outputs": engine(shown).faces[0].embedding.tolist()}), flush=True)
    for line in sys.stdin:
        if line.strip() == "embed":
            seen = [by_prominence(engine(picture).faces) for picture in np.load(pictures)]
            rows = [faces[0].embedding if faces else None for faces in seen]
            width = next(len(row) for row in rows if row is not None)
            np.save(out, np.stack([np.full(width, np.nan) if row is None else row for row in rows]))
            print(json.dumps({"described": sum(row is not None for row in rows)}), flush=True)
            continue
        engine(shown)
        times = []
        for _ in range(int(line)):
            begun = time.perf_counter()
            engine(shown)
            times.append(1e3 * (time.perf_counter() - begun))
        print(json.dumps({"ms": times}), flush=True)


def run(contenders: Mapping[str, Plain], rounds: int, calls: int) -> dict[str, list[list[float]]]:
    """Return the milliseconds of each contender, a list for each round; every second round goes backwards."""
    times: dict[str, list[list[float]]] = {name: [] for name in contenders}
    for number in range(rounds):
        for name in list(contenders)[:: 1 if number % 2 == 0 else -1]:
            times[name].append(contenders[name].round(calls)["ms"])
        progress(f"  round {number + 1} of {rounds}")
    return times


def accuracy(pairs: Sequence[Pair], names: Sequence[str], embeddings: np.ndarray) -> dict[str, Any]:
    """Return the ten-fold accuracy. All are compared by distance, dlib's way; for vectors of length 1 it ranks as the cosine."""
    at = {name: i for i, name in enumerate(names)}
    first, second = (embeddings[[at[getattr(pair, side)] for pair in pairs]] for side in ("first", "second"))
    scores = 1 - np.linalg.norm(first - second, axis=1)
    missing = np.isnan(scores)
    result = ten_fold(pairs, np.where(missing, NOT_COMPARED, scores))
    return {"mean": result.mean, "standard_error": result.standard_error, "missing": int(missing.sum()),
            "interval": [result.interval.low, result.interval.high]}  # fmt: skip


def judged(
    times: Mapping[str, Sequence[Sequence[float]]], accuracies: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return the rows of the JSON object and whether each bar is met."""
    medians = {name: [float(np.median(one)) for one in rounds] for name, rounds in times.items()}
    rows = []
    for name, rounds in times.items():
        flat = np.concatenate([np.asarray(one) for one in rounds])
        compared = compare_ratio(medians[name], medians["quintet"], names=(name, "quintet's"))
        rows.append(
            {
                "path": name,
                "p50_ms": float(np.percentile(flat, 50)),
                "p95_ms": float(np.percentile(flat, 95)),
                "frames": len(flat),
                "times_quintet": compared.ratio,
                "interval_text": bounds(compared.interval, "{:.3g}".format),
                "accuracy": accuracies[name],
            }
        )
    own = next(row for row in rows if row["path"] == "quintet")
    others = [row for row in rows if row is not own]
    met = {
        "p95": own["p95_ms"] <= P95_MS,
        "times_faster": all(row["times_quintet"] >= TIMES for row in others),
        "accuracy": all(row["accuracy"]["mean"] <= own["accuracy"]["mean"] for row in others),
    }
    return {"rows": rows, "bars": {"p95_ms": P95_MS, "times_faster": TIMES}, "met": met, "passed": all(met.values())}


def as_table(record: Mapping[str, Any]) -> str:
    """Return the rows as a table."""
    return table(
        ["engine", "p50 ms", "p95 ms", "times Quintet's", "95 % interval", "right of View 1's pairs", "pairs without a face"],
        [
            [
                one["path"], f"{one['p50_ms']:.1f}", f"{one['p95_ms']:.1f}", f"{one['times_quintet']:.2f}", one["interval_text"],
                f"{100 * one['accuracy']['mean']:.2f} % ± {100 * one['accuracy']['standard_error']:.2f}",
                str(one["accuracy"]["missing"]),
            ]
            for one in record["rows"]
        ],
    )  # fmt: skip


def verdicts(record: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each bar."""
    word = {True: "Met", False: "NOT met"}
    own = next(row for row in record["rows"] if row["path"] == "quintet")
    others = [row for row in record["rows"] if row is not own]
    found = [
        f"{word[record['met']['p95']]}: a frame takes {own['p95_ms']:.1f} ms (95th percentile); at most {P95_MS:.0f}."
    ]
    if others:
        least = min(others, key=lambda row: row["times_quintet"])
        best = max(others, key=lambda row: row["accuracy"]["mean"])
        found += [
            f"{word[record['met']['times_faster']]}: {least['path']} takes {least['times_quintet']:.1f} times as long; at least"
            f" {TIMES:.0f}.",
            f"{word[record['met']['accuracy']]}: {100 * own['accuracy']['mean']:.2f} % of {record['pairs']:,} pairs right;"
            f" {best['path']} {100 * best['accuracy']['mean']:.2f} %.",
        ]
    return found


def page(record: Mapping[str, Any], text: str) -> list[str]:
    """Return the paragraphs of docs/results/faces-frame.md."""
    return [
        "# A frame with a face",
        "\n".join(f"- {sentence}" for sentence in verdicts(record)),
        text,
        f"One frame of 640x480 with one face of LFW, found, aligned, described: {record['rounds']} rounds of {record['calls']}"
        f" frames after some that are not counted, each engine in a process of its own, asked in turn, {record['threads']}"
        " threads where it uses any. Quintet: YuNet and MobileFaceNet with the mirrored face, and the quality measures.",
        f"Accuracy: LFW's View 1, {record['pairs']:,} test pairs, thresholds ten-fold within them; a pair with a face that"
        " was not found is answered as two people. face_recognition: dlib's HOG and network; mtcnn: its landmarks, then"
        " MobileFaceNet.",
        provenance(record),
        "Run it with `python benchmarks/faces.py --peers FOLDER`; [benchmarks](../../benchmarks/README.md) says how to make it.",
    ]


def versions(peers: Path | None) -> dict[str, str | None]:
    """Return the versions of the contenders' packages."""
    from quintet.emulation.root import installed

    own = {name: installed(name) for name in ("opencv-python-headless", "onnxruntime")}
    code = "from importlib.metadata import version as v\nfor n in ('face_recognition', 'dlib-bin', 'mtcnn'):\n"
    code += "    try: print(n, v(n))\n    except Exception: pass"
    said = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(peers or "")}, capture_output=True, text=True
    )
    return own | dict(line.split() for line in said.stdout.splitlines())


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:6])
    else:
        sys.exit(exit_code(main))
