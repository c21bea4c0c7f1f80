"""`quintet libraries`: which libraries are here, what each can do; add, remove and try those with an environment of their own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quintet.cli.show import AsJson, print_json, talk

if TYPE_CHECKING:
    from quintet.environments import Library
    from quintet.environments.own import OnLine

libraries = typer.Typer(help="The libraries: which are here, what each can do; add, remove, try.")
Names = Annotated[list[str], typer.Argument(help="Names, as `quintet libraries` shows them; or all.")]


def mount(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(libraries, name="libraries")


@libraries.callback(invoke_without_command=True)
def show(context: typer.Context, json: AsJson = False) -> None:
    """Show each library: its version, its environment's state, what it supports, what it cannot and why."""
    if context.invoked_subcommand:
        return
    from quintet.environments import LIBRARIES

    rows = [row(name) for name in LIBRARIES]
    if json:
        print_json({"libraries": rows})
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table("library", "version", "lives in", "engine", "precisions", box=SIMPLE_HEAD, padding=0, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for one in rows:
        place = "its own" if one["own_environment"] else "Quintet's"
        table.add_row(
            one["library"],
            one["version"] or "-",
            place if one["state"] == "ready" else one["state"],
            one["engine"] or "",
            " ".join(one["precisions"]),
        )
    console = Console(markup=False, highlight=False)
    console.print(table)
    for one in rows:
        for what, why in one["cannot"].items():
            if not what.startswith(("float", "bfloat")):  # the table says that
                console.print(f"{one['library']} cannot run {what}: {why}", soft_wrap=True)
        if one["to_do"]:
            console.print(f"{one['library']}: {one['to_do']}", soft_wrap=True)


@libraries.command()
def add(names: Names) -> None:
    """Make the environments of retired libraries; one that is there already is left alone."""
    from quintet.environments import own

    for found in retired(names):
        if found.state == "ready":
            talk().print(f"{found.name} {found.version} is here already")
            continue
        made = own.make(own.pins(found.name), watched())
        versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
        talk().print(f"{found.name} is ready after {made['seconds']:.0f} s: {versions}, Python {made['python']}")


@libraries.command()
def remove(names: Names) -> None:
    """Remove the environments of retired libraries."""
    from quintet.environments import own

    for found in retired(names):
        removed = own.remove(own.pins(found.name))
        talk().print(f"{found.name} is removed" if removed else f"{found.name} was not here")


@libraries.command()
def doctor(
    names: Annotated[list[str] | None, typer.Argument(help="Names; default: all that are installed.")] = None,
    json: AsJson = False,
) -> None:
    """Start each library in its own process and let it train a small network. Exit code 1 when one cannot."""
    from quintet.environments import chosen, library
    from quintet.environments.doctor import examine

    found = []
    for name in [library(name).name for name in names] if names else chosen(["installed"]):
        if not json:
            talk().print(f"{name}: training a small network; a Theano compiles for minutes the first time", style="dim")
        found.append(examine(name))
        if not json:
            talk().print(found[-1].sentence)
    if json:
        print_json({"libraries": [{"library": f.library, "healthy": f.healthy, "finding": f.sentence} for f in found]})
    raise typer.Exit(0 if all(f.healthy for f in found) else 1)


def row(name: str) -> dict[str, Any]:
    """Return what there is to say of one library; `to_do` is the command that brings it, or why none can."""
    from quintet.environments import LIBRARIES, own
    from quintet.environments.abilities import cannot, precisions

    found = LIBRARIES[name]
    to_do = own.pins(name).cannot if found.state == "cannot" else None if found.version else found.how_to_install
    return {
        "library": name,
        "version": found.version,
        "own_environment": found.retired,
        "state": found.state,
        "engine": found.engine,
        "precisions": precisions(name),
        "cannot": cannot(name),
        "to_do": to_do,
    }


def retired(names: Sequence[str]) -> list["Library"]:
    """Return the libraries called `names`, or all that can have an environment of their own; all are checked before any is made.

    Raises:
        StudyError: there is no such library, or it lives in Quintet's own environment.
        EnvironmentUnavailable: it cannot run anywhere.
    """
    from quintet.environments import LIBRARIES, library
    from quintet.errors import EnvironmentUnavailable, StudyError

    own = [found for found in LIBRARIES.values() if found.retired and found.state != "cannot"]
    if list(names) == ["all"]:
        return own
    chosen = [library(name) for name in names]
    for found in chosen:
        if not found.retired:
            raise StudyError(
                f'received library "{found.name}", expected one with an environment of its own:'
                f" {', '.join(one.name for one in own)}; {found.name} lives in Quintet's, where pip installs and removes it:"
                f" {found.how_to_install}"
            )
        if found.state == "cannot":
            raise EnvironmentUnavailable(found.unavailable or "")
    return chosen


def refreshed(names: Sequence[str]) -> list[str]:
    """Make the environments anew whose pins have changed since they were made, or say why not; return `names`."""
    from quintet.environments import refresh

    for name, why in refresh(names, watched()).items():
        talk().print(f"{name} is left out: {why}", soft_wrap=True)
    return list(names)


def watched() -> "OnLine":
    """Return what shows an installer's lines: the last one on a terminal, none elsewhere but what is being installed."""
    console = talk()

    def on_line(line: str) -> None:
        if console.is_terminal:
            console.print(f"\x1b[2K\r{line[: console.width - 1]}", end="", soft_wrap=True)
        elif "Collecting" in line or "trying" in line:
            console.print(line.partition(" (from ")[0], soft_wrap=True)

    return on_line
