"""The demo: an embedder trained on drawn people, and compared with hand-crafted features on people it has never seen.

Everything it says was measured while it ran. A demo that was stopped goes on when it is started again.
"""

from pathlib import Path

import cv2
import numpy as np

from quintet import machine
from quintet.bundle import read_bundle
from quintet.environments import installed
from quintet.errors import EnvironmentUnavailable
from quintet.schedule import Event, OnEvent
from quintet.study import make_study
from quintet.system import Prepared
from quintet.training import train_network
from quintet_systems.faces.comparison.crops import Crops, aligned
from quintet_systems.faces.comparison.measuring import UNCHANGED, grid, identify, random_splits
from quintet_systems.faces.comparison.methods import handcrafted, learned
from quintet_systems.faces.drawn import draw_gallery
from quintet_systems.faces.engine.net_embedder import NetEmbedder
from quintet_systems.faces.networks import SIDE

LEARNT, KEPT, STRANGERS, SHOTS = 60, 15, 20, 12
CONDITIONS = ("dim light", "mask", "blur")


def run_demo(folder: Path, on_event: OnEvent) -> list[str]:
    """Run the demo in `folder`/faces; return the lines that say what came of it."""
    from quintet_systems.faces.system import SYSTEM

    names = installed()
    if not names:
        raise EnvironmentUnavailable("received no installed library, expected at least one; see: quintet libraries")
    prepared = draw_training()
    study = make_study(
        {
            "name": "demo: drawn faces",
            "system": SYSTEM.name,
            "networks": ["tiny"],
            "libraries": [names[0]],
            "seeds": 1,
            "epochs": 8,
            "data": prepared.name,
            "threads": len(machine.cores()),
            "parity": False,
            "repeats": 0,
            "save_weights": True,
        }
    )
    trained = train_network(study, folder / "faces", on_event, prepared)
    if not trained.bundle:
        return ["", f"Nothing came of it: {'; '.join(trained.failures)}"]
    embedder = NetEmbedder(read_bundle(trained.bundle), "network", {"name": "network"})
    strangers = aligned(*draw_gallery(range(LEARNT + 2 * KEPT, LEARNT + 2 * KEPT + STRANGERS), SHOTS))
    methods = [learned(embedder), *handcrafted()]
    values = identify(
        strangers,
        random_splits(strangers.people, 2, 3),
        methods,
        grid(CONDITIONS),
        lambda done, total: on_event(Event(phase="conditions", done=done, total=total, text="")),
    )
    width = max(len(one.name) for one in methods)
    heads = (UNCHANGED, *CONDITIONS)

    def share(method: str, condition: str) -> float:
        return 100 * float(np.mean([v for (m, c, _), v in values.items() if (m, c) == (method, condition)]))

    return [
        "",
        f"{LEARNT} drawn people to learn from, {STRANGERS} others to be told apart (no real ones: those are yours to bring).",
        f"Trained with {names[0]}; two pictures of each person enrolled. Right answers, mean of five strengths, %:",
        "    " + " " * width + "".join(f"{one:>12}" for one in heads),
        *(f"    {one.name:<{width}}" + "".join(f"{share(one.name, c):12.1f}" for c in heads) for one in methods),
        "",
        f"Bundle: {trained.bundle}   (its card: card.md)",
        "",
        "Next, with pictures of real people who agreed to it, one folder a person:",
        "    quintet faces measure FOLDER",
        "    quintet faces compare --sets FOLDER",
        "    quintet faces verify ONE.jpg ANOTHER.jpg",
    ]


def draw_training() -> Prepared:
    """Return drawn faces in three splits without a person in common."""
    arrays = {}
    first = 0
    for part, count in (("train", LEARNT), ("validation", KEPT), ("test", KEPT)):
        crops = aligned(*draw_gallery(range(first, first + count), SHOTS))
        arrays |= {
            f"{part}_x": _half(crops),
            f"{part}_y": np.unique(crops.people, return_inverse=True)[1].astype(np.int64),
        }
        first += count
    return Prepared(name="drawn", arrays=arrays, labels=[], provenance={"source": "drawn by Quintet", "licence": "MIT"})


def _half(crops: Crops) -> np.ndarray:
    return np.stack([cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for crop in crops.crops])
