"""`quintet pets look|sizes`, and the board's commands."""

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress, talk
from quintet_systems.pets.board import commands as board

app = typer.Typer(help="Labelled photos: look at them, run a trained model on a board.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Labelled photos: look at them, run a trained model on a board."""


@app.command()
def look(
    data: Annotated[Path, typer.Argument(help="A folder, a zip or a CSV of labelled photos.")],
    json: AsJson = False,
) -> None:
    """Say what labelled photos hold: counts, the broken, near-duplicates, labels that contradict each other, the split.

    Exit code 1 when photos are broken or contradict each other.
    """
    from quintet.datasets.album import PARTS
    from quintet.schedule import Event
    from quintet_systems.pets.data import read

    with progress() as on_event:
        album = read(str(data), lambda done, total: on_event(Event(phase="photos", done=done, total=total, text="")))
    counts = {
        label: {part: int(((album.y == i) & (album.part == p)).sum()) for p, part in enumerate(PARTS)}
        for i, label in enumerate(album.labels)
    }
    if json:
        print_json(
            {
                "photos": counts,
                "broken": [{"name": name, "reason": why} for name, why in album.broken],
                "alike": album.alike(),
                "conflicts": album.conflicts(),
                "sha256": album.digest,
            }
        )
    else:
        for label, parts in counts.items():
            talk().print(f"{label}: {', '.join(f'{n:,} for {part}' for part, n in parts.items())}")
        for name, why in album.broken:
            talk().print(f"set aside: {name}: {why}", soft_wrap=True)
        for names in album.alike():
            talk().print(f"alike, kept on one side: {', '.join(names)}", soft_wrap=True)
        for names in album.conflicts():
            talk().print(f"alike, yet labelled differently, kept out of the test: {', '.join(names)}", soft_wrap=True)
    raise typer.Exit(1 if album.broken or album.conflicts() else 0)


@app.command()
def sizes(
    data: Annotated[
        str, typer.Option(help="A folder, a zip or a CSV of labelled photos; default: the cats and dogs.")
    ] = "",
    networks: Annotated[str, typer.Option(help="The networks, separated by commas; default: all.")] = "",
    library: Annotated[str, typer.Option(help="A library, or auto; see `quintet train`.")] = "auto",
    seeds: Annotated[int, typer.Option(help="Paired seeds.", min=1)] = 5,
    epochs: Annotated[
        float | None, typer.Option(help="Passes over the photos; default: each network's recipe.")
    ] = None,
    threads: Annotated[int, typer.Option(help="Threads per trial.", min=1)] = 1,
    at_once: Annotated[
        int | None, typer.Option(help="Trials side by side; default: as many as there are cores.")
    ] = None,
    margin: Annotated[float, typer.Option(help="Differences in accuracy up to this count as equal.")] = 0.005,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path, typer.Option(help="The folder.")] = Path("quintet-results/pets-sizes"),
    json: AsJson = False,
) -> None:
    """Is the larger network the more accurate? The survey's two nets and the ladder, paired by seed.

    The claim ends as reproduced, not reproduced, or cannot be told. The same command again goes on where it was stopped.
    """
    from dataclasses import asdict

    from quintet import machine
    from quintet.cli.parity import split
    from quintet.cli.train import pick_library
    from quintet.system import check_network
    from quintet_systems.pets.sizes import STEPS, SURVEY, run_sizes
    from quintet_systems.pets.sizes_report import write_sizes_report
    from quintet_systems.pets.system import SYSTEM

    prepared = SYSTEM.prepare(data or None)
    chosen = [check_network(SYSTEM, name) for name in split(networks)] or [*SURVEY, *STEPS]
    name, why = pick_library(SYSTEM, chosen[-1], library, Path("quintet-results"), prepared, device)
    talk().print(why)
    with progress() as on_event:
        study = run_sizes(
            out,
            name,
            prepared,
            networks=chosen,
            seeds=seeds,
            epochs=epochs,
            threads=threads,
            at_once=at_once or max(1, len(machine.cores()) // threads),
            margin=margin,
            device=device,
            on_event=on_event,
        )
    text, plot = write_sizes_report(study, out)
    if json:
        print_json({**asdict(study), "report": str(text), "plot": str(plot)})
        return
    for sentence in study.claims:
        talk().print(sentence)
    talk().print(f"Table, plot and every pair: {text}")


board.mount(app)
