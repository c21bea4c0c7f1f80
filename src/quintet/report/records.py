"""The trials, the machine, the settings and the data as records of strings, for the page and the terminal.

Rule: a trial never vanishes; one that failed says why, one that has yet to run says so.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from quintet.metrics import METRICS, show_number
from quintet.report.tables import DASH, number
from quintet.results import StudyResult
from quintet.store import TrialRow

TRIAL_METRICS = ("accuracy", "training_images_per_s", "inference_images_per_s", "latency_p50_ms", "peak_mib")
Fields = tuple[tuple[str, str], ...]

_UNSET = {"data": "the best at hand", "epochs": "as each network's recipe says"}
_PRIVATE = ("found",)  # where the files lie on this machine is nobody else's business


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """One trial: what was planned, what came of it, and why where it failed. `figures` follow TRIAL_METRICS."""

    id: str
    library: str
    seed: str
    threads: str
    status: str
    figures: tuple[str, ...]
    train_s: str
    load: str
    reason: str
    log_tail: str

    @property
    def failed(self) -> bool:
        """Whether it ran and did not end well."""
        return self.status not in ("ok", "not run yet")


def trials(result: StudyResult, network: str) -> tuple[TrialRecord, ...]:
    """Return all trials of a network in the order in which they run."""
    return tuple(_trial(trial) for trial in result.trials if trial.network == network)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Trials that failed alike: a library that is missing fails in each of its trials."""

    first: TrialRecord
    n: int

    @property
    def name(self) -> str:
        """The first trial, and how many more."""
        return self.first.id + (f" and {self.n - 1} more" if self.n > 1 else "")


def failures(result: StudyResult, network: str) -> tuple[Failures, ...]:
    """Return the trials of a network that failed, those of one library and one reason together."""
    groups: dict[tuple[str, str, str], list[TrialRecord]] = {}
    for trial in trials(result, network):
        if trial.failed:
            groups.setdefault((trial.library, trial.status, trial.reason), []).append(trial)
    return tuple(Failures(first=group[0], n=len(group)) for group in groups.values())


def begun(result: StudyResult) -> str:
    """Return when the study began, to the minute, UTC."""
    return datetime.fromisoformat(result.begun).astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def machine(result: StudyResult) -> Fields:
    """Return what the machine is."""
    labels = {"memory_gib": "memory, GiB", "virtual": "virtual machine", "python": "Python"}
    return tuple((labels.get(key, _label(key)), _value(value, "unknown")) for key, value in result.machine.items())


def settings(result: StudyResult) -> Fields:
    """Return the study's settings, fixed before its first trial."""
    units = {"margin": "accuracy margin", "speed_margin": "speed margin", "timeout_s": "time limit per trial, s"}
    return tuple(
        (units.get(key, _label(key)), _value(value, _UNSET.get(key, "not set")))
        for key, value in result.settings.items()
    )


def data(result: StudyResult) -> Fields:
    """Return what the data is and where it comes from."""
    sizes = {"train_x": "training", "validation_x": "validation", "test_x": "test"}
    fields = [("data set", str(result.data.get("name", "unknown")))]
    counts = [f"{size:,} {sizes.get(name, name)}" for name, size in result.data.get("sizes", {}).items()]
    if counts:
        fields.append(("samples", ", ".join(counts)))
    if labels := result.data.get("labels"):
        fields.append(("classes", f"{len(labels)}: {', '.join(map(str, labels))}"))
    return (*fields, *_provenance(result.data.get("provenance", {})))


def _provenance(provenance: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for key, value in provenance.items():
        if key in _PRIVATE:
            continue
        if isinstance(value, Mapping):
            yield from _provenance(value, f"{_label(key)} of ")
        else:
            yield (f"{prefix}{key}" if prefix else _label(key)), _value(value, "unknown")


def _trial(trial: TrialRow) -> TrialRecord:
    seconds = trial.metrics.get("train_s")
    return TrialRecord(
        id=trial.id,
        library=trial.library,
        seed=str(trial.seed) + (" again" if trial.repeat else ""),
        threads=str(trial.threads),
        status=trial.status or "not run yet",
        figures=tuple(
            DASH if (value := trial.metrics.get(name)) is None else number(METRICS[name], value)
            for name in TRIAL_METRICS
        ),
        train_s=DASH if seconds is None else show_number(seconds),
        load=DASH if trial.load_before is None else f"{100 * trial.load_before:.0f}",
        reason=trial.reason or "",
        log_tail=trial.log_tail or "",
    )


def _label(key: str) -> str:
    return key.replace("_", " ")


def _value(value: Any, unset: str) -> str:
    if value is None or value == "":
        return unset
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_value(item, unset)}" for key, item in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_value(item, unset) for item in value) or unset
    return f"{value:g}" if isinstance(value, float) else str(value)
