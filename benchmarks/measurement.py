"""What both benchmarks share: data on disk, one measurement in one fresh process, tables, and pages for docs/results.

The plain scripts get the same threads as a worker, by the variables that their libraries read, and nothing else.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from quintet import machine
from quintet.environments import library
from quintet.errors import QuintetError
from quintet.job import Job, write_whole
from quintet.launch import Failure, Local, Result
from quintet.statistics import Interval
from quintet_worker.__main__ import THREAD_VARIABLES

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
PLAIN = Path(__file__).parent / "plain"
TIMEOUT_S = 3600


class MeasurementFailed(QuintetError):
    """A plain script or a worker that did not end well."""


class Plain:
    """A script that answers in lines of JSON; `outputs` is what it gave for the picture. `more` are variables for it."""

    def __init__(
        self,
        script: str | Path,
        arguments: Sequence[object],
        engine: str | None = None,
        threads: int = 1,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._script = script
        self._process = subprocess.Popen(
            [sys.executable, str(PLAIN / script), *map(str, arguments)],
            env=environment(threads, engine) | dict(more or {}),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.outputs: list[float] = self._read()["outputs"]

    def round(self, calls: int) -> dict[str, Any]:
        """Return {"ms": one for each of `calls` predictions}."""
        return self.ask(str(calls))

    def ask(self, line: str) -> dict[str, Any]:
        """Return what the script answers to a line on its standard input."""
        assert self._process.stdin
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._read()

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith("{"):
                return json.loads(line)
        said = (self._process.communicate()[1].strip().splitlines() or ["no output"])[-1]
        raise MeasurementFailed(f"received no answer from {self._script}, expected predictions; it said: {said[:300]}")


def parser(description: str) -> argparse.ArgumentParser:
    """Return a parser with the options of both benchmarks."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument(
        "--threads", type=positive, default=len(machine.cores()), help="threads of each process (all cores)"
    )
    made.add_argument("--date", default=datetime.date.today().isoformat(), help="the date on the page (today)")
    made.add_argument("--json", action="store_true", help="print one JSON object; the table goes to standard error")
    made.add_argument("--write", action="store_true", help=f"write the page below {RESULTS.relative_to(ROOT)}")
    return made


def positive(text: str) -> int:
    """Return a whole number above 0."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"received {text}, expected 1 or more")
    return value


def progress(text: str) -> None:
    """Say on standard error how far it is."""
    print(text, file=sys.stderr, flush=True)


def load_before(what: str) -> float:
    """Say what is measured next; return the share of the processor, 0 to 1, that others use just now."""
    load = machine.other_load()
    progress(f"{what}; others use {load:.0%} of the processor")
    return load


def mnist() -> dict[str, np.ndarray]:
    """Return MNIST as its files have it: "train_x" `(60000, 28, 28, 1)` uint8, "train_y" int64, "test_x", "test_y".

    Raises:
        DataError: it is not at hand.
    """
    from quintet import datasets

    found = datasets.load("mnist")
    return {name: getattr(found, name) for name in ("train_x", "train_y", "test_x", "test_y")}


def write_plain_data(arrays: Mapping[str, np.ndarray], folder: Path) -> Path:
    """Write the arrays as the plain scripts read them, images `(samples, 28, 28)`; return the file."""
    path = folder / "mnist.npz"
    squeezed = {name: array[..., 0] if name.endswith("_x") else array for name, array in arrays.items()}
    np.savez(path, allow_pickle=False, **squeezed)
    return path


def environment(threads: int, engine: str | None = None) -> dict[str, str]:
    """Return the environment of a plain script: these threads, no GPU, Keras on `engine`."""
    own = dict.fromkeys((*THREAD_VARIABLES, "PJRT_NPROC"), str(threads))
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "JAX_PLATFORMS": "cpu"}
    return {**os.environ, **own, **quiet, **({"KERAS_BACKEND": engine} if engine else {})}


def run_plain(
    script: str, arguments: Sequence[object], threads: int, engine: str | None = None
) -> list[dict[str, Any]]:
    """Run a plain script in a fresh process; return the JSON objects that it printed, one a line.

    Raises:
        MeasurementFailed: it ended with an error.
    """
    command = [sys.executable, str(PLAIN / script), *map(str, arguments)]
    done = subprocess.run(command, env=environment(threads, engine), capture_output=True, text=True, timeout=TIMEOUT_S)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise MeasurementFailed(f"received exit code {done.returncode} from {script}, expected 0; it said: {last}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def run_worker(job: Job, folder: Path) -> Result:
    """Run a job in a fresh worker.

    Raises:
        MeasurementFailed: it did not end well.
    """
    job.write(folder)
    outcome = Local().run(folder, TIMEOUT_S)
    if isinstance(outcome, Failure):
        raise MeasurementFailed(f"received a failed worker under {job.library}, expected a result: {outcome.reason}")
    return outcome


def versions(names: Sequence[str]) -> dict[str, str | None]:
    """Return the installed version of each library, as `quintet libraries` names them."""
    return {name: library(name).version for name in names}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that can also be read in a terminal.

    >>> print(table(["a", "b"], [["1", "22"]]))
    | a | b  |
    |---|----|
    | 1 | 22 |
    """
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |" for row in (header, *rows)
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def bounds(interval: Interval, form: Callable[[float], str]) -> str:
    """Return an interval as text; a dash where the values allow none."""
    if interval.low is None or interval.high is None:
        return "–"
    return f"{form(interval.low)} to {form(interval.high)}"


def provenance(record: Mapping[str, Any]) -> str:
    """Return the sentences that say where, when and with what a benchmark was run; `record` is its JSON object."""
    where = record["machine"]
    found = ", ".join(f"{name} {version}" for name, version in record["versions"].items())
    return (
        f"Measured on {record['date']} on {where['processor']}, {where['cores']} cores, {where['memory_gib']} GiB of memory,"
        f" {where['system']}, Python {where['python']}, with {record['threads']} threads a process. Libraries: {found}."
        f" Before a measurement others used {record['load_before_mean']:.0%} of the processor on average, at most"
        f" {record['load_before_max']:.0%}."
    )


def loads(values: Sequence[float]) -> dict[str, float]:
    """Return the mean and the maximum of the loads before the measurements, for the JSON object."""
    return {"load_before_mean": float(np.mean(values)), "load_before_max": float(np.max(values))}


def show(record: Mapping[str, Any], text: str, as_json: bool) -> None:
    """Print a benchmark's outcome: the JSON object alone on standard output, or the text."""
    print(text, file=sys.stderr if as_json else sys.stdout)
    if as_json:
        print(json.dumps(record, indent=1))


def write_page(name: str, paragraphs: Sequence[str]) -> None:
    """Write a page below docs/results."""
    write_whole(RESULTS / name, ("\n\n".join(paragraphs) + "\n").encode())
    progress(f"wrote {(RESULTS / name).relative_to(ROOT)}")


def exit_code(main: Callable[[Sequence[str]], int]) -> int:
    """Run a benchmark with the command line's arguments; what could not run is one line and exit code 2."""
    try:
        return main(sys.argv[1:])
    except QuintetError as error:
        progress(str(error))
        return 2
