"""`quintet pets look|…`."""

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress, talk

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
