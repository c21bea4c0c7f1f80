"""What a bundle answers on an emulated Arm board, and whether it is what it answers here."""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import quintet
from quintet.emulation.root import Root, arm64_root
from quintet.errors import BundleError
from quintet.schedule import Event, OnEvent, silent

TIMEOUT_S = 1800  # for one runtime on one machine; a program under emulation that hangs says nothing of itself
GUEST = ["-m", "quintet.emulation.guest"]
# Which must answer alike bit for bit. OpenVINO is not among them: on Arm it computes an int8 file in float32 with every value
# rounded as the file says, and on x86 it joins operations and leaves some of that rounding out.
INTEGERS = (("litert", "int8"), ("onnxruntime", "int8"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One runtime and precision, on the board and here, on the same `n` samples.

    `same_labels`: on how many samples both give one label; `same_bits`: on how many every output is equal bit for bit;
    `largest_difference`: of an output, beside `largest_output`. Where the board could not run it, `failure` says why and
    the counts are 0.
    """

    runtime: str
    precision: str
    n: int
    same_labels: int
    same_bits: int
    largest_difference: float
    largest_output: float
    machine: str
    failure: str = ""

    @property
    def labels_equal(self) -> bool:
        """Whether it ran, and every label is the same."""
        return not self.failure and self.same_labels == self.n

    @property
    def bits_equal(self) -> bool:
        """Whether it ran, and every output is the same to the bit."""
        return not self.failure and self.same_bits == self.n

    @property
    def holds(self) -> bool:
        """Whether it is as it must be: equal labels, and equal bits where both machines compute in integers."""
        return self.labels_equal and (self.bits_equal or (self.runtime, self.precision) not in INTEGERS)


def compare_on_arm64(
    folder: Path,
    x: np.ndarray,
    exports: Sequence[tuple[str, str]],
    board: str = "pi4",
    on_event: OnEvent = silent,
) -> tuple[Agreement, ...]:
    """Run each of `exports`, (runtime, precision), of the bundle in `folder` on an emulated board and here, on `x` `(n, …)`.

    Raises:
        BundleError: it cannot be run here.
        EnvironmentUnavailable: what emulates is missing; see arm64_root.
    """
    root = arm64_root(on_event)
    found = []
    with tempfile.TemporaryDirectory(prefix="quintet-arm64-") as temporary:
        work = Path(temporary)
        np.save(work / "inputs.npy", np.ascontiguousarray(x), allow_pickle=False)
        for package in ("quintet", "quintet_worker"):  # nothing else of this machine's packages is seen by the guest
            (work / "source").mkdir(exist_ok=True)
            (work / "source" / package).symlink_to(Path(quintet.__file__).parents[1] / package)
        for number, (runtime, precision) in enumerate(exports):

            def tell(done: int, number: int = number, text: str = f"{runtime}, {precision}") -> None:
                total = len(exports) * len(x)
                on_event(Event(phase="emulated Arm", done=number * len(x) + done, total=total, text=text))

            found.append(_agreement(root, board, work, folder, (runtime, precision), tell))
    return tuple(found)


def _agreement(
    root: Root, board: str, work: Path, folder: Path, export: tuple[str, str], tell: Callable[[int], None]
) -> Agreement:
    from quintet.export.exporting import decisions

    runtime, precision = export
    job = {"bundle": str(folder.resolve()), "runtime": runtime, "precision": precision,
           "inputs": str(work / "inputs.npy")}  # fmt: skip
    own = {**os.environ, "PYTHONPATH": os.pathsep.join([str(work / "source"), os.environ.get("PYTHONPATH", "")])}
    here, _, failure = _answers(
        [sys.executable, "-m", "quintet.emulation.guest"], own, work, job | {"outputs": str(work / "here.npy")}
    )
    if here is None:
        raise BundleError(f"received {runtime}, {precision}, which this machine itself cannot run: {failure}")
    there, machine, failure = _answers(
        root.command(board, GUEST), root.environment(work / "source"), work, job | {"outputs": str(work / "there.npy")}, tell
    )  # fmt: skip
    if there is None:
        there, machine = np.full_like(here, np.nan), ""
    same = (there.view(np.uint32) == here.view(np.uint32)).reshape(len(here), -1).all(1)
    return Agreement(
        runtime=runtime,
        precision=precision,
        n=len(here),
        same_labels=int((decisions(there) == decisions(here)).sum()) if machine else 0,
        same_bits=int(same.sum()) if machine else 0,
        largest_difference=float(np.abs(there - here).max()) if machine else float("nan"),
        largest_output=float(np.abs(here).max()),
        machine=machine,
        failure=failure,
    )


def _answers(
    command: Sequence[str],
    environment: dict[str, str],
    work: Path,
    job: dict,
    tell: Callable[[int], None] | None = None,
) -> tuple[np.ndarray | None, str, str]:
    """Return the outputs, the machine that made them, and "" or why there are none."""
    (work / "job.json").write_text(json.dumps(job))
    last, errors = "", work / "errors"
    with (
        errors.open("w") as stderr,
        subprocess.Popen(
            [*command, str(work / "job.json")],
            env=environment,
            cwd=work,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        assert process.stdout
        watchdog = threading.Timer(TIMEOUT_S, process.kill)
        watchdog.start()
        try:
            for line in process.stdout:
                last = line.strip()
                if tell and last.isdigit():
                    tell(int(last))
        except BaseException:
            process.kill()
            raise
        finally:
            watchdog.cancel()
    if process.returncode or not last.startswith("{"):
        said = [line for line in errors.read_text(errors="replace").splitlines() if line.strip()]
        return (
            None,
            "",
            f"exit code {process.returncode}: {said[-1].strip()[:200] if said else 'no output, or none in time'}",
        )
    return np.load(job["outputs"], allow_pickle=False), json.loads(last)["machine"], ""
