"""`quintet parity SYSTEM`: do the libraries compute the same thing?"""

from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json, progress, talk


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("parity")(parity)


def parity(
    system: Annotated[str, typer.Argument(help="A system, such as digits.")],
    libraries: Annotated[str, typer.Option(help='Names with commas, "installed" or "all".')] = "installed",
    network: Annotated[str, typer.Option(help="Names with commas; default: the system's own choice.")] = "",
    data: Annotated[str, typer.Option(help="The data set; default: the best at hand.")] = "",
    json: AsJson = False,
) -> None:
    """Climb the ladder: weights, outputs, loss, gradients, 1 step, 500 steps against a float64 reference.

    Exit code 1 when a library fails a rung; the rung and the parameter are named.
    """
    import tempfile
    from pathlib import Path

    import numpy as np

    from quintet import machine
    from quintet.cli.libraries import refreshed
    from quintet.environments import chosen
    from quintet.launch import Local
    from quintet.parity import check_parity
    from quintet.schedule import Event
    from quintet.system import check_network, load_system

    found = load_system(system)
    names = refreshed(chosen(split(libraries)))
    prepared = found.prepare(data or None)
    chosen = [check_network(found, name) for name in split(network)] or found.parity_networks()
    recipes = [found.recipe(name, prepared) for name in chosen]
    with tempfile.TemporaryDirectory(prefix="quintet-parity-") as folder, progress() as on_event:
        results = check_parity(
            names,
            [(recipe.net, recipe.optimiser, recipe.rate) for recipe in recipes],
            prepared.arrays["train_x"],
            prepared.arrays["train_y"],
            folder=Path(folder),
            launcher=Local(),
            at_once=len(machine.cores()),
            rng=np.random.default_rng(0),
            on_progress=lambda done, total, text: on_event(Event(phase="parity", done=done, total=total, text=text)),
        )
    passed = all(result.passed for result in results)
    if json:
        print_json(
            {"system": system, "data": prepared.name, "passed": passed, "libraries": [r.to_json() for r in results]}
        )
    else:
        from rich.table import Table

        table = Table(
            "library", "version", "float64, 500 steps", "float32, 50 steps", "verdict", title=f"The ladder: {system}"
        )
        for result in results:
            record = result.to_json()
            cells = [number(record[p]["max_relative_difference"]) for p in ("float64", "float32")]
            table.add_row(
                result.library, result.version or "", *cells, "passed" if result.passed else record["first_failure"]
            )
        talk().print(table)
    raise typer.Exit(0 if passed else 1)


def split(names: str) -> list[str]:
    """Return the names in a list with commas."""
    return [name.strip() for name in names.split(",") if name.strip()]


def number(value: float | None) -> str:
    """Return a small number for a table."""
    return "-" if value is None else f"{value:.1e}"
