"""What an embedder learns from: LFW's aligned faces of people whom no test pair shows, as arrays; kept in the cache.

"lfw-fold3" are the people of the other nine folds' pairs (0 to 9): on fold 3 alone may the model be tested, as View 2's
protocol has it. A tenth of the people with several pictures is kept for validation, another tenth for the trial's own test.
"""

from pathlib import Path

import cv2
import numpy as np

from quintet.errors import DataError
from quintet.machine import cache_folder
from quintet.system import Prepared
from quintet_systems.faces.data.lfw import CITATION, FILES, ZIP, Lfw, person
from quintet_systems.faces.networks import SIDE
from quintet_systems.faces.training.splits import PARTS, fold_of, parts_of

DEFAULT = "lfw-fold0"
FORM = 2  # of the cached faces; another number makes them anew


def prepare(data: str | None) -> Prepared:
    """Return the faces of the people who may be learnt from, in three splits without a person in common.

    Raises:
        DataError: the name is not of that form, or LFW is not at hand.
    """
    name = data or DEFAULT
    fold = fold_of(name)
    if fold is None:
        raise DataError(
            f'received data "{name}", expected "lfw-fold0" to "lfw-fold9": the fold that is not learnt from'
        )
    lfw = Lfw()
    _, faces = aligned_lfw(lfw)
    parts = parts_of(lfw, fold)
    arrays = {}
    for which in PARTS:
        chosen = np.flatnonzero(parts == which)
        people = np.array([person(lfw.names()[i]) for i in chosen])
        arrays |= {
            f"{which}_x": faces[chosen],
            f"{which}_y": np.unique(people, return_inverse=True)[1].astype(np.int64),
        }
    return Prepared(
        name=name,
        arrays=arrays,
        labels=[],
        provenance={
            "source": "http://vis-www.cs.umass.edu/lfw/",
            "licence": "none stated; for research",
            "citation": CITATION,
            "sha256": {ZIP: FILES[ZIP], "pairs.txt": FILES["pairs.txt"], "without": name},
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


def _keep(place: Path, faces: np.ndarray) -> None:
    import io

    from quintet.job import write_whole

    stream = io.BytesIO()
    np.savez(stream, faces=faces)
    place.parent.mkdir(parents=True, exist_ok=True)
    write_whole(place, stream.getvalue())
