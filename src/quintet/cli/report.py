"""`quintet report DIR` and `quintet recommend SYSTEM`: what finished studies say."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from quintet.cli.show import AsJson, print_json, talk


def mount(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("report")(report)
    app.command("recommend")(recommend)


def report(
    folder: Annotated[Path, typer.Argument(help="A study's folder.")],
    json: AsJson = False,
) -> None:
    """Write the report of the study in FOLDER anew, finished or not, and show its summary."""
    from quintet.report import print_summary, write_report
    from quintet.results import analyse, to_json
    from quintet.store import Store

    with Store(folder) as store:
        result = analyse(store)
    path = write_report(result, folder / "report.html")
    if json:
        print_json({**to_json(result), "report": str(path)})
    else:
        print_summary(result, talk(), path)


def recommend(
    system: Annotated[str, typer.Argument(help="A system, such as digits.")],
    network: Annotated[str, typer.Option(help="The network; default: the system's own choice.")] = "",
    goal: Annotated[
        Literal["training", "inference", "latency", "memory"], typer.Option(help="What to be best in.")
    ] = "training",
    min_accuracy: Annotated[float | None, typer.Option(help="From 0 to 1.")] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help="Median, at batch 1.")] = None,
    max_peak_mib: Annotated[float | None, typer.Option(help="Peak memory of a training process.")] = None,
    max_energy_j: Annotated[float | None, typer.Option(help="Energy of one training.")] = None,
    max_train_s: Annotated[float | None, typer.Option(help="Seconds of one training.")] = None,
    studies: Annotated[Path, typer.Option(help="The folder with the studies.")] = Path("quintet-results"),
    json: AsJson = False,
) -> None:
    """Name the library that was measured best on this machine under your limits, or say what is missing."""
    from dataclasses import asdict

    from quintet.choice import choose
    from quintet.recommend import Limits

    limits = Limits(
        min_accuracy=min_accuracy,
        max_latency_ms=max_latency_ms,
        max_peak_mib=max_peak_mib,
        max_energy_j=max_energy_j,
        max_train_s=max_train_s,
    )
    chosen = choose(system, network or None, studies, limits=limits, goal=goal)
    if json:
        print_json({**asdict(chosen.recommendation), "study": str(chosen.folder)})
        return
    print(chosen.recommendation.library)
    talk().print(chosen.recommendation.sentence)
    for change in chosen.recommendation.changes:
        talk().print(change)
