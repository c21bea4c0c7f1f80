"""Whether a bundle answers on this board as it answered where it was made: run in a process of its own.

int8 must be equal bit for bit, save where the bundle states a tolerance; float32 within FLOAT_TOLERANCE. A crash or a hang is
the process's own, and a failure like any other.
"""

import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from quintet.errors import BundleError, QuintetError
from quintet_systems.pets.board.classifier import Classifier

FLOAT_TOLERANCE = 1e-3
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SelfTest:
    """What a self-test showed: over `n` recorded samples."""

    runtime: str
    precision: str
    n: int
    largest_difference: float
    milliseconds: float


def self_test(folder: Path, runtime: str = "auto", precision: str = "auto", threads: int = 1) -> SelfTest:
    """Compare what the bundle answers here with its recorded answers.

    Raises:
        BundleError: it has none for this runtime, or they differ.
        EnvironmentUnavailable: the runtime is not installed.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    classifier = Classifier(folder, runtime, precision, threads)
    name = f"outputs-{classifier.runtime}-{classifier.precision}"
    try:
        recorded = load((folder / "answers.safetensors").read_bytes())
        x, wanted = recorded["x"], recorded[name]
    except (OSError, KeyError, SafetensorError) as error:
        raise BundleError(
            f"received {folder} without recorded answers for {classifier.runtime}, {classifier.precision} ({error}),"
            " expected them in answers.safetensors; export the bundle again"
        ) from None
    began = time.perf_counter()
    found = np.concatenate([classifier.outputs(x[i : i + 1]) for i in range(len(x))])
    milliseconds = 1000 * (time.perf_counter() - began) / len(x)
    if found.shape != wanted.shape:
        raise BundleError(f"received answers {found.shape}, expected {wanted.shape} as recorded; use another bundle")
    difference = float(np.abs(found - wanted).max(initial=0.0))
    tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(wanted).max(initial=0.0)))
    if classifier.precision == "int8":
        tolerance = float(recorded.get(f"tolerance-{classifier.runtime}-int8", np.zeros(1)).ravel()[0])
    if difference > tolerance:
        raise BundleError(
            f"received answers that differ by up to {difference:.3g} from the recorded ones, expected at most {tolerance:.3g};"
            " this board computes otherwise than the bundle's maker: use another runtime"
        )
    return SelfTest(
        runtime=classifier.runtime,
        precision=classifier.precision,
        n=len(x),
        largest_difference=difference,
        milliseconds=milliseconds,
    )


def run_self_test(folder: Path, runtime: str, precision: str, threads: int, timeout_s: float = TIMEOUT_S) -> SelfTest:
    """Run `self_test` in a process of its own.

    Raises:
        BundleError: it failed, crashed, or took longer than `timeout_s`.
    """
    command = [
        sys.executable,
        "-m",
        "quintet_systems.pets.board.self_test",
        str(folder),
        runtime,
        precision,
        str(threads),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        raise BundleError(
            f"received {folder}, whose self-test hung for {timeout_s:.0f} s; use another bundle"
        ) from None
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
        raise BundleError(f"received {folder}, which failed its self-test: {said[:300]}")
    return SelfTest(**json.loads(done.stdout.strip().splitlines()[-1]))


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(self_test(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])))))
    except QuintetError as failure:
        sys.exit(str(failure))
