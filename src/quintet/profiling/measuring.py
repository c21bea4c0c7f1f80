"""A bundle's profile on this machine: every setting measured in processes of its own, and what it came to as one record.

Rules: warm-up lies outside the clock; rounds of all settings are interleaved; a ratio is taken within rounds. A profile is of
one machine and one load, so it never goes into the bundle: it lies beside it.

Format history
    1   2026-11: {"format": "quintet-profile", "version": 1, "machine", "bundle", "work", "rows", "chosen", "boards"}
"""

import datetime
import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from quintet import machine
from quintet.bundle import Bundle, read_bundle
from quintet.comparison import compare_ratio
from quintet.errors import BundleError
from quintet.export.record import read_exports
from quintet.profiling.boards import Prediction, predict
from quintet.profiling.probing import Probe, Setting, interleaved
from quintet.profiling.work import Work, work_of
from quintet.runtimes.choosing import Choice, bundle_key, choose, installed_runtimes, remember
from quintet.runtimes.opening import FILES, PRECISIONS, RUNTIMES
from quintet.schedule import Event, OnEvent, silent
from quintet.statistics import Interval

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One setting, measured.

    Args:
        cold_ms: median over fresh processes, from the start of the interpreter to the first label of a JPEG file, as a whole
            ("total_ms") and in parts; `cold_range_ms` the least and the most of the wholes.
        p50_ms, p99_ms: of single predictions at batch 1, over `predictions` of them.
        ratio: to the fastest setting, geometric mean over rounds, with its interval; 1 for that setting itself.
        peak_mib: of a fresh process that has made all these predictions; `size_bytes` of the files it opened.
        energy_mj: a prediction's, of the whole processor package; `energy` says how, or "unavailable".
        accuracy: the export's own, as it was judged; `kept`: whether it was within its margin.
    """

    runtime: str
    precision: str
    threads: int
    cold_ms: Mapping[str, float]
    cold_range_ms: tuple[float, float]
    starts: int
    p50_ms: float
    p99_ms: float
    predictions: int
    ratio: float | None
    ratio_interval: Interval
    peak_mib: float
    size_bytes: int
    energy_mj: float | None
    energy: str
    accuracy: float | None
    kept: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What was measured, what is chosen by it, and what is predicted for other boards."""

    date: str
    machine: Mapping[str, Any]
    load_before: float
    bundle: Mapping[str, Any]
    work: Work
    rows: tuple[Row, ...]
    left_out: tuple[str, ...]
    chosen: Choice
    boards: tuple[Prediction, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; each prediction has its sentence."""
        record = asdict(self)
        record["chosen"] = self.chosen._asdict()
        record["boards"] = [{**asdict(one), "sentence": one.sentence} for one in self.boards]
        record["work"]["weight_bytes"] = {name: self.work.weight_bytes(name) for name in PRECISIONS}
        return {"format": "quintet-profile", "version": VERSION, **record}


def profile(
    folder: Path,
    runtimes: Sequence[str] = RUNTIMES,
    precisions: Sequence[str] = PRECISIONS,
    threads: Sequence[int] = (1,),
    boards: Sequence[str] = (),
    starts: int = 5,
    rounds: int = 10,
    calls: int = 100,
    on_event: OnEvent = silent,
) -> Profile:
    """Measure the bundle in `folder`; what is fastest is remembered for `quintet.runtimes.chosen`.

    Args:
        runtimes, precisions: those of them that the bundle has exports for and this machine has packages for are measured;
            `left_out` of the result says which were not, and why.
        threads: numbers of threads; numpy has its own and is measured once.
        boards: of "pi3", "pi4", "pi5": predicted.
        starts: fresh processes for each runtime and precision (0: only the one that predicts).
        rounds: of `calls` predictions for each setting.

    Raises:
        BundleError: it is no bundle of pictures, nothing in it can be run here, or a setting fails.
    """
    bundle = read_bundle(folder)
    shape = bundle.net.input_shape
    if len(shape) != 3:
        raise BundleError(f"received inputs of shape {shape}, expected pictures (height, width, channels) to profile")
    work = work_of(bundle.net)
    predicted = tuple(
        predict(work, board, precision, n) for board in boards for precision in precisions for n in threads
    )
    exports = read_exports(folder)
    settings, left_out = _settings(exports, runtimes, precisions, threads)
    if not settings:
        raise BundleError(
            f"received nothing to run in {folder} ({'; '.join(left_out)}); make exports with: quintet export {folder}"
        )
    load = machine.other_load()
    runs = _measured(folder, settings, shape, starts, rounds, calls, on_event)
    fastest = min(runs, key=lambda run: float(np.median(run.medians)))
    rows = [_row(folder, bundle, run, fastest, exports.get(_export_name(run.setting), {})) for run in runs]
    chosen = choose(folder, rows)
    remember(folder, chosen)
    return Profile(
        date=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        machine=machine.describe(),
        load_before=load,
        bundle=_identity(folder, bundle),
        work=work,
        rows=tuple(rows),
        left_out=tuple(left_out),
        chosen=chosen,
        boards=predicted,
    )


def default_file(folder: Path) -> Path:
    """Return where a profile goes: beside the bundle, since it is this machine's and would undo a signature.

    >>> default_file(Path("models/pets")).as_posix().endswith("models/pets.profile.json")
    True
    """
    whole = folder.resolve()
    return whole.with_name(f"{whole.name}.profile.json")


def read_profile(file: Path) -> dict[str, Any]:
    """Return a profile as plain values.

    Raises:
        BundleError: it is none, or of another version.
    """
    try:
        record = json.loads(file.read_text())
        known = record["format"] == "quintet-profile" and record["version"] == VERSION
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"received {file}, expected a profile ({error}); make one with: quintet profile") from None
    if not known:
        raise BundleError(f"received {file} of another format or version; make it anew with: quintet profile")
    return record


def write_picture(path: Path, size: tuple[int, int] = (640, 480)) -> Path:
    """Write a JPEG file as a camera gives them, of smooth noise, the same each time; return it."""
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (12, 16, 3), np.uint8)
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(path, quality=85)
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class _Run:
    """What the processes of one setting said."""

    setting: Setting
    cold: Sequence[Mapping[str, float]]
    rounds: Sequence[Mapping[str, Any]]
    peak_mib: float

    @property
    def medians(self) -> list[float]:
        return [float(np.median(one["ms"])) for one in self.rounds]


def _measured(
    folder: Path,
    settings: Sequence[Setting],
    shape: Sequence[int],
    starts: int,
    rounds: int,
    calls: int,
    on_event: OnEvent,
) -> list[_Run]:
    with tempfile.TemporaryDirectory(prefix="quintet-profile-") as temporary, ExitStack() as stack:
        picture = write_picture(Path(temporary) / "picture.jpg")
        cold = _cold(folder, settings, picture, shape, starts, on_event)
        probes: list[Probe] = []
        for setting in settings:
            probes.append(Probe(folder, setting, picture, shape))
            stack.callback(probes[-1].close)
        found: list[list[dict[str, Any]]] = [[] for _ in probes]
        for done in range(0, rounds, 2):
            on_event(Event(phase="predicting", done=done, total=rounds, text="all settings in turn"))
            for mine, new in zip(found, interleaved(probes, min(2, rounds - done), calls), strict=True):
                mine += new
        on_event(Event(phase="predicting", done=rounds, total=rounds, text=""))
        return [
            _Run(
                setting=probe.setting,
                cold=cold.get((probe.setting.runtime, probe.setting.precision)) or [probe.cold],
                rounds=mine,
                peak_mib=probe.peak_mib(),
            )
            for probe, mine in zip(probes, found, strict=True)
        ]


def _row(folder: Path, bundle: Bundle, run: _Run, fastest: _Run, export: Mapping[str, Any]) -> Row:
    setting = run.setting
    times = np.concatenate([one["ms"] for one in run.rounds])
    compared = compare_ratio(run.medians, fastest.medians, names=("this", "fastest"))
    joules = [one["joules"] for one in run.rounds]
    wholes = [one["total_ms"] for one in run.cold]
    return Row(
        runtime=setting.runtime,
        precision=setting.precision,
        threads=setting.threads,
        cold_ms={name: float(np.median([one[name] for one in run.cold])) for name in run.cold[0]},
        cold_range_ms=(min(wholes), max(wholes)),
        starts=len(wholes),
        p50_ms=float(np.percentile(times, 50)),
        p99_ms=float(np.percentile(times, 99)),
        predictions=len(times),
        ratio=compared.ratio,
        ratio_interval=compared.interval,
        peak_mib=run.peak_mib,
        size_bytes=_size(folder, setting, export),
        energy_mj=None if None in joules else 1e3 * sum(joules) / len(times),
        energy=run.rounds[0]["energy"],
        accuracy=export.get("accuracy", bundle.card.get("own_test_accuracy")),
        kept=setting.runtime == "numpy" or bool(export.get("kept")),
    )


def _settings(
    exports: Mapping[str, Any], runtimes: Sequence[str], precisions: Sequence[str], threads: Sequence[int]
) -> tuple[list[Setting], list[str]]:
    here = installed_runtimes()
    settings, left_out = [], []
    for runtime in runtimes:
        if runtime not in here:
            left_out.append(f"{runtime}: not installed")
            continue
        for precision in precisions:
            if runtime == "numpy":
                if precision == "float32":
                    settings.append(Setting(runtime=runtime, precision=precision))
                continue
            export = exports.get(f"{FILES[runtime][0]}-{precision}")
            if not export or not export["kept"]:
                left_out.append(f"{runtime}, {precision}: {'refused when it was judged' if export else 'not exported'}")
                continue
            settings += [Setting(runtime=runtime, precision=precision, threads=n) for n in threads]
    return settings, left_out


def _cold(
    folder: Path, settings: Sequence[Setting], picture: Path, shape: Sequence[int], starts: int, on_event: OnEvent
) -> dict[tuple[str, str], list[dict[str, float]]]:
    """Return the cold starts of each runtime and precision, interleaved; one before them brings the files into memory."""
    found: dict[tuple[str, str], list[dict[str, float]]] = {}
    if not starts:
        return found
    first = {(one.runtime, one.precision): one for one in reversed(settings)}
    for number in range(starts + 1):
        on_event(Event(phase="starting", done=number, total=starts + 1, text="fresh processes"))
        for key, setting in first.items() if number % 2 == 0 else reversed(first.items()):
            probe = Probe(folder, setting, picture, shape)
            probe.close()
            if number:
                found.setdefault(key, []).append(probe.cold)
    on_event(Event(phase="starting", done=starts + 1, total=starts + 1, text=""))
    return found


def _export_name(setting: Setting) -> str:
    return "" if setting.runtime == "numpy" else f"{FILES[setting.runtime][0]}-{setting.precision}"


def _size(folder: Path, setting: Setting, export: Mapping[str, Any]) -> int:
    if setting.runtime == "numpy":
        return sum((folder / name).stat().st_size for name in ("network.json", "weights.safetensors"))
    return sum((folder / "exports" / name).stat().st_size for name in export["files"])


def _identity(folder: Path, bundle: Bundle) -> dict[str, Any]:
    return {
        "folder": str(folder),
        "name": bundle.card.get("name"),
        "model_version": bundle.card.get("model_version"),
        "parameters": bundle.net.parameter_count(),
        "key": bundle_key(folder),
    }
