"""Is the larger network the more accurate? The survey's two nets and the ladder, paired by seed, one library.

The networks are trained as their recipes say, on the same data; seed by seed they see the same batches as far as their
batch sizes agree. The survey's claim is asked twice: of its own two nets, the deeper being the larger in its sense, and of
each step of the ladder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

from quintet.metrics import METRICS
from quintet.network import Net
from quintet.profiling.work import work_of
from quintet.schedule import OnEvent, run_study, silent
from quintet.statistics import Summary, summarise
from quintet.store import Store
from quintet.study import make_study
from quintet.system import Prepared
from quintet.training import fitting_precision
from quintet.verdict import Verdict, compare_metric
from quintet_systems.pets.networks import LADDER
from quintet_systems.pets.system import SYSTEM

SURVEY = ("survey2", "survey5")
STEPS = tuple(rung.name for rung in LADDER)
CLAIM = SYSTEM.claims()[0].sentence


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """One network: how large it is and what came of it over the seeds."""

    network: str
    parameters: int
    multiply_adds: int
    accuracy: Summary
    train_s: Summary
    failures: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeStudy:
    """The whole study; `claims` says for the survey's pair and for the ladder what became of the claim, and why."""

    data: str
    n_test: int
    library: str
    precision: str
    seeds: int
    sizes: tuple[Size, ...]
    verdicts: tuple[Verdict, ...]
    claims: tuple[str, ...]


def run_sizes(
    folder: Path,
    library: str,
    prepared: Prepared,
    *,
    networks: Sequence[str] = (*SURVEY, *STEPS),
    seeds: int = 5,
    epochs: float | None = None,
    threads: int = 1,
    at_once: int = 1,
    margin: float = 0.005,
    device: str = "cpu",
    on_event: OnEvent = silent,
) -> SizeStudy:
    """Run what is left of the study in `folder` and return what it says. `margin` is the difference that counts as equal."""
    study = make_study(
        {
            "name": "the larger, the better?",
            "system": SYSTEM.name,
            "networks": list(networks),
            "libraries": [library],
            "data": prepared.name,
            "seeds": seeds,
            "epochs": epochs,
            "precision": fitting_precision(SYSTEM, networks[-1], library, prepared, device),
            "threads": threads,
            "at_once": at_once,
            "device": device,
            "margin": margin,
            "parity": False,
            "repeats": 0,
            "max_load": 1.0,  # no claim of speed comes of this
            "timeout_s": 4 * 3600,
        }
    )
    run_study(study, folder, on_event=on_event, system=SYSTEM, prepared=prepared)
    with Store(folder) as store:
        trials = store.trials()
    accuracies = {name: [t.metrics.get("accuracy") for t in trials if t.network == name] for name in networks}
    verdicts = tuple(compare_metric(replace(METRICS["accuracy"], margin=margin), accuracies))
    sizes = []
    for name in networks:
        recipe = SYSTEM.recipe(name, prepared)
        assert isinstance(recipe.net, Net)
        runs = [t for t in trials if t.network == name]
        good = [a for a in accuracies[name] if a is not None]
        seconds = [s for t in runs if (s := t.metrics.get("train_s")) is not None]
        sizes.append(
            Size(
                network=name,
                parameters=recipe.net.parameter_count(),
                multiply_adds=work_of(recipe.net).multiply_adds,
                accuracy=summarise(good, n_failed=len(runs) - len(good)),
                train_s=summarise(seconds, higher_is_better=False, n_failed=len(runs) - len(seconds)),
                failures=tuple(f"seed {t.seed}: {t.status}: {t.reason}" for t in runs if t.status != "ok"),
            )
        )
    return SizeStudy(
        data=prepared.name,
        n_test=len(prepared.arrays["test_y"]),
        library=library,
        precision=study.precision,
        seeds=seeds,
        sizes=tuple(sizes),
        verdicts=verdicts,
        claims=tuple(claims(networks, verdicts)),
    )


def claims(networks: Sequence[str], verdicts: Sequence[Verdict]) -> list[str]:
    """Return the sentences on the survey's pair and on the ladder, of those that are among `networks`."""
    said = []
    if set(SURVEY) <= set(networks):
        said.append(_claim("Of the survey's two nets, the deeper being the larger", [SURVEY], verdicts))
    ladder = [name for name in STEPS if name in networks]
    if len(ladder) > 1:
        said.append(_claim("Of the ladder", list(pairwise(ladder)), verdicts))
    return said


def _claim(of: str, pairs: Sequence[tuple[str, str]], verdicts: Sequence[Verdict]) -> str:
    """Judge the claim on pairs (smaller, larger): reproduced if each larger is better, not if one is not, else open."""
    found = [next((v for v in verdicts if {v.subject, v.other} == set(pair)), None) for pair in pairs]
    against = [
        v for v, (_, larger) in zip(found, pairs, strict=True)
        if v and (v.kind == "equal" or (v.kind == "better" and v.subject != larger))
    ]  # fmt: skip
    shown = [v for v, (_, larger) in zip(found, pairs, strict=True) if v and v.kind == "better" and v.subject == larger]
    kind: Literal["reproduced", "not reproduced", "cannot be told"]
    if against:
        kind, why = "not reproduced", against
    elif len(shown) == len(pairs):
        kind, why = "reproduced", shown
    else:
        kind, why = "cannot be told", [v for v in found if v and v not in shown]
    return f'{of}, "{CLAIM}": {kind}. {" ".join(v.sentence for v in why)}'.strip()
