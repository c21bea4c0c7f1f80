"""`quintet data list|get|where|check`: the data sets and where they are."""

from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json, talk

data = typer.Typer(help="The data sets: what there is, where it is, whether it is whole.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(help="A data set's name, as `quintet data list` shows it.")]


def mount(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(data, name="data")


@data.command("list")
def list_(json: AsJson = False) -> None:
    """Show every data set, its licence, and whether it is at hand."""
    from quintet import datasets

    rows = []
    for name in datasets.names():
        source, here = datasets.source(name), datasets.where(name)
        rows.append(
            {"name": name, "title": source.title, "licence": source.licence, "where": str(here) if here else None}
        )
    if json:
        print_json({"datasets": rows})
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "what", "licence", "where")
    for row in rows:
        table.add_row(
            row["name"], row["title"], row["licence"], row["where"] or f"not here: quintet data get {row['name']}"
        )
    Console(markup=False).print(table)


@data.command()
def get(name: Name, json: AsJson = False) -> None:
    """Find a data set, or download it from its official source with a checksum."""
    from quintet import datasets

    place = datasets.get(name)
    if json:
        print_json({"name": name, "where": str(place)})
    else:
        print(place)


@data.command()
def where(name: Name, json: AsJson = False) -> None:
    """Say where a data set is; exit code 1 when it is not here."""
    from quintet import datasets

    place = datasets.where(name)
    if json:
        print_json({"name": name, "where": str(place) if place else None})
    elif place:
        print(place)
    else:
        talk().print(f"{name} is not here; get it with: quintet data get {name}")
    raise typer.Exit(0 if place else 1)


@data.command()
def check(name: Name, json: AsJson = False) -> None:
    """Check every file of a data set against its checksum; exit code 1 when one is missing or corrupt."""
    from quintet import datasets

    states = datasets.check(name)
    if json:
        print_json(
            {
                "name": name,
                "files": [{"name": s.name, "state": s.state, "path": s.path, "reason": s.reason} for s in states],
            }
        )
    else:
        for s in states:
            print(f"{s.state:8} {s.name}  {s.path or ''} {s.reason or ''}".rstrip())
    raise typer.Exit(0 if all(s.state == "ok" for s in states) else 1)
