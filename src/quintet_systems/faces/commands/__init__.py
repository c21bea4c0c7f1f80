"""`quintet faces …`."""

import typer

from quintet_systems.faces.commands.measuring import compare, lfw, measure
from quintet_systems.faces.commands.pictures import detect, embed, identify, verify
from quintet_systems.faces.commands.training import carry, train_detectors

app = typer.Typer(help="Faces: find, compare, identify; and measure how well.", no_args_is_help=True)

for command in (detect, verify, identify, embed, lfw, measure, compare, train_detectors, carry):
    app.command(command.__name__.replace("_", "-"))(command)


@app.callback()
def group() -> None:
    """Faces: find, compare, identify; and measure how well."""
