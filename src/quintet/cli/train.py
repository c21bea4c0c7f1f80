"""`quintet train SYSTEM`: a model to use."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

if TYPE_CHECKING:
    from quintet.system import Prepared, System
    from quintet.training import Trained


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("train")(train)


def train(
    system: Annotated[str, typer.Argument(help="A system, such as digits.")],
    network: Annotated[str, typer.Option(help="The network; default: the system's own choice.")] = "",
    library: Annotated[
        str,
        typer.Option(
            help='A library; "auto": the best of the last study made here, else of a 20-second trial of each; default: that'
            " study's, else an installed one."
        ),
    ] = "",
    seeds: Annotated[int, typer.Option(help="How many seeds to train; the best on validation becomes the bundle.")] = 5,
    data: Annotated[str, typer.Option(help="The data set; default: the best at hand.")] = "",
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training data; default: the network's recipe.")
    ] = None,
    precision: Annotated[
        str,
        typer.Option(
            help="float32, float64, bfloat16; auto: bfloat16 where it was seen to gain and the processor has it."
        ),
    ] = "auto",
    threads: Annotated[int | None, typer.Option(help="Processor threads; default: all cores.")] = None,
    at_once: Annotated[int, typer.Option(help="Seeds side by side, each on cores of its own.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="The folder; default: one below quintet-models.")] = None,
    studies: Annotated[Path, typer.Option(help="Where `--library auto` looks for studies.")] = Path("quintet-results"),
    json: AsJson = False,
) -> None:
    """Train a system's network and write the bundle: network, weights, labels, figures."""
    from dataclasses import asdict

    from quintet import machine
    from quintet.study import make_study
    from quintet.system import check_network, load_system
    from quintet.training import fitting_precision, train_network

    found = load_system(system)
    chosen = check_network(found, network or found.default_network)
    prepared = found.prepare(data or None)
    name, why = pick_library(found, chosen, library, studies, prepared, device)
    talk().print(why)
    study = make_study(
        {
            "name": f"train {system} {chosen}",
            "system": system,
            "networks": [chosen],
            "libraries": [name],
            "seeds": seeds,
            "data": data or None,
            "epochs": epochs,
            "precision": fitting_precision(found, chosen, name, prepared, device) if precision == "auto" else precision,
            "threads": threads or max(1, len(machine.cores()) // max(1, at_once)),
            "at_once": at_once,
            "device": device,
            "parity": False,
            "repeats": 0,
            "save_weights": True,
        }
    )
    folder = out or Path("quintet-models") / f"{system}-{chosen}-{study.digest()[:8]}"
    with progress() as on_event:
        trained = train_network(study, folder, on_event=on_event, prepared=prepared)
    if json:
        print_json({**asdict(trained), "folder": str(folder)})
    else:
        for line in sentences(trained):
            talk().print(line, soft_wrap=True)
        if trained.bundle:
            named = f" --data {data}" if data else ""
            talk().print(f"Next: quintet export {trained.bundle}{named}", soft_wrap=True)
    raise typer.Exit(0 if trained.bundle else 1)


def pick_library(
    system: "System", network: str, asked: str, studies: Path, prepared: "Prepared", device: str
) -> tuple[str, str]:
    """Return the library to train with, and a sentence that says why it."""
    from quintet.choice import choose
    from quintet.environments import installed, library, require
    from quintet.errors import EnvironmentUnavailable, NothingMeasured, RecommendationError

    if asked and asked != "auto":
        return require(asked).name, f"Training with {asked}, as asked."
    try:
        chosen = choose(system.name, network, studies)
        return chosen.recommendation.library, f"{chosen.recommendation.sentence} (measured in {chosen.folder})"
    except NothingMeasured:
        if asked == "auto":
            return pick_by_trial(system, network, prepared, device)
    except RecommendationError:
        if asked == "auto":
            raise
    names = installed()
    if not names:
        raise EnvironmentUnavailable(
            "received no library, expected at least one to be installed; type, in Quintet's folder:"
            f" {library('torch').how_to_install}"
        )
    return names[0], (
        f"Training with {names[0]}, the first that is installed: nothing was measured here yet"
        f" (quintet compare {system.name} --network {network})."
    )


def pick_by_trial(system: "System", network: str, prepared: "Prepared", device: str) -> tuple[str, str]:
    """Return the library that trains fastest in a short trial, and a sentence that says so."""
    from quintet.quick_trial import TRIAL_S, quick_trial

    talk().print(f"No study of {network} was made here: each installed library trains it for {TRIAL_S:g} s.")
    with progress() as on_event:
        tried = quick_trial(system, network, prepared, device=device, on_event=on_event)
    best, *others = tried
    figures = ", ".join(
        f"{one.library} {one.images_per_s:,.0f}" if one.images_per_s else f"{one.library} none ({one.reason})"
        for one in others
    )
    return best.library, (
        f"Training with {best.library} in {best.precision}, the fastest in a {TRIAL_S:g}-second trial of each library:"
        f" {best.images_per_s:,.0f} images/s" + (f" ({figures})" if figures else "") + "; accuracy was not compared"
        f" (quintet compare {system.name} --network {network} does)."
    )


def sentences(trained: "Trained") -> list[str]:
    """Return what a training came to, in words."""
    from quintet.metrics import METRICS

    lines = []
    for name, summary in trained.scores.items():
        metric, bounds = METRICS[name], summary.interval
        span = ""
        if bounds.low is not None and bounds.high is not None:
            span = f", 95 % interval {metric.show(bounds.low)} to {metric.show(bounds.high)}"
        seeds = f"{summary.n} seed{'' if summary.n == 1 else 's'}{span}"
        lines.append(f"{metric.label}: {metric.show(summary.mean)} on the test set of {trained.data} ({seeds})")
    if trained.train_s.mean is not None:
        lines.append(f"training took {trained.train_s.mean:.1f} s a seed with {trained.library}")
    lines += [f"failed: {failure}" for failure in trained.failures]
    if trained.bundle:
        lines.append(f"The model (seed {trained.chosen_seed}, best on validation) is in {trained.bundle}")
    return lines
