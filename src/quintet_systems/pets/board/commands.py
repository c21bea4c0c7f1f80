"""`quintet pets watch|update|rollback|unit`; `mount` puts them on the pets' own typer application.

`watch` has its options in watch.py, read by argparse: it starts without typer, by way of quintet.cli.quick.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

Trust = Annotated[list[Path], typer.Option(help="The public key that signed it; may stand several times.")]
State = Annotated[Path, typer.Option(help="The folder that `quintet pets watch` works in.")]


def mount(app: typer.Typer) -> None:
    """Add the board's commands to `app`."""
    passed_on = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
    app.command(context_settings=passed_on)(watch)
    app.command()(update)
    app.command()(rollback)
    app.command()(unit)


def watch(context: typer.Context) -> None:
    """Classify what a camera or a folder shows, for months; `quintet pets watch --help` lists the options."""
    from quintet_systems.pets.board.watch import main

    raise typer.Exit(main(context.args))


def update(
    bundle: Annotated[Path, typer.Argument(help="The signed bundle's folder.")],
    trust: Trust,
    state: State = Path("quintet-board"),
    runtime: Annotated[str, typer.Option(help="auto, litert, onnxruntime, openvino or numpy.")] = "auto",
    precision: Annotated[str, typer.Option(help="auto, int8 or float32.")] = "auto",
    threads: Annotated[int, typer.Option(help="Cores for one picture.", min=1)] = 1,
    again: Annotated[bool, typer.Option("--again", help="Take it although it was refused here before.")] = False,
) -> None:
    """Install a bundle on this board: verify it, test it here, swap it in; it goes back by itself if it does badly."""
    from quintet_systems.pets.board.update import update as install

    done = install(bundle, state, trust, runtime=runtime, precision=precision, threads=threads, again=again)
    test = done.test
    print(
        f"Version {done.model_version} in slot {done.slot}: {test.n} recorded answers within {test.largest_difference:.3g},"
        f" {test.milliseconds:.2f} ms a picture ({test.runtime}, {test.precision})."
    )
    if done.on_probation:
        print("It is on probation for its first minutes.", file=sys.stderr)


def rollback(state: State = Path("quintet-board")) -> None:
    """Return to the bundle that ran before."""
    from quintet_systems.pets.board.update import rollback as go_back

    print(f"Slot {go_back(state)} runs now.")


def unit(
    source: Annotated[str, typer.Option(help="What to watch: see `quintet pets watch --help`.")] = "camera",
    options: Annotated[str, typer.Option(help="More options of `quintet pets watch`, in one text.")] = "",
) -> None:
    """Print the systemd unit that keeps `quintet pets watch` running."""
    from quintet_systems.pets.board.unit import unit as text

    print(text(source, options), end="")
