"""Processes that are measured, from outside: started, asked for rounds in turn, and ended.

Rules: one process for each setting, so that memory is its own and no runtime's threads wait on another's; a process that is
not asked sleeps. Rounds of all settings are interleaved, in turn forwards and backwards.
"""

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quintet.errors import BundleError

STAGES = ("start", "imported", "opened", "decoded", "label")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What is measured: a runtime, a precision, and how many threads."""

    runtime: str
    precision: str
    threads: int = 1

    def __str__(self) -> str:
        return f"{self.runtime}, {self.precision}, {self.threads} thread{'s' if self.threads > 1 else ''}"


class Probe:
    """One measured process; `cold` is what it said after its first label, in milliseconds since it was asked to start."""

    def __init__(self, folder: Path, setting: Setting, picture: Path, shape: Sequence[int]) -> None:
        self.setting = setting
        command = [
            sys.executable, "-m", "quintet.profiling.probe", str(folder), setting.runtime, setting.precision,
            str(setting.threads), str(picture), *map(str, shape),
        ]  # fmt: skip
        begun = time.monotonic()
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        first = self._read()
        total = 1e3 * (time.monotonic() - begun)
        marks = [1e3 * (first["marks"][stage] - begun) for stage in STAGES]
        spans = [marks[0], *(b - a for a, b in itertools.pairwise(marks))]
        names = ("interpreter_ms", "imports_ms", "open_ms", "picture_ms", "predict_ms")
        self.cold: dict[str, float] = {"total_ms": total, **dict(zip(names, spans, strict=True))}
        self.label: int = first["label"]

    def round(self, calls: int) -> dict[str, Any]:
        """Return {"ms": one for each of `calls` predictions, "joules", "energy"}."""
        return self._ask(str(calls))

    def peak_mib(self) -> float:
        """Return the largest resident size of the process so far."""
        return self._ask("")["peak_mib"]

    def close(self) -> None:
        """End the process."""
        if self._process.poll() is None:
            self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe:
                pipe.close()
        self._process.wait()

    def _ask(self, line: str) -> dict[str, Any]:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        assert self._process.stderr
        for line in self._process.stdout:
            if line.startswith("{"):  # a runtime may say something of its own
                return json.loads(line)
        said = [line.strip() for line in self._process.stderr.read().splitlines() if line.strip()]
        code = self._process.wait()
        self.close()
        raise BundleError(
            f"received exit code {code} from {self.setting} ({said[-1][:300] if said else 'no output'}),"
            " expected a label; look at the bundle with: quintet judge"
        )


def interleaved(probes: Sequence[Probe], rounds: int, calls: int) -> list[list[dict[str, Any]]]:
    """Return, for each probe, its rounds: A B C, C B A, A B C …"""
    found: list[list[dict[str, Any]]] = [[] for _ in probes]
    for number in range(rounds):
        order = range(len(probes)) if number % 2 == 0 else range(len(probes) - 1, -1, -1)
        for i in order:
            found[i].append(probes[i].round(calls))
    return found
