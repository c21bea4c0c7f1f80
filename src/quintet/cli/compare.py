"""`quintet compare SYSTEM`: the short form of a study."""

from pathlib import Path
from typing import Annotated, Any

import typer

from quintet.cli.parity import split
from quintet.cli.show import AsJson

RESULTS = Path("quintet-results")


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("compare")(compare)


def compare(
    system: Annotated[str, typer.Argument(help="A system, such as digits.")],
    libraries: Annotated[str, typer.Option(help='Names with commas, "installed" or "all".')] = "installed",
    network: Annotated[str, typer.Option(help="Names with commas; default: the system's own choice.")] = "",
    seeds: Annotated[int, typer.Option(help="How many paired seeds.")] = 5,
    data: Annotated[str, typer.Option(help="The data set; default: the best at hand.")] = "",
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the training data; default: the network's recipe.")
    ] = None,
    precision: Annotated[str, typer.Option(help="float32, float64 or bfloat16.")] = "float32",
    threads: Annotated[
        str, typer.Option(help='Threads per trial, or "sweep": what trains fastest, per library.')
    ] = "sweep",
    at_once: Annotated[int, typer.Option(help="Trials side by side, each on cores of its own.")] = 1,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    margin: Annotated[float, typer.Option(help="Differences in accuracy up to this count as equal.")] = 0.002,
    timeout: Annotated[float, typer.Option(help="Seconds that one trial may take.")] = 3600,
    out: Annotated[Path | None, typer.Option(help="The study's folder; default: one below quintet-results.")] = None,
    json: AsJson = False,
) -> None:
    """Compare libraries on one network: the ladder, then paired seeds, then a verdict and a report.

    The same command again goes on where it was stopped; what has finished is not run again.
    """
    from quintet.cli.study import run_and_show
    from quintet.environments import chosen
    from quintet.study import make_study
    from quintet.system import load_system

    load_system(system)
    names = chosen(split(libraries))
    settings: dict[str, Any] = {
        "name": f"{system}: {len(names)} {'library' if len(names) == 1 else 'libraries'}",
        "system": system,
        "networks": split(network),
        "libraries": names,
        "seeds": seeds,
        "data": data or None,
        "epochs": epochs,
        "precision": precision,
        "threads": int(threads) if threads.lstrip("-").isdigit() else threads,
        "at_once": at_once,
        "device": device,
        "margin": margin,
        "timeout_s": timeout,
    }
    study = make_study(settings)
    run_and_show(study, out or RESULTS / f"{system}-{study.digest()[:8]}", as_json=json)
