"""Which installed library trains a network fastest here, where no study has measured it: a short trial of each.

It says nothing of accuracy, and no ladder was climbed: a study does both. It is for a first training on a new machine.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from quintet import machine
from quintet.environments import installed
from quintet.errors import EnvironmentUnavailable
from quintet.launch import Launcher, Local, Result
from quintet.schedule import Event, OnEvent, make_bench, silent
from quintet.study import Trial, make_study
from quintet.system import Prepared, System
from quintet.training import fitting_precision
from quintet.trials import train_job

TRIAL_S = 20.0
FIRST_STEPS = 4
TIMEOUT_S = 180.0  # a library that must compile for longer than that is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One library in the trial: its training speed in images a second, or why it has none."""

    library: str
    precision: str
    images_per_s: float | None
    reason: str | None


def quick_trial(
    system: System,
    network: str,
    prepared: Prepared,
    *,
    threads: int | None = None,
    device: str = "cpu",
    libraries: Sequence[str] | None = None,
    launcher: Launcher | None = None,
    on_event: OnEvent = silent,
) -> list[Tried]:
    """Return all installed libraries, or `libraries`, the fastest first.

    Each trains for TRIAL_S seconds, in the precision and with the threads that `quintet train` would use.

    Raises:
        EnvironmentUnavailable: no library is installed, or none could train.
    """
    names = list(installed() if libraries is None else libraries)
    launcher, tried, cores = launcher or Local(), [], threads or len(machine.cores())
    with tempfile.TemporaryDirectory(prefix="quintet-trial-") as folder:
        for number, name in enumerate(names):
            on_event(Event(phase="quick", done=number, total=len(names), text=name))
            precision = fitting_precision(system, network, name, prepared, device)
            study = make_study(
                {
                    "name": "a short trial",
                    "system": system.name,
                    "networks": [network],
                    "libraries": [name],
                    "seeds": 1,
                    "precision": precision,
                    "threads": cores,
                    "device": device,
                }
            )
            bench = make_bench(study, system, prepared, Path(folder))
            one = Tried(library=name, precision=precision, images_per_s=None, reason=None)
            recipe, steps = bench.recipes[network], FIRST_STEPS
            for _ in range(2):  # a few steps tell how many TRIAL_S is worth
                trial = Trial(network=network, library=name, seed=0)
                job = train_job(bench, study, trial, cores, steps=steps)
                place = Path(folder) / f"{name}.{steps}"
                job.write(place)
                outcome = launcher.run(place, TIMEOUT_S)
                if not isinstance(outcome, Result):
                    one = replace(one, images_per_s=None, reason=f"{outcome.kind}: {outcome.reason}")
                    break
                speed = float(outcome.record["training_images_per_s"])
                one = replace(one, images_per_s=speed)
                steps = max(FIRST_STEPS + 1, round(TRIAL_S * speed / recipe.batch_size))
            tried.append(one)
    if not any(one.images_per_s for one in tried):
        why = "; ".join(f"{one.library}: {one.reason}" for one in tried) or "none is installed"
        raise EnvironmentUnavailable(
            f"received no library that can train {network} here ({why}), expected one; see: quintet libraries"
        )
    return sorted(tried, key=lambda one: -(one.images_per_s or 0.0))
