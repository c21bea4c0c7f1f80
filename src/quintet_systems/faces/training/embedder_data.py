"""What an embedder learns from: LFW's aligned faces of people whom no test pair shows, as arrays; kept in the cache.

The names of the data say which people may be learnt from, and so what the model may be tested on:
    "lfw"          nobody of View 2's 6,000 pairs: any of its folds may be tested on it
    "lfw-fold3"    nobody of fold 3 (0 to 9): that fold alone may be, as View 2's protocol has it
A tenth of the people with several pictures is kept for validation, another tenth for the trial's own test.
"""

import re
from pathlib import Path

import cv2
import numpy as np

from quintet.errors import DataError
from quintet.machine import cache_folder
from quintet.system import Prepared
from quintet_systems.faces.data.lfw import CITATION, FILES, ZIP, Lfw, person
from quintet_systems.faces.networks import SIDE
from quintet_systems.faces.training.splits import share

FORM = 1  # of the cached faces; another number makes them anew


def prepare(data: str | None) -> Prepared:
    """Return the faces of the people who may be learnt from, in three splits without a person in common.

    Raises:
        DataError: the name is not one of those above, or LFW is not at hand.
    """
    found = re.fullmatch(r"lfw(?:-fold(\d))?", data or "lfw")
    if not found:
        raise DataError(f'received data "{data}", expected "lfw", or "lfw-fold0" to "lfw-fold9"')
    fold = None if found[1] is None else int(found[1])
    lfw = Lfw()
    names, faces = aligned_lfw(lfw)
    tested = {one for pair in lfw.pairs() if fold is None or pair.fold == fold for one in pair.people()}
    kept = np.array([i for i, name in enumerate(names) if person(name) not in tested])
    people = np.array([person(names[i]) for i in kept])
    counts = dict(zip(*np.unique(people, return_counts=True), strict=True))
    part = np.array([_part(one, int(counts[one])) for one in people])
    arrays = {}
    for which in ("train", "validation", "test"):
        chosen = kept[part == which]
        _, index = np.unique(people[part == which], return_inverse=True)
        arrays |= {f"{which}_x": faces[chosen], f"{which}_y": index.astype(np.int64)}
    return Prepared(
        name=found[0],
        arrays=arrays,
        labels=[],
        provenance={
            "source": "http://vis-www.cs.umass.edu/lfw/",
            "licence": "none stated; for research",
            "citation": CITATION,
            "sha256": {ZIP: FILES[ZIP], "pairs.txt": FILES["pairs.txt"], "without": found[0]},
            "people": len(np.unique(arrays["train_y"])),
        },
    )


def aligned_lfw(lfw: Lfw) -> tuple[tuple[str, ...], np.ndarray]:
    """Return LFW's names and aligned faces at half size `(13233, 56, 56, 3)`; from the cache where they lie there."""
    from quintet_systems.faces.comparison.crops import of_lfw
    from quintet_systems.faces.engine.opening import open_detector

    detector, card = open_detector()
    place = cache_folder() / "faces" / f"lfw-{card['name']}-{card['sha256'][:8]}-{FORM}.npz"
    names = lfw.names()
    if place.is_file():
        try:
            with np.load(place, allow_pickle=False) as arrays:
                return names, arrays["faces"]
        except (OSError, ValueError, KeyError):
            place.unlink()
    _, crops = of_lfw(lfw, detector)
    faces = np.stack([cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for crop in crops.crops])
    _keep(place, faces)
    return names, faces


def _part(one: str, pictures: int) -> str:
    at = share(one)
    if pictures < 2 or at < 0.8:
        return "train"
    return "validation" if at < 0.9 else "test"


def _keep(place: Path, faces: np.ndarray) -> None:
    import io

    from quintet.job import write_whole

    stream = io.BytesIO()
    np.savez(stream, faces=faces)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, stream.getvalue())
