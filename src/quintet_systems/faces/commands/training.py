"""`quintet faces train-detectors|carry`: making again what Quintet carries."""

from pathlib import Path
from typing import Annotated

import typer

from quintet.cli.show import AsJson, print_json
from quintet_systems.faces.commands.shared import WithDetector, say

FMR = 1e-3


def train_detectors(
    data: Annotated[
        Path | None, typer.Option(help="The folder that has lfw, negatives, face-models; default: QUINTET_DATA.")
    ] = None,
    library: Annotated[str, typer.Option(help="The library that trains the cascade's nets.")] = "torch",
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: the parts that Quintet carries are replaced.")
    ] = None,
    work: Annotated[Path, typer.Option(help="The folder for the jobs.")] = Path("quintet-models/faces-detectors"),
    json: AsJson = False,
) -> None:
    """Train the HOG detector and the cascade, and measure them on people and scenes that they have not seen."""
    from dataclasses import asdict

    from quintet_systems.faces import defaults
    from quintet_systems.faces.training.detectors import train_detectors as train

    found = train(data, work, library, out or defaults.FOLDER, on_stage=lambda stage: say(f"training: {stage}"))
    if json:
        print_json({name: asdict(one) for name, one in found.items()})
    for name, one in found.items():
        say(f"{name}: {one.told()}, {one.p50_ms:.1f} ms a picture")


def carry(
    bundle: Annotated[Path, typer.Argument(help="A bundle of `quintet train faces`.")],
    detector: WithDetector = "auto",
    data: Annotated[Path | None, typer.Option(help="The folder that has lfw; default: QUINTET_DATA.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="The folder; default: the part that Quintet carries is replaced.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Make a trained embedder the one that Quintet carries, measured on the fold of LFW that it did not learn from."""
    from dataclasses import asdict

    from quintet.bundle import read_bundle
    from quintet.errors import DataError
    from quintet_systems.faces import defaults
    from quintet_systems.faces.engine.opening import open_bundle, open_detector
    from quintet_systems.faces.protocols.lfw import run_own_folds, strangers_threshold

    made = open_bundle(bundle)
    fold = made.card["fold"]
    if fold is None:
        raise DataError(f"received a bundle trained on {made.card['trained_on']}, expected lfw-fold0 to lfw-fold9")
    finds, card = open_detector(detector, data)
    found = run_own_folds(finds, [(fold, made)], data)
    own = {
        **{key: value for key, value in made.card.items() if key != "file"},
        "name": "quintet",
        "licence": "MIT, as Quintet; LFW states no licence for what is learnt from it",
        "source": "trained by Quintet: quintet train faces, then quintet faces carry",
        "trained_on": f"LFW, the people of all folds of its pairs but {fold}",
        "threshold": round(strangers_threshold(finds, made, fold, FMR, data), 3),
        "threshold_of": "reached by 1 in 1,000 pairs of two people in LFW whom it did not learn from",
        "measured": f"{100 * found.mean:.2f} % of {found.n_pairs} pairs of LFW's View 2, fold {fold}, with {card['name']}",
        "figures": asdict(found),
    }
    defaults.carry_embedder(read_bundle(bundle), own, out or defaults.FOLDER)
    if json:
        print_json(own)
    say(f"carried: {own['measured']}; threshold {own['threshold']:.3f}")
