"""`quintet digits read|page|activations`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from quintet.cli.show import AsJson, print_json, progress, talk
from quintet.errors import DataError

if TYPE_CHECKING:
    from quintet_systems.digits.reading import PageReading

app = typer.Typer(help="Handwritten digits: read pages, study activations.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Handwritten digits: read pages, study activations."""


@app.command()
def read(
    images: Annotated[list[Path], typer.Argument(help="Photos or scans, PNG or JPEG.")],
    model: Annotated[Path | None, typer.Option(help="A bundle; default: the newest that was trained here.")] = None,
    save: Annotated[Path | None, typer.Option(help="A folder for copies with what was read drawn in.")] = None,
    json: AsJson = False,
) -> None:
    """Read the handwritten digits on each page: which, how sure, and what is refused because it is no digit.

    Exit code 1 when no digit was found on some page.
    """
    from quintet_systems.digits.drawing import draw_reading
    from quintet_systems.digits.page import load_page, save_page
    from quintet_systems.digits.reader import load_reader, newest_bundle
    from quintet_systems.digits.reading import read_page

    if save and (save.suffix or save.is_file()):
        raise DataError(f"received --save {save}, expected a folder's name: each page's copy goes into it; give one")
    bundle = model or newest_bundle([Path("quintet-models"), Path("quintet-demo")])
    predict, settings = load_reader(bundle)
    pages = [(path, load_page(path)) for path in images]  # all of them first: a bad one is told before any work
    records = []
    for path, page in pages:
        reading = read_page(page, predict, settings)
        records.append(record(path, reading))
        if save:
            save.mkdir(parents=True, exist_ok=True)
            save_page(save / f"{path.stem}-read.png", draw_reading(page, reading))
        if not json:
            show(path, reading)
    if json:
        print_json({"model": str(bundle), "pages": records})
    else:
        talk().print(f"Read with {bundle}" + (f"; drawn into {save}" if save else ""))
        if settings.size == 8:
            talk().print(
                "This model learnt from 1,038 digits of 8x8 pixels, and refuses much; for real pages: quintet train digits"
                " --network best --data mnist"
            )
    raise typer.Exit(0 if all(any(d["digit"] is not None for d in r["digits"]) for r in records) else 1)


def record(path: Path, reading: "PageReading") -> dict:
    """Return a page's reading as plain values."""
    from dataclasses import asdict

    return {"image": str(path), "text": list(reading.lines), **asdict(reading)}


def show(path: Path, reading: "PageReading") -> None:
    """Print a page's text, then each mark that needs a second look."""
    print(f"{path}:")
    for line in reading.lines:
        print(f"  {line}")
    sure = [d.probability for d in reading.digits if d.digit is not None and d.probability is not None]
    refused = [d for d in reading.digits if d.digit is None]
    if sure:
        talk().print(f"  {len(sure)} digits, the least sure {100 * min(sure):.1f} %; {len(refused)} refused")
    for d in refused:
        talk().print(f"  refused at x {d.box.x}, y {d.box.y}: {d.reason}")
    if not reading.digits:
        talk().print(
            "  nothing found: expected dark digits on a light page or the reverse; try a closer, sharper photo"
        )


@app.command()
def page(
    out: Annotated[Path, typer.Argument(help="The PNG or JPEG to write.")],
    count: Annotated[int, typer.Option(help="How many test digits.", min=1, max=200)] = 24,
    data: Annotated[str, typer.Option(help="The data set; default: the newest model's, else the best at hand.")] = "",
    turn: Annotated[float, typer.Option(help="Degrees by which the page lies askew.")] = 4.0,
    seed: Annotated[int, typer.Option(help="Which digits.")] = 0,
) -> None:
    """Write a page of test digits, as if photographed, to try `quintet digits read` on; prints the true digits."""
    import numpy as np

    from quintet_systems.digits.page import save_page
    from quintet_systems.digits.paper import PaperSettings, make_page
    from quintet_systems.digits.reader import newest_data, sample
    from quintet_systems.digits.system import SYSTEM

    rng = np.random.default_rng(seed)
    settings = PaperSettings(turn_degrees=turn, rules=True)
    known = data or newest_data([Path("quintet-models"), Path("quintet-demo")])
    chosen, truth = sample(SYSTEM.prepare(known), count, rng)
    save_page(out, make_page(list(chosen), rng, settings).image)
    for first in range(0, count, settings.columns):
        print("".join(str(digit) for digit in truth[first : first + settings.columns]))


@app.command()
def activations(
    preset: Annotated[
        Literal["quick", "full"], typer.Option(help="quick: 8x8 digits, minutes; full: MNIST.")
    ] = "quick",
    library: Annotated[
        str, typer.Option(help="The library; default: what was measured best here, else an installed one.")
    ] = "",
    modern: Annotated[bool, typer.Option("--modern", help="Also leaky_relu, selu, gelu, silu and mish.")] = False,
    data: Annotated[str, typer.Option(help="The data set; default: the preset's.")] = "",
    threads: Annotated[int, typer.Option(help="Threads per trial.", min=1)] = 1,
    at_once: Annotated[
        int | None, typer.Option(help="Trials side by side; default: as many as there are cores.")
    ] = None,
    margin: Annotated[float, typer.Option(help="Differences in accuracy up to this count as equal.")] = 0.001,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="The folder; default: one below quintet-results.")] = None,
    json: AsJson = False,
) -> None:
    """Which activation gives the best accuracy? Ertam & Aydın's study with matched weights, tuned rates, paired seeds.

    The claim "ReLU gives the best accuracy" ends as reproduced, not reproduced, or cannot be told. The same command
    again goes on where it was stopped.
    """
    from dataclasses import asdict

    from quintet import machine
    from quintet.cli.train import pick_library
    from quintet.system import load_system
    from quintet_systems.digits.activation_report import sentences, write_activation_report
    from quintet_systems.digits.activations import run_activations

    digits = load_system("digits")
    name, why = pick_library(digits, "survey", library, Path("quintet-results"), digits.prepare(data or None), device)
    talk().print(why)
    folder = out or Path("quintet-results") / f"activations-{preset}{'-modern' if modern else ''}-{name}"
    side_by_side = at_once or max(1, len(machine.cores()) // threads)
    with progress() as on_event:
        study = run_activations(
            preset,
            name,
            folder,
            modern=modern,
            data=data or None,
            threads=threads,
            at_once=side_by_side,
            margin=margin,
            device=device,
            on_event=on_event,
        )
    text, plot = write_activation_report(study, folder)
    if json:
        print_json({**asdict(study), "report": str(text), "plot": str(plot)})
        return
    for line in sentences(study):
        talk().print(line)
    talk().print(f"Table, plot and every pair: {text}")
