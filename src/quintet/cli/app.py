"""The program's commands: mounts the groups and the systems' own."""

import sys
from typing import Annotated

import typer

from quintet.cli import bundle, compare, data, demo, export, judge, libraries, parity, profile, report, study, train

app = typer.Typer(
    name="quintet",
    help="One network under every deep-learning library: the same weights, the same batches, one honest verdict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (demo, compare, parity, study, report, train, judge, export, profile, bundle, libraries, data):
    group.mount(app)


def version(value: bool) -> None:
    """Print the version and end."""
    if value:
        from importlib.metadata import version as installed

        print(f"quintet {installed('quintet')}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the whole trace of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Take the options that stand before the command; --debug is read by main()."""


def mount_systems(arguments: list[str]) -> None:
    """Mount each system's own commands; only a system that is called is imported."""
    from quintet.system import load_system, system_names

    for name in system_names():
        commands = load_system(name).commands() if name in arguments else typer.Typer()
        if commands is not None:
            if name not in arguments:
                commands.callback()(lambda: None)
            app.add_typer(commands, name=name, help=f"The system {name}: its own commands.")


def main() -> None:
    """Run the command line."""
    mount_systems(sys.argv[1:])
    app()
