"""What a study's numbers say: per network a row for each library, the verdicts, the headline and the choice.

Everything here is worked out anew from the store's raw rows; nothing is kept. Reports, JSON and terminal all show this.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from quintet.environments import LIBRARIES
from quintet.errors import RecommendationError
from quintet.metrics import METRICS, Metric
from quintet.recommend import Candidate, Goal, Limits, Recommendation, recommend
from quintet.statistics import Interval, Noise, Summary, rank_stability, split_noise, summarise
from quintet.store import Store, TrialRow
from quintet.verdict import Verdict, compare_metric, headline

COMPARED = (
    "accuracy", "macro_precision", "macro_recall", "numerical_precision", "training_images_per_s",
    "inference_images_per_s", "latency_p50_ms", "latency_p99_ms", "peak_mib", "start_up_s",
)  # fmt: skip
SUMMARISED = (*COMPARED, "compile_s", "train_s", "energy_j")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ladder:
    """One library's ladder for one network: per precision whether it passed and the largest relative difference."""

    passed: bool
    float64: float | None
    float32: float | None
    first_failure: str | None

    @property
    def climbed(self) -> bool:
        """Whether its library could run at all."""
        return self.passed or ": environment: " not in (self.first_failure or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryRow:
    """One library on one network. A figure that was not measured is None."""

    library: str
    version: str | None
    threads: int
    n: int
    n_failed: int
    failures: tuple[str, ...]
    summaries: Mapping[str, Summary]
    seed_sd_interval: Interval
    bitwise_repeatable: float | None
    energy_source: str | None
    ladder: Ladder | None
    not_comparable: str | None
    noise: Noise | None
    first_share: float | None

    def mean(self, metric: str) -> float | None:
        """Return the mean of a metric over the seeds that finished."""
        summary = self.summaries.get(metric)
        return summary.mean if summary else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkResult:
    """One network of a study: its rows, best first in training speed, and what can be said of them."""

    network: str
    rows: tuple[LibraryRow, ...]
    verdicts: tuple[Verdict, ...]
    headline: tuple[str, ...]
    recommendation: Recommendation | None
    no_recommendation: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyResult:
    """A study with all that its report needs."""

    name: str
    system: str
    settings: Mapping[str, Any]
    data: Mapping[str, Any]
    machine: Mapping[str, Any]
    begun: str
    planned: int
    finished: int
    networks: tuple[NetworkResult, ...]
    trials: tuple[TrialRow, ...]
    sweep: tuple[Mapping[str, Any], ...]
    parity: tuple[Mapping[str, Any], ...]
    series: tuple[Mapping[str, Any], ...]


def analyse(store: Store, limits: Limits | None = None, goal: Goal = "training") -> StudyResult:
    """Return what the study in `store` says so far; seeds that some library has yet to run are left out."""
    study = store.study()
    trials = store.trials()
    parity = tuple(dict(row) for row in store.rows("SELECT * FROM parity"))
    series = store.rows("SELECT series.*, network, library, seed FROM series JOIN trial ON trial = id WHERE repeat = 0")
    settings = study["settings"]
    n_test = study["data"]["sizes"].get("test_x", 0)
    return StudyResult(
        name=study["name"],
        system=study["system"],
        settings=settings,
        data=study["data"],
        machine=study["description"],
        begun=study["begun"],
        planned=len(trials),
        finished=sum(trial.status is not None for trial in trials),
        networks=tuple(
            _network(name, settings, [t for t in trials if t.network == name], parity, n_test, limits or Limits(), goal)
            for name in dict.fromkeys(trial.network for trial in trials)
        ),
        trials=tuple(trials),
        sweep=tuple(dict(row) for row in store.rows("SELECT * FROM sweep ORDER BY network, library, threads")),
        parity=parity,
        series=tuple(dict(row) for row in series),
    )


def metric_for(name: str, settings: Mapping[str, Any]) -> Metric:
    """Return a metric with the margin that the study fixed before its first run."""
    metric = METRICS[name]
    if metric.unit == "share":
        return replace(metric, margin=settings["margin"])
    if metric.scale == "ratio" and name != "numerical_precision":
        return replace(metric, margin=settings["speed_margin"])
    return metric


def to_json(result: StudyResult) -> dict[str, Any]:
    """Return the result as one object of plain values; for each library a row with every figure and its interval."""
    return {
        "study": result.name,
        "system": result.system,
        "settings": dict(result.settings),
        "data": {key: result.data[key] for key in ("name", "sizes")},
        "machine": dict(result.machine),
        "planned": result.planned,
        "finished": result.finished,
        "networks": [_network_json(network) for network in result.networks],
    }


def _network(
    name: str,
    settings: Mapping[str, Any],
    trials: Sequence[TrialRow],
    parity: Sequence[Mapping[str, Any]],
    n_test: int,
    limits: Limits,
    goal: Goal,
) -> NetworkResult:
    libraries = [library for library in settings["libraries"] if any(t.library == library for t in trials)]
    first = [t for t in trials if not t.repeat]
    seeds = sorted({t.seed for t in first} - {t.seed for t in first if t.status is None})
    chosen = {library: [t for t in first if t.library == library and t.seed in seeds] for library in libraries}
    ladders = {library: _ladder(name, library, parity) for library in libraries}
    reasons = {library: why for library in libraries if (why := _not_comparable(ladders[library], settings))}
    samples = {
        metric: {library: [t.metrics.get(metric) for t in runs] for library, runs in chosen.items()}
        for metric in COMPARED
    }
    verdicts = tuple(
        verdict
        for metric in COMPARED
        if seeds
        for verdict in compare_metric(metric_for(metric, settings), samples[metric], not_comparable=reasons)
    )
    firsts = _first_shares(samples["accuracy"])
    rows = [
        _row(library, chosen[library], trials, ladders[library], reasons.get(library), n_test, firsts.get(library))
        for library in libraries
    ]
    rows.sort(key=lambda row: -(row.mean("training_images_per_s") or 0))
    recommendation, refusal = None, None
    try:
        # The reference is the umpire: it is slow on purpose and no candidate.
        candidates = [_candidate(row) for row in rows if row.library != "reference" or len(rows) == 1]
        recommendation = recommend(candidates, limits, goal=goal, verdicts=verdicts)
    except RecommendationError as error:
        refusal = str(error)
    return NetworkResult(
        network=name,
        rows=tuple(rows),
        verdicts=verdicts,
        headline=(*headline(verdicts), *caveats(settings, trials))
        if seeds
        else ("No seed has been run by every library yet.",),
        recommendation=recommendation,
        no_recommendation=refusal,
    )


def caveats(settings: Mapping[str, Any], trials: Sequence[TrialRow]) -> tuple[str, ...]:
    """Return what a reader must know of the circumstances before a figure of speed is believed."""
    found = []
    if settings["at_once"] > 1:
        found.append(
            f"{settings['at_once']} trials ran side by side, each on cores of its own: speeds are those of a shared machine."
        )
    loads = [trial.load_before for trial in trials if trial.load_before is not None]
    if loads and float(np.median(loads)) > settings["max_load"]:
        found.append(f"Others used up to {max(loads):.0%} of the processor before the trials: speeds may be off.")
    ran = {trial.library for trial in trials if trial.status == "ok"}
    if shared := shared_engines([name for name in settings["libraries"] if name in ran]):
        groups = "; ".join(f"{', '.join(names)} on {engine}" for engine, names in shared.items())
        found.append(f"Some share an engine, so that they agree proves less: {groups}.")
    return tuple(found)


def shared_engines(libraries: Sequence[str]) -> dict[str, list[str]]:
    """Return the engines on which several of `libraries` compute, each with their names.

    >>> shared_engines(["torch", "theano", "lasagne"])
    {'theano': ['theano', 'lasagne']}
    """
    on: dict[str, list[str]] = {}
    for name in libraries:
        on.setdefault((LIBRARIES[name].engine if name in LIBRARIES else None) or name, []).append(name)
    return {engine: names for engine, names in on.items() if len(names) > 1}


def _row(
    library: str,
    runs: Sequence[TrialRow],
    trials: Sequence[TrialRow],
    ladder: Ladder | None,
    reason: str | None,
    n_test: int,
    first_share: float | None,
) -> LibraryRow:
    good = [t for t in runs if t.status == "ok"]
    failed = [t for t in runs if t.status != "ok"]
    accuracies = [a for t in good if (a := t.metrics.get("accuracy")) is not None]
    summaries = {}
    for metric in SUMMARISED:
        values = [t.metrics.get(metric) for t in good]
        if any(value is not None for value in values):
            better = METRICS[metric].higher_is_better if metric in METRICS else False
            summaries[metric] = summarise([v for v in values if v is not None], better, n_failed=len(failed))
    return LibraryRow(
        library=library,
        version=next((t.versions[version_key(library)] for t in good if version_key(library) in t.versions), None),
        threads=runs[0].threads if runs else 0,
        n=len(runs),
        n_failed=len(failed),
        failures=tuple(f"seed {t.seed}: {t.status}: {t.reason}" for t in failed),
        summaries=summaries,
        seed_sd_interval=deviation_interval(accuracies),
        bitwise_repeatable=_repeatable([t for t in trials if t.library == library]),
        energy_source=next((t.energy_source for t in good), None),
        ladder=ladder,
        not_comparable=reason,
        noise=split_noise(accuracies, n_test) if accuracies and n_test else None,
        first_share=first_share,
    )


def deviation_interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Return the interval of the standard deviation of `values`, from the chi-squared law of normal samples.

    >>> deviation_interval([1.0]).low is None
    True
    """
    from scipy.stats import chi2

    n = len(values)
    sd = float(np.std(values, ddof=1)) if n > 1 else 0.0
    if sd == 0:
        return Interval(low=None, high=None, level=level, method="none")
    low, high = (sd * math.sqrt((n - 1) / chi2.ppf(q, n - 1)) for q in ((1 + level) / 2, (1 - level) / 2))
    return Interval(low=low, high=high, level=level, method="chi-squared")


def version_key(library: str) -> str:
    """Return under which name a run's versions hold the library's own.

    >>> version_key("keras-jax"), version_key("reference")
    ('keras', 'numpy')
    """
    return library.split("-")[0] if library != "reference" else "numpy"


def _repeatable(trials: Sequence[TrialRow]) -> float | None:
    """Return the share of repeated trials whose final weights are those of the first run, bit for bit."""
    first = {t.seed: t.weights_sha256 for t in trials if not t.repeat and t.status == "ok"}
    pairs = [t.weights_sha256 == first[t.seed] for t in trials if t.repeat and t.status == "ok" and t.seed in first]
    return sum(pairs) / len(pairs) if pairs else None


def _ladder(network: str, library: str, parity: Sequence[Mapping[str, Any]]) -> Ladder | None:
    rows = {row["precision"]: row for row in parity if row["network"] == network and row["library"] == library}
    if not rows:
        return None
    return Ladder(
        passed=all(row["passed"] for row in rows.values()),
        float64=rows["float64"]["max_relative_difference"] if "float64" in rows else None,
        float32=rows["float32"]["max_relative_difference"] if "float32" in rows else None,
        first_failure=next((row["first_failure"] for row in rows.values() if row["first_failure"]), None),
    )


def _not_comparable(ladder: Ladder | None, settings: Mapping[str, Any]) -> str | None:
    if ladder is None:
        return "its ladder was not climbed" if settings["parity"] else "the study left the ladder out"
    if not ladder.climbed:
        return "it cannot run here"  # why: told once, where the failures are
    return None if ladder.passed else f"it did not pass the ladder: {ladder.first_failure}"


def _first_shares(accuracies: Mapping[str, Sequence[float | None]]) -> Mapping[str, float]:
    complete = {name: values for name, values in accuracies.items() if values and None not in values}
    if len(complete) < 2:
        return {}
    return rank_stability(complete, np.random.default_rng(0))


def _candidate(row: LibraryRow) -> Candidate:
    return Candidate(
        library=row.library,
        accuracy=row.mean("accuracy"),
        training_images_per_s=row.mean("training_images_per_s"),
        inference_images_per_s=row.mean("inference_images_per_s"),
        latency_ms=row.mean("latency_p50_ms"),
        peak_mib=row.mean("peak_mib"),
        energy_j=row.mean("energy_j"),
        train_s=row.mean("train_s"),
        n=row.n - row.n_failed,
        n_failed=row.n_failed,
        not_comparable=row.not_comparable,
    )


def _network_json(network: NetworkResult) -> dict[str, Any]:
    return {
        "network": network.network,
        "headline": list(network.headline),
        "recommendation": asdict(network.recommendation) if network.recommendation else None,
        "no_recommendation": network.no_recommendation,
        "rows": [_row_json(row) for row in network.rows],
        "verdicts": [
            {"metric": v.metric, "kind": v.kind, "subject": v.subject, "other": v.other, "sentence": v.sentence}
            for v in network.verdicts
        ],
    }


def _row_json(row: LibraryRow) -> dict[str, Any]:
    def figure(metric: str) -> dict[str, Any] | None:
        summary = row.summaries.get(metric)
        return None if summary is None else asdict(summary)

    accuracy = row.summaries.get("accuracy")
    return {
        "library": row.library,
        "version": row.version,
        "threads": row.threads,
        "n": row.n,
        "n_failed": row.n_failed,
        "failures": list(row.failures),
        "not_comparable": row.not_comparable,
        "parity": asdict(row.ladder) if row.ladder else None,
        "accuracy": figure("accuracy"),
        "macro_precision": figure("macro_precision"),
        "macro_recall": figure("macro_recall"),
        "numerical_precision": figure("numerical_precision"),
        "stability": {
            "seed_sd": accuracy.sd if accuracy else None,
            "interval": asdict(row.seed_sd_interval),
            "worst_seed": accuracy.worst if accuracy else None,
            "n_failed": row.n_failed,
            "bitwise_repeatable": row.bitwise_repeatable,
            "first_share": row.first_share,
            "noise": asdict(row.noise) if row.noise else None,
        },
        "performance": {
            **{name: figure(name) for name in SUMMARISED[4:]},
            "energy_source": row.energy_source,
        },
    }
