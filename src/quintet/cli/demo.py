"""`quintet demo`: the whole way in a few minutes, with no download."""

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.show import progress, talk


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    system: Annotated[str, typer.Argument(help="A system.")] = "digits",
    out: Annotated[Path, typer.Option(help="Where everything goes.")] = Path("quintet-demo"),
) -> None:
    """Compare the installed libraries on embedded data, train the recommended one, and use it."""
    from quintet.system import load_system

    with progress() as on_event:
        lines = load_system(system).demo(out, on_event)
    for line in lines:
        talk().print(line, soft_wrap=True)
