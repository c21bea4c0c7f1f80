"""The study of Ertam & Aydın done honestly: which activation gives the best accuracy?

Three parts, each a study of its own in the folder, so each resumes after a kill:
tune      every activation at every rate of one grid, seen on the validation split only; the best rate is taken
final     each activation at its own rate, fresh paired seeds; the test set is opened here, once
control   what an uncontrolled study does: one fixed rate, one initialisation, one seed; each seed counts as one study
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from quintet.metrics import METRICS
from quintet.results import version_key
from quintet.schedule import Event, OnEvent, run_study, silent
from quintet.statistics import Summary, summarise
from quintet.store import Store, TrialRow
from quintet.study import make_study
from quintet.system import Prepared
from quintet.verdict import ClaimVerdict, Verdict, claim_verdict, compare_metric
from quintet_systems.digits.arms import Arm, Arms
from quintet_systems.digits.system import SYSTEM

SIX = ("relu", "tanh", "elu", "sigmoid", "softplus", "softsign")
MODERN = ("leaky_relu", "selu", "gelu", "silu", "mish")


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """How large the study is. Final seeds start at 100: none of them was used in tuning."""

    data: str | None
    epochs: float
    rates: tuple[float, ...]
    control_rate: float
    tune_seeds: int
    final_seeds: int
    evaluations: int = 12


PRESETS = {
    "quick": Preset(
        data="digits8x8",
        epochs=10,
        rates=(0.001, 0.003, 0.01, 0.03, 0.1),
        control_rate=0.001,
        tune_seeds=1,
        final_seeds=5,
    ),
    "full": Preset(
        data="mnist",
        epochs=2,
        rates=(0.0003, 0.001, 0.003, 0.01, 0.03),
        control_rate=0.001,
        tune_seeds=1,
        final_seeds=10,
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Validation accuracy along the training of one activation, over the final seeds."""

    steps: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """What came of one activation. `tuned` gives the mean validation accuracy at each rate (None: every run failed)."""

    name: str
    rate: float
    at_edge: bool
    tuned: Mapping[float, float | None]
    accuracy: Summary
    epoch_s: Summary
    curve: Curve | None
    control: Summary
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationStudy:
    """The whole study: activations best first, verdicts on each pair, the claim, and who won the control's small studies."""

    preset: str
    data: str
    library: str
    version: str | None
    epochs: float
    control_rate: float
    margin: float
    activations: tuple[Activation, ...]
    verdicts: tuple[Verdict, ...]
    claim: ClaimVerdict
    control_winners: Mapping[str, int]
    machine: Mapping[str, object]


def run_activations(
    preset: str,
    library: str,
    folder: Path,
    *,
    modern: bool = False,
    data: str | None = None,
    threads: int = 1,
    at_once: int = 1,
    margin: float = 0.001,
    device: str = "cpu",
    on_event: OnEvent = silent,
) -> ActivationStudy:
    """Run what is left of the study in `folder` and return what it says. `margin` is what counts as equal."""
    size = PRESETS[preset]
    names = SIX + MODERN if modern else SIX
    prepared = SYSTEM.prepare(data or size.data)
    base = make_study(
        {
            "name": f"activations, {preset}",
            "system": "digits",
            "libraries": [library],
            "data": prepared.name,
            "threads": threads,
            "at_once": at_once,
            "device": device,
            "margin": margin,
            "parity": False,
            "repeats": 0,
            "evaluations": size.evaluations,
        }
    )

    def part(title: str, arms: Sequence[Arm], first_seed: int, seeds: int, has_test: bool) -> None:
        study = base.model_copy(
            update={"networks": tuple(a.name for a in arms), "first_seed": first_seed, "seeds": seeds}
        )
        run_study(
            study,
            folder / title,
            on_event=lambda event: on_event(replace(event, phase=f"{title}: {event.phase}")),
            system=Arms(arms, size.epochs),
            prepared=prepared if has_test else without_test(prepared),
        )

    grid = [Arm(activation=name, rate=rate) for name in names for rate in size.rates]
    part("tune", grid, 0, size.tune_seeds, has_test=False)
    tuned = {name: tuned_rates(folder / "tune", name, size.rates) for name in names}
    chosen = {name: best_rate(rates) for name, rates in tuned.items()}
    part("final", [Arm(activation=n, rate=r) for n, r in chosen.items()], 100, size.final_seeds, has_test=True)
    controls = [Arm(activation=name, rate=size.control_rate, matched=False) for name in names]
    part("control", controls, 100, size.final_seeds, has_test=True)
    on_event(Event(phase="statistics", done=1, total=1))
    return _read(preset, size, folder, names, tuned, chosen, margin, prepared.name, library)


def without_test(prepared: Prepared) -> Prepared:
    """Return the data without its test split: what is not there cannot be looked at."""
    arrays = {name: array for name, array in prepared.arrays.items() if not name.startswith("test")}
    return replace(prepared, arrays=arrays)


def tuned_rates(folder: Path, activation: str, rates: Sequence[float]) -> dict[float, float | None]:
    """Return the mean final validation accuracy of an activation at each rate; None where a run failed."""
    with Store(folder) as store:
        final = last_validation(store)
        trials = store.trials()
    means: dict[float, float | None] = {}
    for rate in rates:
        name = Arm(activation=activation, rate=rate).name
        values = [final.get(trial.id) for trial in trials if trial.network == name]
        good = [value for value in values if value is not None]
        means[rate] = float(np.mean(good)) if good and len(good) == len(values) else None
    return means


def best_rate(tuned: Mapping[float, float | None]) -> float:
    """Return the rate with the best validation accuracy; of equals the smaller, of nothing the smallest."""
    return max(sorted(tuned), key=lambda rate: (-1.0 if tuned[rate] is None else tuned[rate]) or 0.0)


def last_validation(store: Store) -> dict[str, float]:
    """Return each trial's validation accuracy at its end."""
    query = "SELECT trial, value FROM series WHERE name = 'validation_accuracy' ORDER BY step"
    return {row["trial"]: row["value"] for row in store.rows(query)}


def _read(
    preset: str,
    size: Preset,
    folder: Path,
    names: Sequence[str],
    tuned: Mapping[str, Mapping[float, float | None]],
    chosen: Mapping[str, float],
    margin: float,
    data: str,
    library: str,
) -> ActivationStudy:
    with Store(folder / "final") as store:
        final, study = store.trials(), store.study()
        curves = {name: _curve(store, Arm(activation=name, rate=chosen[name]).name) for name in names}
        samples = study["data"]["sizes"]["train_x"]
    with Store(folder / "control") as store:
        control = store.trials()
    accuracies = {name: _accuracies(final, Arm(activation=name, rate=chosen[name]).name) for name in names}
    controls = {
        name: _accuracies(control, Arm(activation=name, rate=size.control_rate, matched=False).name) for name in names
    }
    metric = replace(METRICS["accuracy"], margin=margin)
    verdicts = tuple(compare_metric(metric, accuracies))
    activations = []
    for name in names:
        runs = [t for t in final if t.network == Arm(activation=name, rate=chosen[name]).name]
        seconds = [samples / speed for t in runs if (speed := t.metrics.get("training_images_per_s"))]
        activations.append(
            Activation(
                name=name,
                rate=chosen[name],
                at_edge=chosen[name] in (size.rates[0], size.rates[-1]),
                tuned=tuned[name],
                accuracy=_summary(accuracies[name]),
                epoch_s=summarise(seconds, higher_is_better=False),
                curve=curves[name],
                control=_summary(controls[name]),
                failures=tuple(f"seed {t.seed}: {t.status}: {t.reason}" for t in runs if t.status != "ok"),
            )
        )
    activations.sort(key=lambda a: -(a.accuracy.mean or 0.0))
    version = next((t.versions.get(version_key(library)) for t in final if t.versions), None)
    return ActivationStudy(
        preset=preset,
        data=data,
        library=library,
        version=version,
        epochs=size.epochs,
        control_rate=size.control_rate,
        margin=margin,
        activations=tuple(activations),
        verdicts=verdicts,
        claim=claim_verdict(SYSTEM.claims()[0].sentence, "relu", verdicts),
        control_winners=winners(controls),
        machine=study["description"],
    )


def _summary(values: Sequence[float | None]) -> Summary:
    good = [value for value in values if value is not None]
    return summarise(good, n_failed=len(values) - len(good))


def _accuracies(trials: Sequence[TrialRow], network: str) -> list[float | None]:
    return [t.metrics.get("accuracy") for t in trials if t.network == network]


def winners(controls: Mapping[str, Sequence[float | None]]) -> dict[str, int]:
    """Return in how many of the control's one-seed studies each activation came first; a tie counts for each."""
    wins: Counter[str] = Counter(dict.fromkeys(controls, 0))
    for values in zip(*controls.values(), strict=True):
        best = max((value for value in values if value is not None), default=None)
        wins.update(name for name, value in zip(controls, values, strict=True) if best is not None and value == best)
    return dict(wins.most_common())


def _curve(store: Store, network: str) -> Curve | None:
    rows = store.rows(
        "SELECT step, avg(value) AS mean, min(value) AS low, max(value) AS high FROM series JOIN trial ON trial = id"
        " WHERE name = 'validation_accuracy' AND network = ? GROUP BY step ORDER BY step",
        (network,),
    )
    if not rows:
        return None
    columns = {key: tuple(row[key] for row in rows) for key in ("step", "mean", "low", "high")}
    return Curve(steps=columns["step"], mean=columns["mean"], low=columns["low"], high=columns["high"])
