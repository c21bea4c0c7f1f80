"""Which runtime and precision an application opens a bundle with here: the fastest that was measured here and kept its accuracy.

Rules
* Only what was measured on this very machine counts, with the runtimes' versions of now; the choice is kept in the user's
  cache, one small file for each machine and bundle, never in the bundle.
* Looking it up imports no runtime and measures nothing: an application's start must not wait. Where nothing was measured
  the usual choice is made: int8 before float32, and the runtime that starts fastest first.
* `measure` makes up for that in some seconds, in processes of its own: when a bundle is installed, not when it starts.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from quintet.errors import BundleError, EnvironmentUnavailable, StoreError, nearest
from quintet.runtimes.opening import FILES, PRECISIONS, RUNTIMES, export_file

PACKAGES = {"litert": "ai_edge_litert", "onnxruntime": "onnxruntime", "openvino": "openvino"}  # fastest start first
USUAL = ("litert", "onnxruntime", "openvino")
VERSION = 1


class Choice(NamedTuple):
    """What to open a bundle with: `open_predictor(folder, *choice)`."""

    runtime: str
    precision: str
    threads: int = 1


class Measured(Protocol):
    """What a choice needs to know of a measured setting; a Row of a profile is one."""

    @property
    def runtime(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def threads(self) -> int: ...
    @property
    def p50_ms(self) -> float: ...
    @property
    def cold_ms(self) -> Mapping[str, float]: ...
    @property
    def kept(self) -> bool: ...


def choose(
    folder: Path,
    measured: Sequence[Measured],
    precision: str | None = None,
    threads: int | None = None,
    start_ms: float | None = None,
) -> Choice:
    """Return the setting with the least median latency whose accuracy was kept; where two are alike, fewer threads.

    Args:
        precision, threads: only settings with these.
        start_ms: only settings that gave their first label within this time; where none does, the fastest to start.

    Raises:
        BundleError: no setting fits.
    """
    fit = [
        row for row in measured if row.kept and precision in (None, row.precision) and threads in (None, row.threads)
    ]
    if not fit:
        asked = ", ".join(str(word) for word in (precision, threads and f"{threads} threads") if word) or "any"
        raise BundleError(
            f"received no measured setting of {folder} that kept its accuracy ({asked}), expected one;"
            f" measure it with: quintet profile {folder}"
        )
    if start_ms is not None:
        quick = [row for row in fit if row.cold_ms["total_ms"] <= start_ms]
        fit = quick or [min(fit, key=lambda row: row.cold_ms["total_ms"])]
    best = min(fit, key=lambda row: (row.p50_ms, row.threads))
    return Choice(runtime=best.runtime, precision=best.precision, threads=best.threads)


def chosen(folder: Path) -> Choice:
    """Return what was chosen for the bundle in `folder` on this machine, or the usual choice; it takes a few milliseconds.

    Raises:
        BundleError: the bundle has nothing that this machine can run.
    """
    try:
        record = json.loads(_file(folder).read_text())
        found = Choice(*record["choice"])
        if record["version"] == VERSION and found.runtime in installed_runtimes() and _there(folder, found):
            return found
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return usual(folder)


def usual(folder: Path, runtime: str | None = None, precision: str | None = None) -> Choice:
    """Return the choice where nothing was measured: int8 first, of the installed runtimes the one that starts fastest.

    Args:
        runtime, precision: only this one.

    Raises:
        BundleError: the bundle has nothing of that kind that this machine can run.
    """
    here = installed_runtimes()
    for wanted in reversed(PRECISIONS):
        for name in USUAL:
            fits = runtime in (None, name) and precision in (None, wanted) and name in here
            if fits and export_file(folder, name, wanted).exists():
                return Choice(runtime=name, precision=wanted)
    fits = runtime in (None, "numpy") and precision in (None, "float32")
    if fits and (folder / "weights.safetensors").exists():
        return Choice(runtime="numpy", precision="float32")
    asked = " ".join(filter(None, (runtime or f"any of {', '.join(here)}", precision)))
    raise BundleError(
        f"received {folder} without an export for {asked} here, expected one; make it with: quintet export {folder}"
    )


def check_setting(runtime: str, precision: str) -> None:
    """Refuse what no bundle could be opened with anywhere; "auto" always passes.

    Raises:
        BundleError: no such runtime or precision, or numpy in int8.
    """
    if runtime not in ("auto", *RUNTIMES):
        raise BundleError(f'received runtime "{runtime}", {nearest(runtime, ("auto", *RUNTIMES))}')
    if precision not in ("auto", *PRECISIONS):
        raise BundleError(f'received precision "{precision}", {nearest(precision, ("auto", *PRECISIONS))}')
    if (runtime, precision) == ("numpy", "int8"):
        raise BundleError("received int8 for numpy, which computes float32 only; take another runtime")


def check_installed(runtime: str) -> None:
    """Refuse a runtime that is not installed here; "auto" always passes. Raises EnvironmentUnavailable."""
    if runtime not in ("auto", *installed_runtimes()):
        package = PACKAGES[runtime].replace("_", "-")
        raise EnvironmentUnavailable(
            f"received runtime {runtime}, expected one that is installed here ({', '.join(installed_runtimes())});"
            f" type: pip install {package}"
        )


def measure(folder: Path) -> Choice:
    """Measure the bundle's exports here, shortly and each in a process of its own, and remember the fastest.

    It takes some seconds, most of them the runtimes' own starts.

    Raises:
        BundleError: nothing in it can be run here.
    """
    from quintet.profiling.measuring import profile

    return profile(folder, installed_runtimes()[1:] or ("numpy",), starts=0, rounds=6, calls=30).chosen


def remember(folder: Path, choice: Choice) -> None:
    """Keep `choice` for this machine and this bundle; a cache that cannot be written is done without."""
    from quintet.job import write_whole

    record = {"version": VERSION, "choice": list(choice), "bundle": folder.name}
    try:
        write_whole(_file(folder), json.dumps(record).encode())
    except StoreError:
        return


def installed_runtimes() -> tuple[str, ...]:
    """Return the runtimes whose package is here, found without importing it; numpy always is."""
    from importlib.util import find_spec

    return ("numpy", *(name for name, package in PACKAGES.items() if find_spec(package)))


def bundle_key(folder: Path) -> str:
    """Return the hash by which a bundle's exports are known again: of its record of exports, else of its bundle.json."""
    for name in ("exports/exports.json", "bundle.json"):
        try:
            return hashlib.sha256((folder / name).read_bytes()).hexdigest()[:24]
        except OSError:
            continue
    raise BundleError(f"received {folder}, expected a trained model's folder; make one with: quintet train SYSTEM")


def _there(folder: Path, choice: Choice) -> bool:
    if choice.runtime in FILES:
        return export_file(folder, choice.runtime, choice.precision).exists()
    return (folder / "weights.safetensors").exists()


def _file(folder: Path) -> Path:
    """Return where the choice for this machine and bundle is kept."""
    from quintet.machine import cache_folder

    return cache_folder() / "choices" / f"{_machine_key()}-{bundle_key(folder)}.json"


def _machine_key() -> str:
    return hashlib.sha256(json.dumps(processor_cores_and_packages()).encode()).hexdigest()[:12]


def processor_cores_and_packages() -> list[Any]:
    """Return what a choice holds for: the processor, its cores, and the runtimes' versions; machine.describe needs psutil."""
    import importlib.metadata

    from quintet.machine import cores, processor

    versions: dict[str, Any] = {}
    for name, package in PACKAGES.items():
        try:
            versions[name] = importlib.metadata.version(package.replace("_", "-"))
        except importlib.metadata.PackageNotFoundError:
            continue
    return [processor(), len(cores()), versions]
