"""Training a system's network for use: one library, one or more seeds, and the bundle that comes of it.

The trials are a study like any other, so they resume after a kill. The bundle holds the seed that did best on the
validation split; the test figures are of all seeds, and play no part in the choice.
"""

import json
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from quintet import machine
from quintet.bundle import Bundle, read_bundle, write_bundle
from quintet.errors import BundleError, StudyError
from quintet.network import Net
from quintet.results import analyse
from quintet.schedule import OnEvent, complete, run_study, silent
from quintet.statistics import Summary, binomial_interval, summarise
from quintet.store import Store, TrialRow
from quintet.study import Study
from quintet.system import Prepared, System, load_system
from quintet_worker import wire

DAY_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """What a training came to: the test scores over the seeds, and where the bundle is (None: every seed failed)."""

    network: str
    library: str
    data: str
    scores: dict[str, Summary]
    train_s: Summary
    failures: tuple[str, ...]
    chosen_seed: int | None
    bundle: Path | None


def train_network(study: Study, folder: Path, on_event: OnEvent = silent, prepared: Prepared | None = None) -> Trained:
    """Run the study's seeds under its one library and write the bundle into `folder`/bundle; `prepared`: the study's data.

    Raises:
        StudyError: the study names more than one library or network, or a pair of networks.
    """
    system = load_system(study.system)
    study = complete(study, system)
    if len(study.libraries) != 1 or len(study.networks) != 1:
        raise StudyError(
            f"received {len(study.libraries)} libraries and {len(study.networks)} networks to train, expected one of each"
        )
    # No claim of speed comes of this: it does not wait for a quiet machine, and a slow one may take its time.
    prepared = prepared or system.prepare(study.data)
    settings = {
        "save_weights": True,
        "parity": False,
        "repeats": 0,
        "max_load": 1.0,
        "timeout_s": max(study.timeout_s, DAY_S),
        "data": prepared.name,
    }
    study = study.model_copy(update=settings)
    network, library = study.networks[0], study.libraries[0]
    recipe = system.recipe(network, prepared)
    recipe = replace(recipe, epochs=study.epochs or recipe.epochs)
    if not isinstance(recipe.net, Net):
        raise StudyError(f'received the pair "{network}", expected a single network; its system trains it')
    run_study(study, folder, on_event=on_event, system=system, prepared=prepared)
    with Store(folder) as store:
        result = analyse(store)
        trials = [trial for trial in store.trials() if trial.status == "ok"]
        validation = {
            row["trial"]: row["value"]
            for row in store.rows("SELECT trial, value FROM series WHERE name = 'validation_accuracy' ORDER BY step")
        }
    failures = result.networks[0].rows[0].failures
    names = ("accuracy", "macro_precision", "macro_recall", "numerical_precision")
    scores = {
        name: summarise(values, name != "numerical_precision", n_failed=len(failures))
        for name in names
        if (values := [v for t in trials if (v := t.metrics.get(name)) is not None])
    }
    seconds = summarise(
        [s for t in trials if (s := t.metrics.get("train_s")) is not None], False, n_failed=len(failures)
    )
    chosen = max(trials, key=lambda t: (validation.get(t.id, 0.0), -t.seed), default=None)
    bundle = None
    if chosen:
        card = {
            "name": f"{study.system}-{network}",
            "system": study.system,
            "network": network,
            "library": library,
            "versions": {"quintet": version("quintet"), **chosen.versions},
            "recipe": recipe.record(),
            "study": study.digest(),
            "trial": chosen.id,
            "seed": chosen.seed,
            "data": {
                "name": prepared.name,
                "provenance": dict(prepared.provenance),
                "sha256": prepared.sha256(),
                "test_sha256": prepared.test_sha256(),
            },
            "machine": result.machine,
            "figures": {name: asdict(summary) for name, summary in scores.items()},
            **_own_test(chosen.metrics.get("accuracy"), len(prepared.arrays["test_y"])),
            "model_card": {key: list(lines) for key, lines in getattr(system, "model_card", {}).items()},
        }
        bundle = folder / "bundle"
        made = Bundle(net=recipe.net, weights=_weights(folder, chosen), labels=prepared.labels, card=card)
        if not _is_there(bundle, made):  # else its exports and its signature stay
            write_bundle(bundle, made)
            system.complete_bundle(bundle, prepared)
    return Trained(
        network=network,
        library=library,
        data=prepared.name,
        scores=scores,
        train_s=seconds,
        failures=failures,
        chosen_seed=chosen.seed if chosen else None,
        bundle=bundle,
    )


def _is_there(folder: Path, made: Bundle) -> bool:
    """Tell whether `folder` holds this very model: the same trial, card and weights."""
    try:
        there = read_bundle(folder)
    except BundleError:
        return False
    card = json.loads(json.dumps(dict(made.card), default=str))
    return (
        all(there.card.get(key) == value for key, value in card.items())
        and there.weights.keys() == made.weights.keys()
        and all(np.array_equal(there.weights[name], array) for name, array in made.weights.items())
    )


def fitting_precision(system: System, network: str, library: str, prepared: Prepared, device: str) -> str:
    """Return "bfloat16" where the recipe says that `library` gains by it and this processor computes it, else "float32"."""
    recipe = system.recipe(network, prepared)
    fits = library in recipe.bfloat16 and device == "cpu" and machine.fast_bfloat16()
    return "bfloat16" if fits else "float32"


def _own_test(accuracy: float | None, n: int) -> dict[str, Any]:
    """Return the test accuracy of the very model that is kept, with its interval over test samples."""
    span = asdict(binomial_interval(round(accuracy * n), n)) if accuracy is not None else None
    return {"own_test_accuracy": accuracy, "own_test_n": n, "own_test_interval": span}


def _weights(folder: Path, trial: TrialRow) -> dict:
    return wire.arrays(folder / "trials" / trial.id, "weights.npz")
