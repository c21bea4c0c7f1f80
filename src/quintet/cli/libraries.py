"""`quintet libraries`: which libraries are here."""

import typer

from quintet.cli.show import AsJson, print_json


def mount(app: typer.Typer) -> None:
    """Add the command."""
    app.command("libraries")(libraries)


def libraries(json: AsJson = False) -> None:
    """Show each library, whether it is installed, and how to get it."""
    from quintet.environments import LIBRARIES

    rows = [
        {"library": name, "version": found.version, "install": found.how_to_install}
        for name, found in LIBRARIES.items()
    ]
    if json:
        print_json({"libraries": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("library", "version", "to install it")
    for row in rows:
        table.add_row(row["library"], row["version"] or "not installed", "" if row["version"] else row["install"])
    Console(markup=False).print(table)
